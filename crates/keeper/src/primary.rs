//! Checking primary passwords: at the portal, and at doors while the cutoff observes.

use std::net::IpAddr;

use authority::{Account, Asking, Facts, Login, PrimaryCheck, Secret, Verdict, decide};

use crate::{Keeper, guesses::Held, hashing::Busy};

impl Keeper {
    /// Whether the primary password opens a door, where it still may.
    pub(crate) async fn decide_primary(
        &self,
        asking: &Asking<'_>,
        login: &Login,
        secret: &Secret,
    ) -> Result<Verdict, Busy> {
        let check = self.check_primary(login, asking.account, secret, asking.from).await?;
        Ok(decide(asking, Facts::Primary(check)))
    }

    /// Throttle, then Argon2id. Used by doors while the cutoff observes, and by the portal.
    ///
    /// A login that nobody has is throttled and hashed all the same: neither
    /// "too many tries" nor the time it takes says who has an account.
    pub(crate) async fn check_primary(
        &self,
        login: &Login,
        account: Option<&Account>,
        secret: &Secret,
        from: IpAddr,
    ) -> Result<PrimaryCheck, Busy> {
        let (id, tag) = {
            let key = &self.keys.in_use().current;
            let id = account.map_or_else(|| key.nobody(login), |account| account.id);
            (id, key.guess(id, secret.expose()))
        };
        let guess = match self.primary_guesses.ask(id, from, tag, self.clock.now()) {
            Ok(guess) => guess,
            Err(Held::KnownWrong) => return Ok(PrimaryCheck::Differs),
            Err(Held::Wait) => return Ok(PrimaryCheck::Throttled),
        };
        let matches = match account.and_then(|account| account.primary.as_ref()) {
            Some(primary) => self.hashing.verify(secret, &primary.hash).await,
            None => self.hashing.hash(secret, [0; 16]).await.map(|_| false),
        };
        match matches? {
            true => {
                guess.succeeded();
                Ok(PrimaryCheck::Matches)
            }
            false => {
                guess.failed(self.clock.now());
                Ok(PrimaryCheck::Differs)
            }
        }
    }
}
