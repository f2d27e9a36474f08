//! A keeper over a memory store, doors behind a real front, people with app
//! passwords.

use std::{net::SocketAddr, sync::Arc};

use authority::{
    AppName, AppPasswordRequest, AppPasswordRules, AuditKey, Catalogue, Cutoff, Domain, Door, Label, LockMode, Login,
    Protocol, Secret, Timestamp,
};
use front::{Address, Endpoint, Limits, Security, Server, Service, Shutdown, ShutdownHandle};
use keeper::{AddAccount, FreshMandate, HashCost, IssuedSecret, Keeper, Keys, ServerKey, Site};
use testkit::{FixedClock, MemoryStore, Seeded};
use tokio::task::JoinHandle;

pub(crate) const PORTAL: &str = "https://id.example.org/";
pub(crate) const ALICE: &str = "alice@example.org";
pub(crate) const PRIMARY: &str = "correct horse battery staple";

pub(crate) struct World {
    pub(crate) keeper: Arc<Keeper>,
    pub(crate) store: MemoryStore,
}

pub(crate) fn door(name: &str, protocol: Protocol, needs: &str) -> Door {
    Door { name: name.into(), protocol, needs: needs.parse().unwrap() }
}

impl World {
    pub(crate) async fn new() -> Self {
        Self::with(Cutoff::Enforced).await
    }

    /// Primary passwords still open doors for accounts without a second factor.
    pub(crate) async fn observing() -> Self {
        Self::with(Cutoff::Observed).await
    }

    async fn with(cutoff: Cutoff) -> Self {
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
        let keys = Keys::new(ServerKey::new([1; 32]), key);
        let keeper = Keeper::new(site, Box::new(store.clone()), keys, Box::new(clock), Box::new(Seeded::new(1)));
        Self { keeper: Arc::new(keeper.await.unwrap()), store }
    }

    /// An account with both factors, and the administrator's hand on it.
    pub(crate) async fn account(&self, login: &str) -> FreshMandate {
        let login = Login::parse(login).unwrap();
        let primary = Some(Secret::new(PRIMARY.into()));
        let request = AddAccount { login: login.clone(), aliases: vec![], primary, totp: true };
        let _added = self.keeper.add_account(0, request).await.unwrap();
        self.keeper.administer(0, &login).await.unwrap().1
    }

    /// Lets us act on an account that is there.
    pub(crate) async fn mandate(&self, login: &str) -> FreshMandate {
        self.keeper.administer(0, &Login::parse(login).unwrap()).await.unwrap().1
    }

    /// An account that has only its primary password.
    pub(crate) async fn account_without_second_factor(&self, login: &str) {
        let primary = Some(Secret::new(PRIMARY.into()));
        let request = AddAccount { login: Login::parse(login).unwrap(), aliases: vec![], primary, totp: false };
        let _added = self.keeper.add_account(0, request).await.unwrap();
    }

    /// Most tests send one password in several forms: it is locked to none.
    pub(crate) async fn password(&self, mandate: &FreshMandate, scopes: &str) -> IssuedSecret {
        self.password_in(LockMode::Off, mandate, scopes).await
    }

    pub(crate) async fn password_in(&self, lock: LockMode, mandate: &FreshMandate, scopes: &str) -> IssuedSecret {
        let request = AppPasswordRequest {
            label: Label::parse("Laptop").unwrap(),
            app: AppName::parse("thunderbird").unwrap(),
            scopes: scopes.parse().unwrap(),
            networks: authority::Networks::default(),
            expires_in: None,
            lock,
        };
        self.keeper.issue(mandate, request).await.unwrap()
    }
}

/// A door that listens; stopped when dropped.
pub(crate) struct Served {
    pub(crate) address: SocketAddr,
    pub(crate) shutdown: ShutdownHandle,
    pub(crate) running: JoinHandle<()>,
}

impl Served {
    pub(crate) fn new(service: impl Service, security: Security) -> Self {
        let endpoint = Endpoint {
            name: "door".to_owned(),
            address: "127.0.0.1:0".parse().unwrap(),
            security,
            proxy_from: Vec::new(),
            limits: Limits::default(),
        };
        let server = Server::bind(vec![(endpoint, Arc::new(service))]).unwrap();
        let Address::Tcp(address) = server.addresses()[0] else { panic!("not TCP") };
        let (shutdown, heard) = Shutdown::pair();
        Self { address, shutdown, running: tokio::spawn(server.run(heard)) }
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        self.running.abort();
    }
}
