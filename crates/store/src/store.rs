//! The port, kept once for both kinds of database.

use std::{fmt, future::Future, net::IpAddr, path::Path};

use async_trait::async_trait;
use authority::{
    Account, AccountId, Actor, AppPassword, AppPasswordId, Entry, Lesson, Login, Pin, Primary, SealedEntry,
    SecondFactor, Signature, Standing, Stranger, Timestamp, Use, catalogue::AppId,
};
use keeper::{
    Added, Digest, Factors, Issued, Learned, Listed, NewAccount, Notice, Refused, Resealed, SetUpOffer, Spent, Store,
    Stored, Tenure,
};

use crate::{
    accounts, app_passwords,
    database::Db,
    failure::{Failure, Outcome},
    forms, journal, notices, pins, rows, sqlite,
    writer::{Write, Writer},
};

/// How one kind of database is read.
pub(crate) trait Kind: Send + Sync + 'static {
    type Db: Db + 'static;

    /// Reads a row or two by an index.
    fn look_up<T: Send + 'static>(
        &self,
        read: impl Fn(&Self::Db) -> Outcome<T> + Send + 'static,
    ) -> impl Future<Output = Outcome<T>> + Send;

    /// Reads what may be long.
    fn list<T: Send + 'static>(
        &self,
        read: impl Fn(&Self::Db) -> Outcome<T> + Send + 'static,
    ) -> impl Future<Output = Outcome<T>> + Send;

    /// Whether this process is the one at work.
    fn tenure(&self) -> Tenure {
        Tenure::Ours
    }
}

/// A store in an SQL database. Dropped, it finishes what was asked for.
pub(crate) struct Sql<K: Kind> {
    // In this order: nobody writes any more when the rest is let go.
    pub(crate) writer: Writer<K::Db>,
    pub(crate) kind: K,
}

impl<K: Kind + fmt::Debug> fmt::Debug for Sql<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.kind.fmt(f)
    }
}

impl<K: Kind> Sql<K> {
    async fn look_up<T: Send + 'static>(&self, read: impl Fn(&K::Db) -> Outcome<T> + Send + 'static) -> Stored<T> {
        self.kind.look_up(read).await.map_err(|Failure(error)| error)
    }

    async fn list<T: Send + 'static>(&self, read: impl Fn(&K::Db) -> Outcome<T> + Send + 'static) -> Stored<T> {
        self.kind.list(read).await.map_err(|Failure(error)| error)
    }

    async fn write<T, F>(&self, act: F) -> Stored<T>
    where
        T: Send + 'static,
        F: Fn(&mut Write<'_, K::Db>) -> Outcome<T> + Send + 'static,
    {
        self.writer.run(act).await
    }
}

#[async_trait]
impl<K: Kind> Store for Sql<K> {
    fn tenure(&self) -> Tenure {
        self.kind.tenure()
    }

    async fn account_by_login(&self, login: &Login) -> Stored<Option<Account>> {
        let login = login.clone();
        self.look_up(move |db| accounts::by_login(db, &login)).await
    }

    async fn account(&self, id: AccountId) -> Stored<Option<Account>> {
        self.look_up(move |db| accounts::by_id(db, id)).await
    }

    async fn app_password_by_digest(&self, digest: &Digest) -> Stored<Option<AppPassword>> {
        let digest = *digest;
        self.look_up(move |db| app_passwords::by_digest(db, &digest)).await
    }

    async fn accounts(&self) -> Stored<Vec<Account>> {
        self.list(accounts::all).await
    }

    async fn app_passwords(&self, account: AccountId) -> Stored<Vec<Listed>> {
        self.list(move |db| app_passwords::of_account(db, account)).await
    }

    async fn app_password(&self, id: AppPasswordId) -> Stored<Option<Listed>> {
        self.look_up(move |db| app_passwords::by_id(db, id)).await
    }

    async fn refusals(&self, account: AccountId, since: Timestamp) -> Stored<Vec<Refused>> {
        self.list(move |db| journal::refusals(db, account, since)).await
    }

    async fn recovery_codes(&self, account: AccountId) -> Stored<Vec<Digest>> {
        self.look_up(move |db| accounts::recovery_codes(db, account)).await
    }

    async fn recovery_codes_left(&self, account: AccountId) -> Stored<usize> {
        self.look_up(move |db| accounts::recovery_codes_left(db, account)).await
    }

    async fn audit(&self, after: u64, limit: usize) -> Stored<Vec<SealedEntry>> {
        self.list(move |db| rows::audit(db, after, limit)).await
    }

