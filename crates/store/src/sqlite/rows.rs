//! Rows as values and back. A row that makes no sense says where it is.

use std::{fmt::Display, net::IpAddr, str::FromStr, sync::Arc};

use authority::{
    Account, AccountId, AppPassword, AppPasswordId, ChosenBy, LockMode, Login, Primary, PrimaryHash, Reason,
    SealedEntry, SealedSeed, SecondFactor, Standing, Timestamp, Use,
};
use rusqlite::{Connection, OptionalExtension, Row, types::FromSql};

use super::{
    failure::{Failure, Outcome},
    line,
};

/// What [`account`] reads, from `account AS a`.
pub(super) const ACCOUNT: &str = "a.no, a.id, a.standing, a.primary_hash, a.primary_by, a.seed, a.seed_by,
    a.last_step, a.created, a.epoch,
    (SELECT group_concat(l.name, ' ' ORDER BY l.place) FROM login AS l WHERE l.account = a.no) AS login";

/// What [`app_password`] reads, from `app_password AS p` and its `account AS a`.
pub(super) const APP_PASSWORD: &str = "p.no, p.id, a.id AS account, p.label, p.app, p.scopes, p.networks, p.lock,
    p.created, p.use_by, p.expires, p.first_used, p.revoked";

/// What [`used`] reads, from `app_password_use AS u` and its `door AS d`.
pub(super) const USE: &str = "d.name AS door, u.at, u.source";

/// A row of which the first column is its number.
pub(super) struct Fields<'r> {
    table: &'static str,
    row: &'r Row<'r>,
}

impl<'r> Fields<'r> {
    pub(super) fn of(table: &'static str, row: &'r Row<'r>) -> Self {
        Self { table, row }
    }

    /// The column as it is stored.
    pub(super) fn get<T: FromSql>(&self, column: usize) -> Outcome<T> {
        self.row.get(column).map_err(|error| self.corrupt(column, error))
    }

    /// The column, if its text or number stands for something.
    pub(super) fn parse<T: FromStr<Err: Display>>(&self, column: usize) -> Outcome<T> {
        let text = self.row.get_ref(column)?.as_str().map_err(|error| self.corrupt(column, error))?;
        text.parse().map_err(|error| self.corrupt(column, error))
    }

    pub(super) fn time(&self, column: usize) -> Outcome<Timestamp> {
        self.get(column).map(Timestamp::from_millis)
    }

    fn end(&self, column: usize) -> Outcome<Option<Timestamp>> {
        Ok(self.get::<Option<_>>(column)?.map(Timestamp::from_millis))
    }

    pub(super) fn count(&self, column: usize) -> Outcome<u64> {
        u64::try_from(self.get::<i64>(column)?).map_err(|error| self.corrupt(column, error))
    }

    pub(super) fn address(&self, column: usize) -> Outcome<IpAddr> {
        let bytes = self.row.get_ref(column)?.as_blob().map_err(|error| self.corrupt(column, error))?;
        let v4 = <[u8; 4]>::try_from(bytes).map(IpAddr::from);
        v4.or_else(|_| <[u8; 16]>::try_from(bytes).map(IpAddr::from))
            .map_err(|_| self.corrupt(column, "neither 4 nor 16 bytes"))
    }

    pub(super) fn chosen_by(&self, column: usize) -> Outcome<ChosenBy> {
        match self.get(column)? {
            0 => Ok(ChosenBy::Owner),
            1 => Ok(ChosenBy::Administrator),
            other => Err(self.corrupt(column, format_args!("{other} stands for nobody"))),
        }
    }

    pub(super) fn corrupt(&self, column: usize, what: impl Display) -> Failure {
        let name = self.row.as_ref().column_name(column).unwrap_or("?");
        let place = format!("{}.{name}", self.table);
        match self.row.get::<_, i64>(0) {
            Ok(no) => Failure::corrupt(format_args!("{place}, row {no}"), what),
            Err(_) => Failure::corrupt(place, what),
        }
    }
}

