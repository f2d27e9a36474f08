//! A keeper over a memory store, with the clock held still.

use std::{net::IpAddr, sync::Arc, time::Duration};

use crate::drawer::Drawer;
use authority::{
    Account, AppName, AppPasswordRequest, AppPasswordRules, AuditKey, Catalogue, Client, Cutoff, Domain, Door, Label,
    LockMode, Login, Protocol, Secret, Timestamp,
};
use keeper::{
    AddAccount, FreshMandate, HashCost, IssuedSecret, Keeper, Keys, ServerKey, SignIn, SignInAttempt, Site, Store,
};
use testkit::{FixedClock, MemoryStore, Seeded};

pub(crate) const PRIMARY: &str = "correct horse battery staple";
pub(crate) const HOME: &str = "192.0.2.7";

pub(crate) struct World {
    pub(crate) keeper: Arc<Keeper>,
    pub(crate) store: MemoryStore,
    pub(crate) clock: FixedClock,
    pub(crate) drawer: Drawer,
}

pub(crate) fn imap() -> Door {
    Door { name: Arc::from("imap"), protocol: Protocol::Imap, needs: "mail".parse().unwrap() }
}

pub(crate) fn dav() -> Door {
    Door { name: Arc::from("dav"), protocol: Protocol::Http, needs: "calendars,contacts".parse().unwrap() }
}

impl World {
    pub(crate) async fn new() -> Self {
        Self::with_cutoff(Cutoff::Enforced).await
    }

    pub(crate) async fn with_cutoff(cutoff: Cutoff) -> Self {
        let key = AuditKey::new([7; 32]);
        let store = MemoryStore::new(key.clone());
        let clock = FixedClock::new(Timestamp::from_millis(1_800_000_000_000));
        let site = Site {
            domain: Domain::parse("example.org").unwrap(),
            issuer: "Example".into(),
            cutoff,
            rules: AppPasswordRules::default(),
            hash_cost: HashCost { memory: 64, passes: 1 },
            apps: Catalogue::default(),
        };
        let drawer = Drawer::default();
        let keys = Keys::new(ServerKey::new([1; 32]), key).kept_in(Box::new(drawer.clone()));
        let keeper =
            Keeper::new(site, Box::new(store.clone()), keys, Box::new(clock.clone()), Box::new(Seeded::new(1)))
                .await
                .unwrap();
        Self { keeper: Arc::new(keeper), store, clock, drawer }
    }

    /// An account with both factors, and the administrator's hand on it.
    pub(crate) async fn account(&self, login: &str) -> (Account, FreshMandate) {
        self.add(login, true).await;
        self.keeper.administer(0, &Login::parse(login).unwrap()).await.unwrap()
    }

    pub(crate) async fn add(&self, login: &str, totp: bool) -> keeper::AccountAdded {
        let request = AddAccount {
            login: Login::parse(login).unwrap(),
            aliases: vec![],
            primary: Some(Secret::new(PRIMARY.into())),
            totp,
        };
        self.keeper.add_account(0, request).await.unwrap()
    }

    pub(crate) async fn password(&self, mandate: &FreshMandate, scopes: &str) -> IssuedSecret {
        self.keeper.issue(mandate, request(scopes)).await.unwrap()
    }

    pub(crate) async fn sign_in(&self, login: &str, secret: &str, door: &Door) -> SignIn {
        self.sign_in_from(login, secret, door, HOME).await
    }

    pub(crate) async fn sign_in_from(&self, login: &str, secret: &str, door: &Door, from: &str) -> SignIn {
        self.sign_in_as(Client::Unseen, login, secret, door, from).await
    }

    pub(crate) async fn sign_in_as(
        &self,
        client: Client,
        login: &str,
        secret: &str,
        door: &Door,
        from: &str,
    ) -> SignIn {
        let secret = Secret::new(secret.into());
        let from: IpAddr = from.parse().unwrap();
        self.keeper.sign_in(SignInAttempt { login, acting_as: None, secret: &secret, door, from, client }).await
    }

    pub(crate) async fn store_account(&self, login: &str) -> Account {
        self.store.account_by_login(&Login::parse(login).unwrap()).await.unwrap().unwrap()
    }

    pub(crate) fn advance(&self, by: Duration) {
        self.clock.advance(by);
    }
}

pub(crate) fn request(scopes: &str) -> AppPasswordRequest {
    AppPasswordRequest {
        label: Label::parse("Laptop").unwrap(),
        app: AppName::parse("thunderbird").unwrap(),
        scopes: scopes.parse().unwrap(),
        networks: authority::Networks::default(),
        expires_in: None,
        lock: LockMode::Lock,
    }
}
