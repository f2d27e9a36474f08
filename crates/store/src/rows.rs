//! Rows as values and back. A row that makes no sense says where it is.

use std::{fmt::Display, net::IpAddr, str::FromStr};

use authority::{
    Account, AccountId, AppPassword, AppPasswordId, ChosenBy, LockMode, Login, Primary, PrimaryHash, Reason,
    SealedEntry, SealedSeed, SecondFactor, Standing, Timestamp, Use,
};

use crate::{
    database::{Columns, Db, values},
    failure::{Failure, Outcome},
    line,
};

/// What [`account`] reads, from `account AS a`.
pub(crate) const ACCOUNT: &str = "a.no, a.id, a.standing, a.primary_hash, a.primary_by, a.seed, a.seed_by,
    a.last_step, a.created, a.epoch,
    (SELECT string_agg(l.name, ' ' ORDER BY l.place) FROM login AS l WHERE l.account = a.no) AS login";

/// What [`app_password`] reads, from `app_password AS p` and its `account AS a`.
pub(crate) const APP_PASSWORD: &str = "p.no, p.id, a.id AS account, p.label, p.app, p.scopes, p.networks, p.lock,
    p.created, p.use_by, p.expires, p.revoked,
    (SELECT min(first) FROM app_password_use WHERE app_password = p.no) AS first_used";

/// How many columns that is.
pub(crate) const APP_PASSWORD_WIDTH: usize = 13;

/// What [`used`] reads, from `app_password_use AS u` and its `door AS d`.
pub(crate) const USE: &str = "d.name AS door, u.at, u.source";

/// A row of which the first column is its number.
pub(crate) struct Fields<'r> {
    table: &'static str,
    row: &'r dyn Columns,
}

impl<'r> Fields<'r> {
    pub(crate) fn of(table: &'static str, row: &'r dyn Columns) -> Self {
        Self { table, row }
    }

    pub(crate) fn int(&self, column: usize) -> Outcome<i64> {
        self.optional_int(column)?.ok_or_else(|| self.corrupt(column, "there is none"))
    }

    pub(crate) fn optional_int(&self, column: usize) -> Outcome<Option<i64>> {
        self.row.int(column).map_err(|what| self.corrupt(column, what))
    }

    pub(crate) fn text(&self, column: usize) -> Outcome<&'r str> {
        self.optional_text(column)?.ok_or_else(|| self.corrupt(column, "there is none"))
    }

    pub(crate) fn optional_text(&self, column: usize) -> Outcome<Option<&'r str>> {
        self.row.text(column).map_err(|what| self.corrupt(column, what))
    }

    pub(crate) fn blob(&self, column: usize) -> Outcome<&'r [u8]> {
        self.optional_blob(column)?.ok_or_else(|| self.corrupt(column, "there is none"))
    }

    pub(crate) fn optional_blob(&self, column: usize) -> Outcome<Option<&'r [u8]>> {
        self.row.blob(column).map_err(|what| self.corrupt(column, what))
    }

    /// So many bytes.
    pub(crate) fn bytes<const N: usize>(&self, column: usize) -> Outcome<[u8; N]> {
        self.blob(column)?.try_into().map_err(|_| self.corrupt(column, format_args!("not {N} bytes")))
    }

    /// The column, if its text stands for something.
    pub(crate) fn parse<T: FromStr<Err: Display>>(&self, column: usize) -> Outcome<T> {
        self.text(column)?.parse().map_err(|error| self.corrupt(column, error))
    }

    /// [`Self::parse`], of text that was packed.
    fn parse_packed<T: FromStr<Err: Display>>(&self, column: usize) -> Outcome<T> {
        let text = line::unpack(self.blob(column)?).ok_or_else(|| self.corrupt(column, "it was not packed by us"))?;
        text.parse().map_err(|error| self.corrupt(column, error))
    }

    pub(crate) fn time(&self, column: usize) -> Outcome<Timestamp> {
        self.int(column).map(Timestamp::from_millis)
    }

    /// A time that may not have come.
    pub(crate) fn end(&self, column: usize) -> Outcome<Option<Timestamp>> {
        Ok(self.optional_int(column)?.map(Timestamp::from_millis))
    }

    pub(crate) fn count(&self, column: usize) -> Outcome<u64> {
        u64::try_from(self.int(column)?).map_err(|error| self.corrupt(column, error))
    }

    pub(crate) fn address(&self, column: usize) -> Outcome<IpAddr> {
        let bytes = self.blob(column)?;
        let v4 = <[u8; 4]>::try_from(bytes).map(IpAddr::from);
        v4.or_else(|_| <[u8; 16]>::try_from(bytes).map(IpAddr::from))
            .map_err(|_| self.corrupt(column, "neither 4 nor 16 bytes"))
    }

    pub(crate) fn chosen_by(&self, column: usize) -> Outcome<ChosenBy> {
        match self.int(column)? {
            0 => Ok(ChosenBy::Owner),
            1 => Ok(ChosenBy::Administrator),
            other => Err(self.corrupt(column, format_args!("{other} stands for nobody"))),
        }
    }

    pub(crate) fn reason(&self, column: usize) -> Outcome<Reason> {
        let name = self.text(column)?;
        Reason::from_name(name).ok_or_else(|| self.corrupt(column, format_args!("{name:?} is no reason")))
    }

    pub(crate) fn corrupt(&self, column: usize, what: impl Display) -> Failure {
        let place = format!("{}.{}", self.table, self.row.name(column));
        match self.row.int(0) {
            Ok(Some(no)) => Failure::corrupt(format_args!("{place}, row {no}"), what),
            _ => Failure::corrupt(place, what),
        }
    }
}

