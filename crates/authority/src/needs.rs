//! What it takes to pass somewhere.

use std::{fmt, str::FromStr, sync::Arc};

use crate::{NotAScope, Scope, Scopes};

/// What a door, or a place behind it, asks for: of each group one scope. No
/// group asks for nothing; a group without a scope can be met by nobody.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Needs(Arc<[Box<[Scope]>]>);

impl Needs {
    /// Any one of these.
    pub fn one_of(scopes: &Scopes) -> Self {
        Self([scopes.iter().cloned().collect()].into())
    }

    /// What no password opens.
    pub fn what_nobody_has() -> Self {
        Self([Box::default()].into())
    }

    /// Both what this asks for and what the other does.
    #[must_use]
    pub fn and(&self, other: &Self) -> Self {
        let more = other.0.iter().filter(|group| !self.0.contains(group));
        Self(self.0.iter().chain(more).cloned().collect())
    }

    /// The same for somebody who only reads.
    #[must_use]
    pub fn reading(&self) -> Self {
        let reading = |scope: &Scope| match scope {
            // Sending has no reading side.
            Scope::Full(area) if *area != crate::Area::MailSend => Scope::Read(*area),
            other => other.clone(),
        };
        Self(self.0.iter().map(|group| group.iter().map(reading).collect()).collect())
    }

    /// Each scope that is asked for.
    pub fn iter(&self) -> impl Iterator<Item = &Scope> {
        self.0.iter().flatten()
    }

    pub(crate) fn are_met_by(&self, scopes: &Scopes) -> bool {
        self.0.iter().all(|group| group.iter().any(|need| scopes.hold(need)))
    }
}

/// All of them.
impl From<Scopes> for Needs {
    fn from(scopes: Scopes) -> Self {
        Self(scopes.iter().map(|scope| [scope.clone()].into()).collect())
    }
}

/// All of them.
impl FromIterator<Scope> for Needs {
    fn from_iter<I: IntoIterator<Item = Scope>>(scopes: I) -> Self {
        scopes.into_iter().collect::<Scopes>().into()
    }
}

/// All of them.
impl FromStr for Needs {
    type Err = NotAScope;
    fn from_str(text: &str) -> Result<Self, NotAScope> {
        text.parse::<Scopes>().map(Self::from)
    }
}

/// With `|` between those of which one will do.
impl fmt::Display for Needs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, group) in self.0.iter().enumerate() {
            if i > 0 {
                f.write_str(",")?;
            }
            for (i, scope) in group.iter().enumerate() {
                write!(f, "{}{scope}", if i > 0 { "|" } else { "" })?;
            }
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
    fn of_each_group_one_scope_is_asked_for() {
        let all: Needs = scopes("calendars,contacts").into();
        let any = Needs::one_of(&scopes("calendars,contacts"));
        let files: Needs = scopes("files").into();
        for (has, needs, met) in [
            ("calendars", &all, false),
            ("calendars,contacts", &all, true),
            ("calendars", &any, true),
            ("calendars:read", &any, false),
            ("calendars:read", &any.reading(), true),
            ("calendars", &any.reading(), true),
            ("files", &any, false),
            ("calendars", &any.and(&files), false),
            ("calendars,files", &any.and(&files), true),
            ("calendars,contacts", &Needs::what_nobody_has(), false),
            ("calendars", &Needs::what_nobody_has().and(&any), false),
            ("calendars", &any.and(&Needs::what_nobody_has()), false),
            ("mail:send", &scopes("mail:send").into(), true),
            ("mail", &Needs::from(scopes("mail:send")).reading(), false),
            ("wiki", &Needs::from(scopes("wiki")).reading(), true),
        ] {
            assert_eq!(needs.are_met_by(&scopes(has)), met, "{has} at {needs}");
        }
        assert_eq!(any.and(&files).to_string(), "calendars|contacts,files");
        assert_eq!(all.and(&all), all);
    }
}