/// An account, from [`ACCOUNT`].
pub(super) fn account(row: &Row<'_>) -> Outcome<Account> {
    let row = Fields::of("account", row);
    let names = row.get::<Option<String>>(10)?.ok_or_else(|| row.corrupt(10, "there is none"))?;
    let mut names = names.split(' ').map(|name| name.parse::<Login>().map_err(|error| row.corrupt(10, error)));
    let login = names.next().ok_or_else(|| row.corrupt(10, "there is none"))??;
    let (primary_by, seed_by, last_step) = (row.chosen_by(4)?, row.chosen_by(6)?, row.count(7)?);
    Ok(Account {
        id: AccountId::from_bytes(row.get(1)?),
        login,
        aliases: names.collect::<Outcome<_>>()?,
        standing: match row.get(2)? {
            0 => Standing::Active,
            1 => Standing::Suspended,
            other => return Err(row.corrupt(2, format_args!("{other} is no standing"))),
        },
        primary: row
            .get::<Option<Box<str>>>(3)?
            .map(|phc| Primary { hash: PrimaryHash::new(phc), chosen_by: primary_by }),
        second_factor: row.get::<Option<Box<[u8]>>>(5)?.map(|seed| SecondFactor {
            seed: SealedSeed(seed),
            last_step,
            chosen_by: seed_by,
        }),
        created: row.time(8)?,
        epoch: row.count(9)?,
    })
}

pub(super) fn standing(standing: Standing) -> i64 {
    match standing {
        Standing::Active => 0,
        Standing::Suspended => 1,
    }
}

pub(super) fn chosen_by(who: ChosenBy) -> i64 {
    match who {
        ChosenBy::Owner => 0,
        ChosenBy::Administrator => 1,
    }
}

/// An app password, from [`APP_PASSWORD`].
pub(super) fn app_password(row: &Row<'_>) -> Outcome<AppPassword> {
    let row = Fields::of("app_password", row);
    Ok(AppPassword {
        id: AppPasswordId::from_bytes(row.get(1)?),
        account: AccountId::from_bytes(row.get(2)?),
        label: row.parse(3)?,
        app: row.parse(4)?,
        scopes: row.parse(5)?,
        networks: row.parse(6)?,
        lock: match row.get(7)? {
            0 => LockMode::Lock,
            1 => LockMode::Watch,
            2 => LockMode::Off,
            other => return Err(row.corrupt(7, format_args!("{other} is no lock"))),
        },
        created: row.time(8)?,
        use_by: row.time(9)?,
        expires: row.end(10)?,
        first_used: row.end(11)?,
        revoked: row.end(12)?,
    })
}

pub(super) fn lock(mode: LockMode) -> i64 {
    match mode {
        LockMode::Lock => 0,
        LockMode::Watch => 1,
        LockMode::Off => 2,
    }
}

/// A use, from [`USE`] behind so many other columns; `None` where there is none.
pub(super) fn used(row: &Row<'_>, behind: usize) -> Outcome<Option<Use>> {
    let row = Fields::of("app_password_use", row);
    let Some(door) = row.get::<Option<Arc<str>>>(behind)? else { return Ok(None) };
    Ok(Some(Use { door, at: row.time(behind + 1)?, from: row.address(behind + 2)? }))
}

pub(super) fn reason(row: &Fields<'_>, column: usize) -> Outcome<Reason> {
    let name = row.get::<String>(column)?;
    Reason::from_name(&name).ok_or_else(|| row.corrupt(column, format_args!("{name:?} is no reason")))
}

/// An address as bytes.
pub(super) fn source(address: IpAddr) -> Vec<u8> {
    match address {
        IpAddr::V4(address) => address.octets().to_vec(),
        IpAddr::V6(address) => address.octets().to_vec(),
    }
}

/// SQLite counts to 2^63 only.
pub(super) fn int(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// Lines of audit behind `after`.
pub(super) fn audit(db: &Connection, after: u64, limit: usize) -> Outcome<Vec<SealedEntry>> {
    let mut statement = db.prepare_cached("SELECT seq, line, seal FROM audit WHERE seq > ?1 ORDER BY seq LIMIT ?2")?;
    let mut rows = statement.query([int(after), i64::try_from(limit).unwrap_or(i64::MAX)])?;
    let mut lines = vec![];
    while let Some(row) = rows.next()? {
        let row = Fields::of("audit", row);
        let text = line::unpack(&row.get::<Vec<u8>>(1)?).ok_or_else(|| row.corrupt(1, "it was not packed by us"))?;
        lines.push(SealedEntry { seq: row.count(0)?, text, seal: row.get(2)? });
    }
    Ok(lines)
}

/// The newest time on record.
pub(super) fn newest(db: &Connection) -> Outcome<Option<Timestamp>> {
    let at = db.prepare_cached("SELECT at FROM newest")?.query_row([], |row| row.get(0)).optional()?;
    Ok(at.map(Timestamp::from_millis))
}
