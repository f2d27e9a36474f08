//! The day from which an account's own password opens no door.

use crate::Account;

/// How far the site has moved over. Dates, rehearsals and exemptions will be
/// further variants; `applies` stays the one question.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Cutoff {
    /// Primary passwords are refused at every door.
    #[default]
    Enforced,
    /// They are still admitted, for accounts without a second factor.
    Observed,
}

impl Cutoff {
    /// True if this account's primary password is refused at doors, unchecked.
    ///
    /// A second factor that an app could walk around would be none: turning one
    /// on enforces that account at once (ASVS 5, 6.3.3).
    pub fn applies(self, account: &Account) -> bool {
        self == Self::Enforced || account.second_factor.is_some()
    }
}
