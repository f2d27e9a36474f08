//! The tables of docs/app-lock.md, as they were found and as they are written there.

use std::{collections::BTreeMap, fmt::Write as _, fs};

use super::apps::{APPS, Use};

const DOCUMENT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/app-lock.md");

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Table {
    /// A password that has shown its app on IMAP, tried on IMAP.
    Reading,
    /// One that has shown its app in sending (and on IMAP, if that reads), tried in sending.
    Sending,
    /// One that has shown its app on IMAP only, tried in sending.
    FirstSending,
    /// One that has shown its app in calendars, tried there.
    Calendars,
}

/// What an app came to with a password.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Came {
    In,
    /// Where the owner is, and not from another network.
    InAtHome,
    Refused,
}

/// Of each table, for the owner of a password, and who came with it.
pub(super) type Cells = BTreeMap<(Table, &'static str, &'static str), Came>;

const WORDS: [(Came, &str); 3] = [(Came::In, "**in**"), (Came::InAtHome, "at home"), (Came::Refused, "·")];

impl Table {
    pub(super) fn owner_does(self) -> Use {
        match self {
            Self::Sending => Use::Sending,
            Self::Calendars => Use::Calendars,
            Self::Reading | Self::FirstSending => Use::Reading,
        }
    }

    pub(super) fn other_does(self) -> Use {
        match self {
            Self::Reading => Use::Reading,
            Self::Sending | Self::FirstSending => Use::Sending,
            Self::Calendars => Use::Calendars,
        }
    }

    fn markers(self) -> [String; 2] {
        let name = match self {
            Self::Reading => "reading",
            Self::Sending => "sending",
            Self::FirstSending => "sending for the first time",
            Self::Calendars => "calendars",
        };
        [
            format!("<!-- {name}: written by e2e/tests/e2e/app_lock/square.rs -->\n"),
            format!("<!-- the end of {name} -->\n"),
        ]
    }

    pub(super) fn markdown(self, cells: &Cells) -> String {
        let of = |to: Use| APPS.iter().filter(move |app| app.how(to).is_some());
        let mut text = String::from("| |");
        of(self.other_does()).for_each(|app| write!(text, " {} |", app.name).unwrap());
        writeln!(text, "\n|---|{}", "---|".repeat(of(self.other_does()).count())).unwrap();
        for owner in of(self.owner_does()) {
            write!(text, "| {} |", owner.name).unwrap();
            for other in of(self.other_does()) {
                let came = cells.get(&(self, owner.name, other.name));
                let word = came.and_then(|came| WORDS.iter().find(|(one, _)| one == came));
                write!(text, " {} |", word.map_or("", |(_, word)| word)).unwrap();
            }
            text.push('\n');
        }
        text
    }

    /// What the documentation says of a cell.
    pub(super) fn documented(self, owner: &str, other: &str) -> Option<Came> {
        let text = fs::read_to_string(DOCUMENT).unwrap();
        let [begin, end] = self.markers();
        let mut lines = text.split_once(&begin)?.1.split_once(&end)?.0.lines();
        let cells = |line: &str| line.split('|').map(|cell| cell.trim().to_owned()).collect::<Vec<_>>();
        let column = cells(lines.next()?).iter().position(|name| name == other)?;
        let row = lines.map(cells).find(|row| row.get(1).is_some_and(|name| name == owner))?;
        WORDS.iter().find(|(_, word)| *word == row[column]).map(|(came, _)| *came)
    }
}

/// Writes these into the documentation.
pub(super) fn write(tables: &[Table], cells: &Cells) {
    let mut text = fs::read_to_string(DOCUMENT).unwrap();
    for table in tables {
        let [begin, end] = table.markers();
        let (before, rest) = text.split_once(&begin).unwrap();
        let (_, after) = rest.split_once(&end).unwrap();
        text = format!("{before}{begin}{}{end}{after}", table.markdown(cells));
    }
    fs::write(DOCUMENT, text).unwrap();
}