/// An account, from [`ACCOUNT`].
pub(crate) fn account(row: &dyn Columns) -> Outcome<Account> {
    let row = Fields::of("account", row);
    let mut names = row.text(10)?.split(' ').map(|name| name.parse::<Login>().map_err(|error| row.corrupt(10, error)));
    let login = names.next().ok_or_else(|| row.corrupt(10, "there is none"))??;
    let (primary_by, seed_by, last_step) = (row.chosen_by(4)?, row.chosen_by(6)?, row.count(7)?);
    let primary = |phc: &str| Primary { hash: PrimaryHash::new(phc), chosen_by: primary_by };
    let second_factor = |seed: &[u8]| SecondFactor { seed: SealedSeed(seed.into()), last_step, chosen_by: seed_by };
    Ok(Account {
        id: AccountId::from_bytes(row.bytes(1)?),
        login,
        aliases: names.collect::<Outcome<_>>()?,
        standing: match row.int(2)? {
            0 => Standing::Active,
            1 => Standing::Suspended,
            other => return Err(row.corrupt(2, format_args!("{other} is no standing"))),
        },
        primary: row.optional_text(3)?.map(primary),
        second_factor: row.optional_blob(5)?.map(second_factor),
        created: row.time(8)?,
        epoch: row.count(9)?,
    })
}

pub(crate) fn standing(standing: Standing) -> i64 {
    match standing {
        Standing::Active => 0,
        Standing::Suspended => 1,
    }
}

pub(crate) fn chosen_by(who: ChosenBy) -> i64 {
    match who {
        ChosenBy::Owner => 0,
        ChosenBy::Administrator => 1,
    }
}

/// An app password, from [`APP_PASSWORD`]; its pins lie elsewhere: see `pins`.
pub(crate) fn app_password(row: &dyn Columns) -> Outcome<AppPassword> {
    let row = Fields::of("app_password", row);
    Ok(AppPassword {
        id: AppPasswordId::from_bytes(row.bytes(1)?),
        account: AccountId::from_bytes(row.bytes(2)?),
        label: row.parse(3)?,
        app: row.parse_packed(4)?,
        scopes: row.parse_packed(5)?,
        networks: row.parse_packed(6)?,
        lock: match row.int(7)? {
            0 => LockMode::Lock,
            1 => LockMode::Watch,
            2 => LockMode::Off,
            other => return Err(row.corrupt(7, format_args!("{other} is no lock"))),
        },
        pins: std::sync::Arc::default(),
        created: row.time(8)?,
        use_by: row.time(9)?,
        expires: row.end(10)?,
        revoked: row.end(11)?,
        first_used: row.end(12)?,
    })
}

pub(crate) fn lock(mode: LockMode) -> i64 {
    match mode {
        LockMode::Lock => 0,
        LockMode::Watch => 1,
        LockMode::Off => 2,
    }
}

/// A use, from [`USE`] behind so many other columns; `None` where there is none.
pub(crate) fn used(row: &dyn Columns, behind: usize) -> Outcome<Option<Use>> {
    let row = Fields::of("app_password_use", row);
    let Some(door) = row.optional_text(behind)? else { return Ok(None) };
    Ok(Some(Use { door: door.into(), at: row.time(behind + 1)?, from: row.address(behind + 2)? }))
}

/// An address as bytes.
pub(crate) fn source(address: IpAddr) -> Vec<u8> {
    match address {
        IpAddr::V4(address) => address.octets().to_vec(),
        IpAddr::V6(address) => address.octets().to_vec(),
    }
}

/// Databases count to 2^63 only.
pub(crate) fn int(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// Lines of audit behind `after`.
pub(crate) fn audit<D: Db>(db: &D, after: u64, limit: usize) -> Outcome<Vec<SealedEntry>> {
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    db.query(
        "SELECT seq, line, seal FROM audit WHERE seq > ?1 ORDER BY seq LIMIT ?2",
        values![int(after), limit],
        |row| {
            let row = Fields::of("audit", row);
            let text = line::unpack(row.blob(1)?).ok_or_else(|| row.corrupt(1, "it was not packed by us"))?;
            Ok(SealedEntry { seq: row.count(0)?, text, seal: row.bytes(2)? })
        },
    )
}

/// The newest time on record.
pub(crate) fn newest<D: Db>(db: &D) -> Outcome<Option<Timestamp>> {
    Ok(db.number("SELECT at FROM newest", &[])?.map(Timestamp::from_millis))
}
