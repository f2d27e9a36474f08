//! The portal over a real keeper and a memory store, with the clock held still.

use std::sync::Arc;

use authority::{
    AppName, AppPasswordRules, AuditKey, Catalogue, Client, Cutoff, Domain, Door, LockMode, Login, Protocol, Secret,
    Timestamp, catalogue::App,
};
use keeper::{AccountAdded, AddAccount, HashCost, Keeper, Keys, ServerKey, SignIn, SignInAttempt, Site, Store};
use portal::{DoorHelp, Portal, Settings};
use testkit::{FixedClock, MemoryStore, Seeded};

use crate::browser::Browser;

pub(crate) const URL: &str = "https://id.example.org";
pub(crate) const PRIMARY: &str = "correct horse battery staple";
pub(crate) const ALICE: &str = "alice@example.org";
pub(crate) const HOME: &str = "192.0.2.7";

pub(crate) struct World {
    pub(crate) portal: Portal,
    pub(crate) keeper: Arc<Keeper>,
    pub(crate) store: MemoryStore,
    pub(crate) clock: FixedClock,
}

fn door(name: &str, protocol: Protocol, needs: &str, title: &str, address: &str) -> DoorHelp {
    let door = Door { name: name.into(), protocol, needs: needs.parse().unwrap() };
    DoorHelp { door, title: title.into(), address: address.into() }
}

/// An app of the catalogue, with a sentence for who sets it up.
pub(crate) fn heron() -> App {
    App {
        id: "heron".parse().unwrap(),
        name: AppName::parse("Grey Heron").unwrap(),
        also: vec![],
        publisher: "The marsh".into(),
        platforms: vec![],
        opens: "mail,mail:send,calendars".parse().unwrap(),
        doors: vec![],
        looks: vec![],
        kin: vec![],
        hints: vec!["Choose \"Normal password\".".into()],
    }
}

pub(crate) fn doors() -> Vec<DoorHelp> {
    vec![
        door("imap", Protocol::Imap, "mail", "Mail (IMAP)", "Server id.example.org, port 993, SSL/TLS"),
        door("dav", Protocol::Http, "calendars,contacts", "Calendars and contacts", "https://id.example.org:8444/"),
        door("drive", Protocol::Http, "files", "Files (WebDAV)", "https://id.example.org:8445/"),
    ]
}

impl World {
    pub(crate) async fn new() -> Self {
        Self::at(URL, &[]).await
    }

    /// Reached at this address, behind these proxies.
    pub(crate) async fn at(url: &str, trusted_proxies: &[&str]) -> Self {
        let key = AuditKey::new([7; 32]);
        let store = MemoryStore::new(key.clone());
        let site = Site {
            domain: Domain::parse("example.org").unwrap(),
            issuer: "Example".into(),
            cutoff: Cutoff::Enforced,
            rules: AppPasswordRules::default(),
            hash_cost: HashCost { memory: 64, passes: 1 },
            apps: Catalogue::default(),
        };
        let clock = FixedClock::new(Timestamp::from_millis(1_800_000_000_000));
        let keys = Keys::new(ServerKey::new([1; 32]), key);
        let keeper =
            Keeper::new(site, Box::new(store.clone()), keys, Box::new(clock.clone()), Box::new(Seeded::new(1)));
        let keeper = Arc::new(keeper.await.unwrap());
        let settings = Settings {
            url: url.into(),
            site: "Example".into(),
            trusted_proxies: trusted_proxies.iter().map(|net| net.parse().unwrap()).collect(),
            lock: LockMode::Lock,
            catalogue: Catalogue::new(vec![heron()]).unwrap(),
            doors: doors(),
        };
        let portal = Portal::new(keeper.clone(), settings, Box::new(Seeded::new(2)));
        Self { portal, keeper, store, clock }
    }

    pub(crate) async fn add(&self, login: &str, totp: bool) -> Person {
        let primary = Some(Secret::new(PRIMARY.into()));
        let request = AddAccount { login: Login::parse(login).unwrap(), aliases: vec![], primary, totp };
        Person(self.keeper.add_account(0, request).await.unwrap())
    }

    pub(crate) async fn add_without_factors(&self, login: &str) -> Person {
        let request = AddAccount { login: Login::parse(login).unwrap(), aliases: vec![], primary: None, totp: false };
        Person(self.keeper.add_account(0, request).await.unwrap())
    }

    pub(crate) fn browser(&self) -> Browser {
        Browser::new(&self.portal)
    }

    /// Alice, with both factors, signed in.
    pub(crate) async fn alice(&self) -> (Browser, Person) {
        let alice = self.add(ALICE, true).await;
        let mut browser = self.browser();
        browser.sign_in(ALICE, PRIMARY, &alice.code(&self.clock)).await;
        (browser, alice)
    }

    /// An app at a door, from another address than the browser.
    pub(crate) async fn app(&self, door: &str, login: &str, secret: &str) -> SignIn {
        self.app_seen(door, login, secret, Client::Unseen).await
    }

    /// An app at the door for mail that shows itself as this one.
    pub(crate) async fn app_called(&self, name: &str, login: &str, secret: &str) -> SignIn {
        self.app_seen("imap", login, secret, Client::Shown(testkit::signature(name))).await
    }

    async fn app_seen(&self, door: &str, login: &str, secret: &str, client: Client) -> SignIn {
        let help = doors().into_iter().find(|help| &*help.door.name == door).unwrap();
        let from = "198.51.100.20".parse().unwrap();
        let secret = Secret::new(secret.into());
        let attempt = SignInAttempt { login, acting_as: None, secret: &secret, door: &help.door, from, client };
        self.keeper.sign_in(attempt).await
    }

    /// Everything that is kept, as text.
    pub(crate) fn kept(&self) -> String {
        format!("{:?}", self.store)
    }

    /// The audit, as text.
    pub(crate) async fn audit(&self) -> String {
        self.store.audit(0, 1000).await.unwrap().into_iter().map(|line| line.text + "\n").collect()
    }
}

pub(crate) struct Person(pub(crate) AccountAdded);

impl Person {
    /// What the authenticator app shows now.
    pub(crate) fn code(&self, clock: &FixedClock) -> String {
        let uri = self.0.totp_uri.as_ref().unwrap();
        totp(uri.expose().split("secret=").nth(1).unwrap().split('&').next().unwrap(), clock)
    }

    pub(crate) fn recovery(&self, n: usize) -> &str {
        self.0.recovery_codes[n].expose()
    }
}

/// Plays the authenticator app that was given this seed, spaces and all.
pub(crate) fn totp(base32: &str, clock: &FixedClock) -> String {
    let seed = data_encoding::BASE32_NOPAD.decode(base32.replace(' ', "").as_bytes()).unwrap();
    let app = totp_rs::Builder::new().with_secret(seed).build_noncompliant();
    app.generate(u64::try_from(keeper::Clock::now(clock).as_secs()).unwrap()).to_string()
}