    async fn back_up(&self, to: &Path) -> Stored<()> {
        let to = to.to_owned();
        self.list(move |db| sqlite::back_up(db, &to)).await
    }

    async fn newest(&self) -> Stored<Option<Timestamp>> {
        self.look_up(rows::newest).await
    }

    async fn add_account(&self, new: &NewAccount, entry: &Entry) -> Stored<Added> {
        let NewAccount { account, recovery, set_up } = new;
        let new = NewAccount { account: account.clone(), recovery: recovery.clone(), set_up: *set_up };
        let entry = entry.clone();
        self.write(move |write| accounts::add(write, &new, &entry)).await
    }

    async fn remove_account(&self, id: AccountId, entry: &Entry) -> Stored<bool> {
        let entry = entry.clone();
        self.write(move |write| accounts::remove(write, id, &entry)).await
    }

    async fn set_standing(&self, id: AccountId, standing: Standing, entry: &Entry) -> Stored<bool> {
        let entry = entry.clone();
        self.write(move |write| accounts::set_standing(write, id, standing, &entry)).await
    }

    async fn change_primary(
        &self,
        id: AccountId,
        epoch: u64,
        primary: &Primary,
        entry: &Entry,
    ) -> Stored<Option<Vec<AppPasswordId>>> {
        let (primary, entry) = (primary.clone(), entry.clone());
        self.write(move |write| accounts::change_primary(write, id, epoch, &primary, &entry)).await
    }

    async fn reset(&self, id: AccountId, offer: &SetUpOffer, entry: &Entry) -> Stored<Option<Vec<AppPasswordId>>> {
        let (offer, entry) = (*offer, entry.clone());
        self.write(move |write| accounts::reset(write, id, &offer, &entry)).await
    }

    async fn set_up_is_open(&self, id: AccountId, digest: &Digest, now: Timestamp) -> Stored<bool> {
        let digest = *digest;
        self.look_up(move |db| accounts::set_up_is_open(db, id, &digest, now)).await
    }

    async fn set_up(&self, id: AccountId, digest: &Digest, factors: &Factors, entry: &Entry) -> Stored<bool> {
        let Factors { primary, second_factor, recovery } = factors;
        let factors =
            Factors { primary: primary.clone(), second_factor: second_factor.clone(), recovery: recovery.clone() };
        let (digest, entry) = (*digest, entry.clone());
        self.write(move |write| accounts::set_up(write, id, &digest, &factors, &entry)).await
    }

    async fn enrol(
        &self,
        id: AccountId,
        second_factor: &SecondFactor,
        recovery: &[Digest],
        entry: &Entry,
    ) -> Stored<bool> {
        let (second_factor, recovery, entry) = (second_factor.clone(), recovery.to_vec(), entry.clone());
        self.write(move |write| accounts::enrol(write, id, &second_factor, &recovery, &entry)).await
    }

    async fn replace_second_factor(
        &self,
        id: AccountId,
        epoch: u64,
        second_factor: &SecondFactor,
        recovery: &[Digest],
        entry: &Entry,
    ) -> Stored<bool> {
        let (factor, recovery, entry) = (second_factor.clone(), recovery.to_vec(), entry.clone());
        self.write(move |write| accounts::replace_second_factor(write, id, epoch, &factor, &recovery, &entry)).await
    }

    async fn spend(&self, id: AccountId, spent: Spent, entry: &Entry) -> Stored<bool> {
        let entry = entry.clone();
        self.write(move |write| accounts::spend(write, id, spent, &entry)).await
    }

    async fn renew_recovery_codes(&self, id: AccountId, recovery: &[Digest], entry: &Entry) -> Stored<bool> {
        let (recovery, entry) = (recovery.to_vec(), entry.clone());
        self.write(move |write| accounts::renew_recovery_codes(write, id, &recovery, &entry)).await
    }

    async fn void_recovery_codes(&self, id: AccountId, codes: &[Digest], entry: &Entry) -> Stored<bool> {
        let (codes, entry) = (codes.to_vec(), entry.clone());
        self.write(move |write| accounts::void_recovery_codes(write, id, &codes, &entry)).await
    }

    async fn void_secrets(
        &self,
        id: AccountId,
        resealed: Option<&Resealed>,
        entry: &Entry,
    ) -> Stored<Option<Vec<AppPasswordId>>> {
        let (resealed, entry) = (resealed.cloned(), entry.clone());
        self.write(move |write| accounts::void_secrets(write, id, resealed.as_ref(), &entry)).await
    }

    async fn issue(&self, password: &AppPassword, digest: &Digest, limit: usize, entry: &Entry) -> Stored<Issued> {
        let (password, digest, entry) = (password.clone(), *digest, entry.clone());
        self.write(move |write| app_passwords::issue(write, &password, &digest, limit, &entry)).await
    }

