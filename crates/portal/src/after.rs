//! Where a sign-in leads: back to what was asked for, and never elsewhere.

/// One of our pages. An address that a link chose is only ever one of these.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum After {
    #[default]
    Security,
    Password,
    SecondFactor,
    RecoveryCodes,
    AppPasswords,
    NewAppPassword,
    Notices,
}

impl After {
    const ALL: [Self; 7] = [
        Self::Security,
        Self::Password,
        Self::SecondFactor,
        Self::RecoveryCodes,
        Self::AppPasswords,
        Self::NewAppPassword,
        Self::Notices,
    ];

    /// The page itself.
    pub(crate) fn path(self) -> &'static str {
        match self {
            Self::Security => "/security",
            Self::Password => "/security/password",
            Self::SecondFactor => "/security/second-factor",
            Self::RecoveryCodes => "/security/recovery-codes",
            Self::AppPasswords => "/security/app-passwords",
            Self::NewAppPassword => "/security/app-passwords/new",
            Self::Notices => "/security/notices",
        }
    }

    /// The page at this path, or where every sign-in leads.
    pub(crate) fn from_path(path: &str) -> Self {
        Self::ALL.into_iter().find(|after| after.path() == path).unwrap_or_default()
    }

    /// The sign-in that leads there.
    pub(crate) fn sign_in(self) -> String {
        match self {
            Self::Security => "/sign-in".to_owned(),
            other => format!("/sign-in?to={}", other.path()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_cannot_lead_elsewhere() {
        for odd in ["https://evil.example/", "//evil.example", "/security/../x", "/sign-out", ""] {
            assert_eq!(After::from_path(odd).path(), "/security", "{odd}");
        }
        assert_eq!(After::from_path("/security/password"), After::Password);
    }
}
