//! The contract in its plainest form: everything behind one lock.

mod hold;
mod kept;

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    net::IpAddr,
    path::Path,
    sync::{Arc, PoisonError},
};

use async_trait::async_trait;
use authority::{
    Account, AccountId, Actor, AppPassword, AppPasswordId, AuditKey, ChosenBy, Entry, Event, Lesson, Login, Pin,
    Primary, SealedEntry, SecondFactor, Signature, Standing, Stranger, Timestamp, Use, app_lock::Was, catalogue::AppId,
    notice::Tray,
};
use keeper::{
    Added, Digest, Factors, Issued, Learned, Listed, MOST_STRANGERS, NewAccount, Notice, Refused, Resealed,
    STRANGERS_STAY, SetUpOffer, Spent, Store, StoreError, Stored, Tenure,
};

pub use self::hold::{Call, Hold};
use self::{
    hold::wait,
    kept::{Held, Kept, Password, is_alive},
};
use crate::sync::{Mutex, MutexGuard};

/// Keeps everything in memory. Clones share it, as two handles on one database.
#[derive(Clone, Debug)]
pub struct MemoryStore(Arc<Mutex<Kept>>);

impl MemoryStore {
    /// An empty store that seals its audit with `key`.
    pub fn new(key: AuditKey) -> Self {
        Self(Arc::new(Mutex::new(Kept {
            available: true,
            tenure: Tenure::Ours,
            hold: None,
            key,
            lines: vec![],
            newest: None,
            accounts: HashMap::new(),
            passwords: vec![],
            forms: vec![],
            forms_taken: HashSet::new(),
            refused: vec![],
            trays: HashMap::new(),
        })))
    }

    /// Holds the next call of this kind between its work and its answer.
    #[must_use]
    pub fn hold_next(&self, call: Call) -> Arc<Hold> {
        let hold = Arc::new(Hold::default());
        self.lock().hold = Some((call, hold.clone()));
        hold
    }

    /// Switched to `false`, every call fails and changes nothing, until it is
    /// switched back.
    pub fn set_available(&self, available: bool) {
        self.lock().available = available;
    }

    /// What it says of whose it is.
    pub fn set_tenure(&self, tenure: Tenure) {
        self.lock().tenure = tenure;
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn kept(&self) -> Stored<MutexGuard<'_, Kept>> {
        let kept = self.lock();
        if kept.available {
            Ok(kept)
        } else {
            Err(StoreError::Unavailable("the test has taken it away; give it back with set_available(true)".into()))
        }
    }
}

#[async_trait]
impl Store for MemoryStore {
    fn tenure(&self) -> Tenure {
        self.lock().tenure
    }

    async fn account_by_login(&self, login: &Login) -> Stored<Option<Account>> {
        let (read, met) = {
            let mut kept = self.kept()?;
            let mut accounts = kept.accounts.values().map(|held| &held.account);
            let read = accounts.find(|account| account.login == *login || account.aliases.contains(login)).cloned();
            (read, kept.meet(Call::Account))
        };
        wait(met).await;
        Ok(read)
    }

    async fn account(&self, id: AccountId) -> Stored<Option<Account>> {
        Ok(self.kept()?.accounts.get(&id).map(|held| held.account.clone()))
    }

    async fn app_password_by_digest(&self, digest: &Digest) -> Stored<Option<AppPassword>> {
        let (read, met) = {
            let mut kept = self.kept()?;
            let read = kept.passwords.iter().find(|one| one.digest == *digest).map(|one| one.password.clone());
            (read, kept.meet(Call::AppPassword))
        };
        wait(met).await;
        Ok(read)
    }

    async fn accounts(&self) -> Stored<Vec<Account>> {
        let mut accounts: Vec<_> = self.kept()?.accounts.values().map(|held| held.account.clone()).collect();
        accounts.sort_by(|a, b| a.login.cmp(&b.login));
        Ok(accounts)
    }

    async fn app_passwords(&self, account: AccountId) -> Stored<Vec<Listed>> {
        let kept = self.kept()?;
        let newest_first = kept.passwords.iter().rev().filter(|one| one.password.account == account);
        let mut listed: Vec<_> = newest_first.map(Password::listed).collect();
        listed.sort_by_key(|one| std::cmp::Reverse(one.password.created));
        Ok(listed)
    }

