//! What PostgreSQL reports, with what to do about it.

use std::error::Error as _;

use tokio_postgres::{Error, error::SqlState};

use crate::failure::Failure;

/// Why there is no answer that could be used.
#[derive(Debug)]
pub(super) enum Unreachable {
    /// What the server, or the connection to it, reported.
    Said(Error),
    /// Nothing was heard of it in time.
    Late,
}

impl From<Error> for Unreachable {
    fn from(error: Error) -> Self {
        Self::Said(error)
    }
}

impl From<Unreachable> for Failure {
    fn from(unreachable: Unreachable) -> Self {
        match unreachable {
            Unreachable::Said(error) => error.into(),
            Unreachable::Late => Self::unavailable("PostgreSQL does not answer in time: look at its load and its log"),
        }
    }
}

/// Two transactions got in each other's way, and this one was taken back: it can
/// be done again.
pub(super) fn is_conflict(error: &Error) -> bool {
    let code = error.code();
    code == Some(&SqlState::T_R_SERIALIZATION_FAILURE) || code == Some(&SqlState::T_R_DEADLOCK_DETECTED)
}

impl Unreachable {
    /// The server answered that it has not done what it was asked to do.
    pub(super) fn is_no(&self) -> bool {
        // 57P01 to 57P03 are last words: of what was under way they say nothing.
        let says_no = |code: &SqlState| !code.code().starts_with("57P") && !code.code().starts_with("08");
        matches!(self, Self::Said(error) if error.code().is_some_and(says_no))
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let Some(answer) = error.as_db_error() else {
            let cause = error.source().map_or_else(|| error.to_string(), |source| format!("{error}: {source}"));
            return Self::unavailable(format_args!("PostgreSQL: {cause}; check that it runs, and [store] url"));
        };
        let code = answer.code().code();
        let remedy = match code {
            "XX001" | "XX002" => return Self::corrupt("PostgreSQL", answer.message()),
            "3D000" => "make it: `createdb --owner=postern postern`, with the names in [store] url",
            "42501" | "28000" | "28P01" => "check the user and password of [store], what it may do, and pg_hba.conf",
            "25006" => "this server only reads, as a standby does: let [store] url name the one that writes",
            "53100" => "its disk is full: make room on it",
            "53300" => "it has no connection left: raise its max_connections",
            "57P01" | "57P02" | "57P03" => "it is stopping or starting",
            "55P03" | "57014" => "somebody holds a lock there: look at pg_stat_activity",
            _ if code.starts_with("08") || code.starts_with("53") => "look at its log",
            _ => "this is a bug, please report it",
        };
        Self::unavailable(format_args!("PostgreSQL: {} ({code}); {remedy}", answer.message()))
    }
}
