//! What a credential opens.

use std::{collections::BTreeSet, fmt, str::FromStr, sync::Arc};

use crate::Needs;

/// One kind of data.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Area {
    /// Reading and filing mail: IMAP, POP3, ManageSieve.
    Mail,
    /// Sending mail.
    MailSend,
    /// CalDAV.
    Calendars,
    /// CardDAV.
    Contacts,
    /// WebDAV.
    Files,
}

impl Area {
    /// All of them, in the order pages show them.
    pub const ALL: [Self; 5] = [Self::Mail, Self::MailSend, Self::Calendars, Self::Contacts, Self::Files];

    fn name(self) -> &'static str {
        match self {
            Self::Mail => "mail",
            Self::MailSend => "mail:send",
            Self::Calendars => "calendars",
            Self::Contacts => "contacts",
            Self::Files => "files",
        }
    }
}

/// One thing that a credential opens, or that a door asks for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scope {
    /// Reading and changing.
    Full(Area),
    /// Reading only, `calendars:read`. Only a door that can tell reading from
    /// writing asks for less than `Full`, so elsewhere this opens nothing.
    Read(Area),
    /// A service of the site's own, by name.
    Custom(Box<str>),
}

/// The text names no scope.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is no scope: use mail, mail:send, calendars, contacts, files, with :read to read only, or a name of your own in a-z 0-9 -"
)]
pub struct NotAScope(String);

impl FromStr for Scope {
    type Err = NotAScope;

    fn from_str(text: &str) -> Result<Self, NotAScope> {
        let no = || NotAScope(text.to_owned());
        if let Some(area) = Area::ALL.into_iter().find(|area| area.name() == text) {
            return Ok(Self::Full(area));
        }
        if let Some(stem) = text.strip_suffix(":read") {
            let area = Area::ALL.into_iter().find(|area| area.name() == stem).ok_or_else(no)?;
            // Sending has no reading side.
            return if area == Area::MailSend { Err(no()) } else { Ok(Self::Read(area)) };
        }
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        let starts = text.starts_with(|c: char| c.is_ascii_lowercase());
        if starts && text.len() <= 32 && text.chars().all(plain) { Ok(Self::Custom(text.into())) } else { Err(no()) }
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Full(area) => f.write_str(area.name()),
            Self::Read(area) => write!(f, "{}:read", area.name()),
            Self::Custom(name) => f.write_str(name),
        }
    }
}

/// A set of scopes. Printed with commas, read back from that. Cheap to clone.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Scopes(Arc<BTreeSet<Scope>>);

impl Scopes {
    /// True if everything that is needed is opened by this set.
    pub fn open(&self, needs: &Needs) -> bool {
        needs.are_met_by(self)
    }

    /// True if this is in it, or more than this.
    pub(crate) fn hold(&self, need: &Scope) -> bool {
        self.0.contains(need) || matches!(need, Scope::Read(area) if self.0.contains(&Scope::Full(*area)))
    }

    /// True if it opens nothing.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Each scope, in a stable order.
    pub fn iter(&self) -> impl Iterator<Item = &Scope> {
        self.0.iter()
    }
}

impl FromIterator<Scope> for Scopes {
    fn from_iter<I: IntoIterator<Item = Scope>>(scopes: I) -> Self {
        Self(Arc::new(scopes.into_iter().collect()))
    }
}

impl FromStr for Scopes {
    type Err = NotAScope;
    fn from_str(text: &str) -> Result<Self, NotAScope> {
        text.split(',').map(str::trim).filter(|s| !s.is_empty()).map(str::parse).collect()
    }
}

impl fmt::Display for Scopes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, scope) in self.0.iter().enumerate() {
            if i > 0 {
                f.write_str(",")?;
            }
            scope.fmt(f)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scopes(text: &str) -> Scopes {
        text.parse().unwrap()
    }

    #[test]
    fn a_scope_opens_itself_and_its_reading_side_only() {
        for (has, needs, opens) in [
            ("mail", "mail", true),
            ("mail", "mail:send", false),
            ("mail:send", "mail", false),
            ("mail", "mail:read", true),
            ("mail:read", "mail", false),
            ("calendars", "calendars,contacts", false),
            ("calendars,contacts", "calendars,contacts", true),
            ("wiki", "wiki", true),
            ("wiki", "mail", false),
            ("", "mail", false),
        ] {
            assert_eq!(scopes(has).open(&scopes(needs).into()), opens, "{has} at {needs}");
        }
    }

    #[test]
    fn reads_back_what_it_prints() {
        let all = scopes("mail,mail:send,calendars:read,contacts,files,wiki");
        assert_eq!(scopes(&all.to_string()), all);
        for bad in ["Mail", "mail:write", "mail:send:read", "a b", "-x", "mail;drop"] {
            assert!(bad.parse::<Scopes>().is_err(), "{bad}");
        }
    }
}