    async fn app_password(&self, id: AppPasswordId) -> Stored<Option<Listed>> {
        Ok(self.kept()?.password(id).map(|one| one.listed()))
    }

    async fn refusals(&self, account: AccountId, since: Timestamp) -> Stored<Vec<Refused>> {
        let kept = self.kept()?;
        let of = kept.refused.iter().filter(|line| line.account == Some(account) && line.at >= since);
        let mut refused: Vec<_> = of.cloned().collect();
        refused.sort_by_key(|line| std::cmp::Reverse(line.at));
        Ok(refused)
    }

    async fn recovery_codes(&self, account: AccountId) -> Stored<Vec<Digest>> {
        let kept = self.kept()?;
        let mut codes: Vec<Digest> =
            kept.accounts.get(&account).into_iter().flat_map(|held| &held.recovery).copied().collect();
        codes.sort_by_key(|digest| digest.0);
        Ok(codes)
    }

    async fn recovery_codes_left(&self, account: AccountId) -> Stored<usize> {
        Ok(self.kept()?.accounts.get(&account).map_or(0, |held| held.recovery.len()))
    }

    async fn audit(&self, after: u64, limit: usize) -> Stored<Vec<SealedEntry>> {
        Ok(self.kept()?.lines.iter().filter(|line| line.seq > after).take(limit).cloned().collect())
    }

    async fn back_up(&self, _: &Path) -> Stored<()> {
        Err(StoreError::Unavailable("this store is in memory only".into()))
    }

    async fn newest(&self) -> Stored<Option<Timestamp>> {
        Ok(self.kept()?.newest)
    }

    async fn add_account(&self, new: &NewAccount, entry: &Entry) -> Stored<Added> {
        let mut kept = self.kept()?;
        let account = &new.account;
        let mut taken: HashSet<&Login> = kept.accounts.values().flat_map(|held| names(&held.account)).collect();
        if let Some(name) = names(account).find(|name| !taken.insert(name)) {
            return Ok(Added::LoginTaken(name.clone()));
        }
        let held = Held {
            account: account.clone(),
            recovery: new.recovery.iter().copied().collect(),
            set_up: new.set_up.into_iter().collect(),
        };
        kept.accounts.insert(account.id, held);
        kept.append(entry);
        Ok(Added::Done)
    }

    async fn remove_account(&self, id: AccountId, entry: &Entry) -> Stored<bool> {
        let mut kept = self.kept()?;
        if kept.accounts.remove(&id).is_none() {
            return Ok(false);
        }
        kept.passwords.retain(|one| one.password.account != id);
        kept.refused.retain(|line| line.account != Some(id));
        kept.trays.remove(&id);
        kept.append(entry);
        Ok(true)
    }

    async fn set_standing(&self, id: AccountId, standing: Standing, entry: &Entry) -> Stored<bool> {
        Ok(self.kept()?.change(id, entry, |held| {
            held.account.standing != standing && {
                held.account.standing = standing;
                held.moves_on()
            }
        }))
    }

    async fn change_primary(
        &self,
        id: AccountId,
        epoch: u64,
        primary: &Primary,
        entry: &Entry,
    ) -> Stored<Option<Vec<AppPasswordId>>> {
        let mut kept = self.kept()?;
        let changed = kept.change(id, entry, |held| {
            held.account.epoch == epoch && {
                held.account.primary = Some(primary.clone());
                held.moves_on()
            }
        });
        Ok(changed.then(|| kept.revoke_alive(id, entry)))
    }

    async fn reset(&self, id: AccountId, offer: &SetUpOffer, entry: &Entry) -> Stored<Option<Vec<AppPasswordId>>> {
        let mut kept = self.kept()?;
        let changed = kept.change(id, entry, |held| {
            held.account.primary = None;
            held.account.second_factor = None;
            held.recovery.clear();
            held.set_up = vec![*offer];
            held.moves_on()
        });
        Ok(changed.then(|| kept.revoke_alive(id, entry)))
    }

    async fn set_up_is_open(&self, id: AccountId, digest: &Digest, now: Timestamp) -> Stored<bool> {
        let kept = self.kept()?;
        Ok(kept.accounts.get(&id).is_some_and(|held| is_open(&held.set_up, digest, now)))
    }

