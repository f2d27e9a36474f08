//! Accounts and app passwords to start from. Change the fields that matter.

use std::{sync::Arc, time::Duration};

use authority::{
    Account, AccountId, Actor, AppName, AppPassword, AppPasswordId, ChosenBy, Entry, Event, Label, LockMode, Login,
    Networks, Primary, PrimaryHash, SealedSeed, SecondFactor, Signature, Standing, Timestamp, Use,
};
use keeper::{Digest, NewAccount};

use crate::Seeded;

/// When fixtures are made.
const THEN: Timestamp = Timestamp::from_millis(1_800_000_000_000);

/// A login.
pub fn login(text: &str) -> Login {
    Login::parse(text).expect("the test gave a login")
}

/// An active account with a primary password and a second factor. The same
/// login always gets the same id.
pub fn account(name: &str) -> Account {
    Account {
        id: AccountId::random(&mut seeded(name)),
        login: login(name),
        aliases: vec![],
        standing: Standing::Active,
        primary: Some(primary("$argon2id$v=19$m=64,t=1,p=1$c29tZXNhbHQ$aGFzaA")),
        second_factor: Some(second_factor(0)),
        created: THEN,
        epoch: 0,
    }
}

/// [`account`], to be added, without recovery codes.
pub fn new_account(account: Account) -> NewAccount {
    NewAccount { account, recovery: vec![], set_up: None }
}

/// A primary password with this hash, chosen by its owner.
pub fn primary(phc: &str) -> Primary {
    Primary { hash: PrimaryHash::new(phc), chosen_by: ChosenBy::Owner }
}

/// A second factor, chosen by its owner, of which all steps up to `last_step` are spent.
pub fn second_factor(last_step: u64) -> SecondFactor {
    SecondFactor { seed: SealedSeed(Box::new([0x5e; 60])), last_step, chosen_by: ChosenBy::Owner }
}

/// An app password for mail with this label, waiting for its first use for an
/// hour. The same account and label always get the same id.
pub fn app_password(account: &Account, label: &str) -> AppPassword {
    AppPassword {
        id: AppPasswordId::random(&mut seeded(&format!("{} {label}", account.login))),
        account: account.id,
        label: Label::parse(label).expect("the test gave a label"),
        app: AppName::parse("thunderbird").expect("a name"),
        scopes: "mail,mail:send".parse().expect("scopes"),
        networks: Networks::default(),
        lock: LockMode::Lock,
        pins: Arc::default(),
        created: THEN,
        use_by: THEN.plus(Duration::from_secs(3600)),
        expires: None,
        first_used: None,
        revoked: None,
    }
}

/// A digest that stands for this secret.
pub fn digest(secret: &str) -> Digest {
    let mut bytes = [0; 32];
    rand_core::Rng::fill_bytes(&mut seeded(secret), &mut bytes);
    Digest(bytes)
}

/// A use at `door`, so many seconds after fixtures are made.
pub fn used(door: &str, secs: u64) -> Use {
    Use { door: Arc::from(door), at: THEN.plus(Duration::from_secs(secs)), from: [192, 0, 2, 7].into() }
}

/// A line of audit: root did this to the account, so many seconds after
/// fixtures are made.
pub fn by_admin(account: &Account, secs: u64, event: Event) -> Entry {
    let at = THEN.plus(Duration::from_secs(secs));
    Entry { at, actor: Actor::Administrator { uid: 0 }, account: Some(account.id), event }
}

fn seeded(name: &str) -> Seeded {
    // FNV-1a: any spread of names over seeds will do.
    Seeded::new(name.bytes().fold(0xcbf2_9ce4_8422_2325, |h, b| (h ^ u64::from(b)).wrapping_mul(0x0100_0000_01b3)))
}

/// What a mail app of this name looks like to an IMAP door; the same name always looks
/// the same.
pub fn signature(name: &str) -> Signature {
    format!("1;imap;-;{name};a009,LOGIN.qq;SELECT").parse().expect("a signature")
}