    async fn revoke(&self, account: AccountId, id: AppPasswordId, entry: &Entry) -> Stored<bool> {
        let entry = entry.clone();
        self.write(move |write| app_passwords::revoke(write, account, id, &entry)).await
    }

    async fn revoke_all(&self, account: AccountId, entry: &Entry) -> Stored<Vec<AppPasswordId>> {
        let entry = entry.clone();
        self.write(move |write| app_passwords::revoke_all(write, account, &entry)).await
    }

    async fn learn(&self, lesson: &Lesson, used: &Use, entries: &[Entry]) -> Stored<Learned> {
        let (lesson, used, entries) = (lesson.clone(), used.clone(), entries.to_vec());
        self.write(move |write| pins::learn(write, &lesson, &used, &entries)).await
    }

    async fn record_stranger(&self, id: AppPasswordId, stranger: &Stranger, entry: &Entry) -> Stored<bool> {
        let (stranger, entry) = (stranger.clone(), entry.clone());
        self.write(move |write| pins::record_stranger(write, id, &stranger, &entry)).await
    }

    async fn strangers(&self, id: AppPasswordId) -> Stored<Vec<Stranger>> {
        self.list(move |db| pins::strangers(db, id)).await
    }

    async fn forms(&self) -> Stored<Vec<(AppId, Signature)>> {
        self.list(forms::all).await
    }

    async fn forget_forms(&self, app: &AppId, at: Timestamp, actor: &Actor) -> Stored<usize> {
        let (app, actor) = (app.clone(), actor.clone());
        self.write(move |write| forms::forget(write, &app, at, &actor)).await
    }

    async fn allow(&self, account: AccountId, id: AppPasswordId, pin: &Pin, entry: &Entry) -> Stored<bool> {
        let (pin, entry) = (pin.clone(), entry.clone());
        self.write(move |write| pins::allow(write, account, id, &pin, &entry)).await
    }

    async fn relearn(&self, account: AccountId, id: AppPasswordId, use_by: Timestamp, entry: &Entry) -> Stored<bool> {
        let entry = entry.clone();
        self.write(move |write| pins::relearn(write, account, id, use_by, &entry)).await
    }

    async fn has_come_from(&self, account: AccountId, from: IpAddr) -> Stored<bool> {
        self.look_up(move |db| pins::has_come_from(db, account, from)).await
    }

    async fn record_uses(&self, uses: &[(AppPasswordId, Use)]) -> Stored<()> {
        let uses = uses.to_vec();
        self.write(move |write| {
            if uses.is_empty() {
                journal::record_nothing(write)?;
            }
            uses.iter().try_for_each(|(id, used)| journal::record_use(write, *id, used))
        })
        .await
    }

    async fn record_refusals(&self, refused: &[Refused]) -> Stored<()> {
        let refused = refused.to_vec();
        self.write(move |write| refused.iter().try_for_each(|one| journal::record_refusal(write, one))).await
    }

    async fn rehash(&self, id: AppPasswordId, digest: &Digest) -> Stored<bool> {
        let digest = *digest;
        self.write(move |write| app_passwords::rehash(write, id, &digest)).await
    }

    async fn reseal(&self, resealed: &[Resealed]) -> Stored<usize> {
        let resealed = resealed.to_vec();
        self.write(move |write| accounts::reseal(write, &resealed)).await
    }

    async fn due_notices(&self, now: Timestamp, limit: usize) -> Stored<Vec<Notice>> {
        self.list(move |db| notices::due(db, now, limit)).await
    }

    async fn notices_waiting(&self) -> Stored<u64> {
        self.look_up(notices::waiting).await
    }

    async fn notice_settled(&self, account: AccountId, seq: u64) -> Stored<()> {
        self.write(move |write| notices::settle(write, account, seq)).await
    }

    async fn notice_failed(&self, account: AccountId, seq: u64, next_try: Timestamp) -> Stored<()> {
        self.write(move |write| notices::failed(write, account, seq, next_try)).await
    }

    async fn notices_of(&self, account: AccountId) -> Stored<Vec<Notice>> {
        self.list(move |db| notices::of_account(db, account)).await
    }

    async fn dismiss_notice(&self, account: AccountId, seq: u64) -> Stored<bool> {
        self.write(move |write| notices::dismiss(write, account, seq)).await
    }

    async fn record(&self, entry: &Entry) -> Stored<()> {
        let entry = entry.clone();
        self.write(move |write| write.log(&entry)).await
    }
}