    async fn set_up(&self, id: AccountId, digest: &Digest, factors: &Factors, entry: &Entry) -> Stored<bool> {
        Ok(self.kept()?.change(id, entry, |held| {
            is_open(&held.set_up, digest, entry.at) && {
                held.account.primary = Some(factors.primary.clone());
                held.account.second_factor = Some(factors.second_factor.clone());
                held.recovery = factors.recovery.iter().copied().collect();
                held.set_up.clear();
                held.moves_on()
            }
        }))
    }

    async fn enrol(
        &self,
        id: AccountId,
        second_factor: &SecondFactor,
        recovery: &[Digest],
        entry: &Entry,
    ) -> Stored<bool> {
        Ok(self.kept()?.change(id, entry, |held| {
            held.account.second_factor.is_none() && {
                held.account.second_factor = Some(second_factor.clone());
                held.recovery = recovery.iter().copied().collect();
                held.moves_on()
            }
        }))
    }

    async fn replace_second_factor(
        &self,
        id: AccountId,
        epoch: u64,
        second_factor: &SecondFactor,
        recovery: &[Digest],
        entry: &Entry,
    ) -> Stored<bool> {
        Ok(self.kept()?.change(id, entry, |held| {
            held.account.second_factor.is_some() && held.account.epoch == epoch && {
                held.account.second_factor = Some(second_factor.clone());
                held.recovery = recovery.iter().copied().collect();
                held.moves_on()
            }
        }))
    }

    async fn spend(&self, id: AccountId, spent: Spent, entry: &Entry) -> Stored<bool> {
        Ok(self.kept()?.change(id, entry, |held| match spent {
            Spent::Step(step) => held.account.second_factor.as_mut().is_some_and(|factor| {
                let fresh = step > factor.last_step;
                factor.last_step = factor.last_step.max(step);
                fresh
            }),
            Spent::RecoveryCode(digest) => held.recovery.remove(&digest),
        }))
    }

    async fn renew_recovery_codes(&self, id: AccountId, recovery: &[Digest], entry: &Entry) -> Stored<bool> {
        Ok(self.kept()?.change(id, entry, |held| {
            held.recovery = recovery.iter().copied().collect();
            true
        }))
    }

    async fn void_recovery_codes(&self, id: AccountId, codes: &[Digest], entry: &Entry) -> Stored<bool> {
        Ok(self.kept()?.change(id, entry, |held| {
            let before = held.recovery.len();
            held.recovery.retain(|digest| !codes.contains(digest));
            held.recovery.len() < before
        }))
    }

    async fn void_secrets(
        &self,
        id: AccountId,
        resealed: Option<&Resealed>,
        entry: &Entry,
    ) -> Stored<Option<Vec<AppPasswordId>>> {
        let mut kept = self.kept()?;
        let changed = kept.change(id, entry, |held| {
            if let Some(factor) = resealed.and_then(|resealed| held.is_resealed(resealed)) {
                factor.chosen_by = ChosenBy::Administrator;
            }
            held.recovery.clear();
            held.set_up.clear();
            held.moves_on()
        });
        Ok(changed.then(|| kept.revoke_alive(id, entry)))
    }

    async fn issue(&self, password: &AppPassword, digest: &Digest, limit: usize, entry: &Entry) -> Stored<Issued> {
        let mut kept = self.kept()?;
        let may = |account: &Account| account.standing == Standing::Active && account.second_factor.is_some();
        if !kept.accounts.get(&password.account).is_some_and(|held| may(&held.account)) {
            return Ok(Issued::NotAllowed);
        }
        if kept.alive(password.account, password.created).len() >= limit {
            return Ok(Issued::LimitReached);
        }
        kept.passwords.push(Password {
            password: password.clone(),
            digest: *digest,
            uses: BTreeMap::new(),
            strangers: vec![],
        });
        kept.append(entry);
        Ok(Issued::Done)
    }

    async fn revoke(&self, account: AccountId, id: AppPasswordId, entry: &Entry) -> Stored<bool> {
        let (revoked, met) = {
            let mut kept = self.kept()?;
            let revoked = match kept.password(id) {
                Some(Password { password, .. }) if password.account == account && password.revoked.is_none() => {
                    password.revoked = Some(entry.at);
                    kept.append(entry);
                    true
                }
                _ => false,
            };
            (revoked, kept.meet(Call::Revocation))
        };
        wait(met).await;
        Ok(revoked)
    }

