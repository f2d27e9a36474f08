//! What SQLite reports, with what to do about it.

use rusqlite::ErrorCode;

use crate::failure::Failure;

impl From<rusqlite::Error> for Failure {
    fn from(error: rusqlite::Error) -> Self {
        use rusqlite::Error as E;
        let code = match &error {
            E::SqliteFailure(inner, _) => inner.code,
            E::FromSqlConversionFailure(..) | E::IntegralValueOutOfRange(..) | E::InvalidColumnType(..) => {
                return Self::corrupt("postern.db", error);
            }
            _ => return Self::unavailable(format_args!("{error}; this is a bug, please report it")),
        };
        let remedy = match code {
            ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase => return Self::corrupt("postern.db", error),
            ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked => {
                "another program holds the database: end it, and stop Postern before its data folder is copied"
            }
            ErrorCode::DiskFull => "the disk is full: make room on it",
            ErrorCode::ReadOnly => "it must be writable: check the owner of the data folder and how it is mounted",
            ErrorCode::CannotOpen | ErrorCode::PermissionDenied => "check the owner and mode of the data folder",
            ErrorCode::SystemIoFailure => "the disk reports errors: check the system's log",
            ErrorCode::OutOfMemory => "the machine is out of memory",
            _ => "this is a bug, please report it",
        };
        Self::unavailable(format_args!("{error}; {remedy}"))
    }
}