    async fn revoke_all(&self, account: AccountId, entry: &Entry) -> Stored<Vec<AppPasswordId>> {
        let mut kept = self.kept()?;
        if kept.alive(account, entry.at).is_empty() {
            return Ok(vec![]);
        }
        kept.append(entry);
        Ok(kept.revoke_alive(account, entry))
    }

    async fn learn(&self, lesson: &Lesson, used: &Use, entries: &[Entry]) -> Stored<Learned> {
        let mut kept = self.kept()?;
        let Some(one) = kept.password(lesson.password).filter(|one| is_alive(&one.password, used.at)) else {
            return Ok(Learned::Gone);
        };
        if Was::of(&one.password) != lesson.was {
            return Ok(Learned::Outdated);
        }
        one.password.first_used.get_or_insert(used.at);
        one.used(used);
        if let Some(pin) = &lesson.pin {
            one.pin(pin);
        }
        let account = one.password.account;
        kept.saw(used.at);
        entries.iter().for_each(|entry| kept.append(entry));
        if let (Some(pin), Some(app)) = (&lesson.pin, &lesson.form_of) {
            kept.take_form(app, &pin.signature, account, used.at);
        }
        Ok(Learned::Done)
    }

    async fn record_stranger(&self, id: AppPasswordId, stranger: &Stranger, entry: &Entry) -> Stored<bool> {
        let mut kept = self.kept()?;
        let Some(one) = kept.password(id) else { return Ok(false) };
        let is_new = one.strangers.iter().all(|known| known.signature != stranger.signature);
        if is_new && one.strangers.len() >= MOST_STRANGERS {
            one.strangers.retain(|known| known.at > stranger.at.minus(STRANGERS_STAY));
            if one.strangers.len() >= MOST_STRANGERS {
                return Ok(false);
            }
        }
        one.strangers.retain(|known| known.signature != stranger.signature);
        one.strangers.push(stranger.clone());
        one.strangers.sort_by_key(|known| std::cmp::Reverse(known.at));
        kept.saw(stranger.at);
        if is_new {
            kept.append(entry);
        }
        Ok(is_new)
    }

    async fn strangers(&self, id: AppPasswordId) -> Stored<Vec<Stranger>> {
        Ok(self.kept()?.password(id).map(|one| one.strangers.clone()).unwrap_or_default())
    }

    async fn forms(&self) -> Stored<Vec<(AppId, Signature)>> {
        Ok(self.kept()?.forms.clone())
    }

    async fn forget_forms(&self, app: &AppId, at: Timestamp, actor: &Actor) -> Stored<usize> {
        let mut kept = self.kept()?;
        kept.forms_taken.retain(|(of, ..)| of != app);
        let (gone, left): (Vec<_>, Vec<_>) = kept.forms.drain(..).partition(|(of, _)| of == app);
        kept.forms = left;
        for (app, form) in &gone {
            let event = Event::AppFormForgotten { app: app.to_string(), client: form.to_string() };
            kept.append(&Entry { at, actor: actor.clone(), account: None, event });
        }
        Ok(gone.len())
    }

    async fn allow(&self, account: AccountId, id: AppPasswordId, pin: &Pin, entry: &Entry) -> Stored<bool> {
        let mut kept = self.kept()?;
        let Some(one) = kept.living(account, id, entry.at) else { return Ok(false) };
        let before = one.strangers.len();
        one.strangers.retain(|known| known.signature != pin.signature);
        if one.strangers.len() == before {
            return Ok(false);
        }
        one.pin(pin);
        kept.append(entry);
        Ok(true)
    }

    async fn relearn(&self, account: AccountId, id: AppPasswordId, use_by: Timestamp, entry: &Entry) -> Stored<bool> {
        let mut kept = self.kept()?;
        let Some(one) = kept.living(account, id, entry.at) else { return Ok(false) };
        one.strangers.clear();
        (one.password.first_used, one.password.use_by) = (None, use_by);
        one.password.pins = Arc::default();
        kept.append(entry);
        Ok(true)
    }

    async fn has_come_from(&self, account: AccountId, from: IpAddr) -> Stored<bool> {
        let network = |address: IpAddr| match address.to_canonical() {
            IpAddr::V4(address) => address.octets()[..3].to_vec(),
            IpAddr::V6(address) => address.octets()[..6].to_vec(),
        };
        let kept = self.kept()?;
        let mut uses =
            kept.passwords.iter().filter(|one| one.password.account == account).flat_map(|one| one.uses.values());
        Ok(uses.any(|used| network(used.from) == network(from)))
    }

    async fn record_uses(&self, uses: &[(AppPasswordId, Use)]) -> Stored<()> {
        let mut kept = self.kept()?;
        for (id, used) in uses {
            if let Some(one) = kept.password(*id) {
                one.used(used);
                kept.saw(used.at);
            }
        }
        Ok(())
    }

    async fn record_refusals(&self, refused: &[Refused]) -> Stored<()> {
        let mut kept = self.kept()?;
        for new in refused {
            if new.account.is_some_and(|id| !kept.accounts.contains_key(&id)) {
                continue;
            }
            let app_password = new.app_password.filter(|_| new.account.is_some());
            let same = |old: &&mut Refused| {
                (old.account, old.app_password, &old.door, old.reason)
                    == (new.account, app_password, &new.door, new.reason)
            };
            match kept.refused.iter_mut().find(same) {
                Some(old) => {
                    old.count += new.count;
                    if new.at >= old.at {
                        (old.at, old.from) = (new.at, new.from);
                    }
                }
                None => kept.refused.push(Refused { app_password, ..new.clone() }),
            }
            kept.saw(new.at);
        }
        Ok(())
    }

    async fn rehash(&self, id: AppPasswordId, digest: &Digest) -> Stored<bool> {
        Ok(self.kept()?.password(id).map(|one| one.digest = *digest).is_some())
    }

    async fn reseal(&self, resealed: &[Resealed]) -> Stored<usize> {
        let mut kept = self.kept()?;
        let mut replaced = 0;
        for one in resealed {
            let held = kept.accounts.get_mut(&one.account);
            replaced += usize::from(held.is_some_and(|held| held.is_resealed(one).is_some()));
        }
        Ok(replaced)
    }

    async fn due_notices(&self, now: Timestamp, limit: usize) -> Stored<Vec<Notice>> {
        let kept = self.kept()?;
        let of = |(account, tray): (&AccountId, &Tray)| {
            let due = tray.due(now).map(|(since, held)| (since, kept.notice(*account, held)));
            due.collect::<Vec<_>>()
        };
        let mut due: Vec<_> = kept.trays.iter().flat_map(of).collect();
        due.sort_by_key(|(since, notice)| (*since, notice.seq));
        Ok(due.into_iter().take(limit).map(|(_, notice)| notice).collect())
    }

    async fn notices_waiting(&self) -> Stored<u64> {
        Ok(self.kept()?.trays.values().map(|tray| tray.waiting() as u64).sum())
    }

    async fn notice_settled(&self, account: AccountId, seq: u64) -> Stored<()> {
        self.kept()?.trays.entry(account).or_default().settle(seq);
        Ok(())
    }

    async fn notice_failed(&self, account: AccountId, seq: u64, next_try: Timestamp) -> Stored<()> {
        self.kept()?.trays.entry(account).or_default().failed(seq, next_try);
        Ok(())
    }

    async fn notices_of(&self, account: AccountId) -> Stored<Vec<Notice>> {
        let kept = self.kept()?;
        let shown = kept.trays.get(&account).into_iter().flat_map(Tray::shown);
        Ok(shown.map(|held| kept.notice(account, held)).collect())
    }

    async fn dismiss_notice(&self, account: AccountId, seq: u64) -> Stored<bool> {
        Ok(self.kept()?.trays.entry(account).or_default().dismiss(seq))
    }

    async fn record(&self, entry: &Entry) -> Stored<()> {
        self.kept()?.append(entry);
        Ok(())
    }
}

fn names(account: &Account) -> impl Iterator<Item = &Login> {
    std::iter::once(&account.login).chain(&account.aliases)
}

fn is_open(offers: &[SetUpOffer], digest: &Digest, now: Timestamp) -> bool {
    offers.iter().any(|offer| offer.digest == *digest && now < offer.expires)
}
