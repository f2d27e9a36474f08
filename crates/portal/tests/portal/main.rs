//! What a browser gets, and what it may not do. The browser itself comes in `e2e`.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on has failed")]

use std::{net::IpAddr, sync::Arc};

use authority::{AppPasswordRules, AuditKey, Cutoff, Domain, Door, LockMode, Login, Protocol, Secret, Timestamp};
use axum::body::Body;
use http::{Request, Response, StatusCode, header};
use http_body_util::BodyExt;
use keeper::{AddAccount, HashCost, Keeper, Keys, ServerKey, Site, Store};
use portal::{Caller, DoorHelp, Portal, Settings};
use testkit::{FixedClock, MemoryStore, Seeded};
use tower::ServiceExt;

const URL: &str = "https://id.example.org";
const PRIMARY: &str = "correct horse battery staple";
const ALICE: &str = "alice@example.org";

struct World {
    portal: Portal,
    keeper: Arc<Keeper>,
    clock: FixedClock,
    store: MemoryStore,
    recovery_codes: Vec<Secret>,
}

struct Page {
    status: StatusCode,
    headers: http::HeaderMap,
    text: String,
}

impl Page {
    fn cookie(&self) -> String {
        let set = self.headers.get(header::SET_COOKIE).unwrap().to_str().unwrap();
        set.split(';').next().unwrap().to_owned()
    }

    fn token(&self) -> String {
        self.text.split("name=\"token\" value=\"").nth(1).unwrap().split('"').next().unwrap().to_owned()
    }
}

impl World {
    async fn new() -> Self {
        let key = AuditKey::new([7; 32]);
        let store = MemoryStore::new(key.clone());
        let site = Site {
            domain: Domain::parse("example.org").unwrap(),
            issuer: "Example".into(),
            cutoff: Cutoff::Enforced,
            rules: AppPasswordRules::default(),
            hash_cost: HashCost { memory: 64, passes: 1 },
        };
        let clock = FixedClock::new(Timestamp::from_millis(1_800_000_000_000));
        let keys = Keys::new(ServerKey::new([1; 32]), key);
        let keeper =
            Keeper::new(site, Box::new(store.clone()), keys, Box::new(clock.clone()), Box::new(Seeded::new(1)));
        let keeper = Arc::new(keeper.await.unwrap());
        let primary = Some(Secret::new(PRIMARY.into()));
        let request = AddAccount { login: Login::parse(ALICE).unwrap(), aliases: vec![], primary, totp: true };
        let recovery_codes = keeper.add_account(0, request).await.unwrap().recovery_codes;
        let door = Door { name: "imap".into(), protocol: Protocol::Imap, needs: "mail".parse().unwrap() };
        let settings = Settings {
            url: URL.into(),
            site: "Example".into(),
            trusted_proxies: vec![],
            lock: LockMode::Lock,
            doors: vec![DoorHelp { door, title: "Mail (IMAP)".into(), address: "port 993".into() }],
        };
        let portal = Portal::new(keeper.clone(), settings, Box::new(Seeded::new(2)));
        Self { portal, keeper, clock, store, recovery_codes }
    }

    async fn ask(&self, request: Request<Body>) -> Page {
        let mut request = request;
        request.extensions_mut().insert(Caller("192.0.2.7".parse::<IpAddr>().unwrap()));
        let response: Response<Body> = self.portal.router().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let text = String::from_utf8(body.collect().await.unwrap().to_bytes().to_vec()).unwrap();
        Page { status: parts.status, headers: parts.headers, text }
    }

    async fn get(&self, path: &str, cookie: &str) -> Page {
        self.ask(Request::get(path).header(header::COOKIE, cookie).body(Body::empty()).unwrap()).await
    }

    async fn post(&self, path: &str, cookie: &str, form: &[(&str, &str)]) -> Page {
        self.post_from(path, cookie, form, &[("sec-fetch-site", "same-origin")]).await
    }

    async fn post_from(&self, path: &str, cookie: &str, form: &[(&str, &str)], headers: &[(&str, &str)]) -> Page {
        let mut request = Request::post(path)
            .header(header::COOKIE, cookie)
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        self.ask(request.body(serde_urlencoded::to_string(form).unwrap().into()).unwrap()).await
    }

    /// Signs in with both factors: the cookie.
    async fn sign_in(&self, code: usize) -> String {
        let begun = self.post("/sign-in", "", &[("login", "alice"), ("password", PRIMARY)]).await;
        assert_eq!(begun.headers[header::LOCATION], "/sign-in/code");
        let pending = begun.cookie();
        let token = self.get("/sign-in/code", &pending).await.token();
        let code = self.recovery_codes[code].expose();
        let done = self.post("/sign-in/code", &pending, &[("token", &token), ("code", code)]).await;
        assert_eq!(done.headers[header::LOCATION], "/security");
        assert_ne!(done.cookie(), pending, "a new cookie with every step up");
        assert_eq!(self.get("/sign-in/code", &pending).await.status, StatusCode::SEE_OTHER, "the old one is over");
        done.cookie()
    }

    async fn lines(&self) -> usize {
        self.store.audit(0, 1000).await.unwrap().len()
    }
}

const GETS: &[&str] = &[
    "/",
    "/sign-in",
    "/sign-in/code",
    "/sign-in/enrol",
    "/set-up",
    "/set-up/factors",
    "/security",
    "/security/password",
    "/security/recovery-codes",
    "/security/app-passwords",
    "/security/app-passwords/new",
    "/security/app-passwords/revoke-all",
    "/static/postern.css",
    "/static/postern.js",
    "/.well-known/change-password",
    "/no/such/page",
    "/sign-out",
];

#[tokio::test(start_paused = true)]
async fn every_get_is_inert_and_guarded() {
    let world = World::new().await;
    let cookie = world.sign_in(0).await;
    let token = world.get("/security", &cookie).await.token();
    let form = [("token", &*token), ("app", "mutt"), ("label", "Desk"), ("mail", "on")];
    let made = world.post("/security/app-passwords/new", &cookie, &form).await;
    let id = made.text.split("/security/app-passwords/").nth(2).unwrap().split(['"', '/']).next().unwrap().to_owned();
    let before = world.lines().await;
    let of_one = ["", "/doors", "/revoke"].map(|end| format!("/security/app-passwords/{id}{end}"));
    for path in GETS.iter().copied().chain(of_one.iter().map(String::as_str)) {
        let page = world.get(path, &cookie).await;
        assert!(page.headers["content-security-policy"].to_str().unwrap().starts_with("default-src 'none'"), "{path}");
        assert_eq!(page.headers["x-content-type-options"], "nosniff", "{path}");
        if !path.starts_with("/static") {
            assert_eq!(page.headers["cache-control"], "no-store", "{path}");
        }
        assert!(!page.text.contains(" style=") && !page.text.contains("<script>"), "{path}: the policy would block it");
    }
    assert_eq!(world.lines().await, before, "a GET has changed something");
    assert_eq!(world.get("/security", &cookie).await.status, StatusCode::OK, "and nobody was signed out");
    assert_eq!(world.get("/no/such/page", &cookie).await.status, StatusCode::NOT_FOUND);
}

#[tokio::test(start_paused = true)]
async fn cookies_stay_on_this_host_and_out_of_scripts() {
    let world = World::new().await;
    let begun = world.post("/sign-in", "", &[("login", "alice"), ("password", PRIMARY)]).await;
    let set = begun.headers[header::SET_COOKIE].to_str().unwrap();
    for part in ["__Host-postern=", "; Path=/", "; Secure", "; HttpOnly", "; SameSite=Lax"] {
        assert!(set.contains(part), "{set}");
    }
    assert!(!set.contains("Domain"));
}

#[tokio::test(start_paused = true)]
async fn forged_forms_change_nothing() {
    let world = World::new().await;
    let cookie = world.sign_in(0).await;
    let token = world.get("/security", &cookie).await.token();
    let other = world.sign_in(1).await;
    let foreign = world.get("/security", &other).await.token();
    let before = world.lines().await;
    let form = |token| [("token", token), ("app", "mutt"), ("label", "Desk"), ("mail", "on")];
    let same = [("sec-fetch-site", "same-origin")];
    for (what, token, headers) in [
        ("no token", "", &same[..]),
        ("somebody else's token", &*foreign, &same),
        ("another site", &*token, &[("sec-fetch-site", "cross-site")]),
        ("a sibling host", &*token, &[("sec-fetch-site", "same-site")]),
        ("an older browser at another site", &*token, &[("origin", "https://evil.example")]),
    ] {
        let page = world.post_from("/security/app-passwords/new", &cookie, &form(token), headers).await;
        assert_eq!(page.status, StatusCode::FORBIDDEN, "{what}");
        assert!(page.text.contains("Nothing was changed"), "{what}");
    }
    let login = [("login", "alice"), ("password", PRIMARY)];
    let forced = world.post_from("/sign-in", "", &login, &[("sec-fetch-site", "cross-site")]).await;
    assert_eq!(forced.status, StatusCode::FORBIDDEN, "nobody is signed in by another site");
    assert_eq!(world.lines().await, before);
}

#[tokio::test(start_paused = true)]
async fn without_both_factors_there_is_only_the_sign_in() {
    let world = World::new().await;
    let begun = world.post("/sign-in", "", &[("login", "alice"), ("password", PRIMARY)]).await;
    for cookie in [String::new(), "__Host-postern=made-up".into(), begun.cookie()] {
        for path in GETS.iter().filter(|path| path.starts_with("/security")) {
            let page = world.get(path, &cookie).await;
            assert_eq!(
                (page.status, &page.headers[header::LOCATION]),
                (StatusCode::SEE_OTHER, &"/sign-in".parse().unwrap()),
                "{path}"
            );
        }
    }
    let wrong = world.post("/sign-in", "", &[("login", "alice"), ("password", "not the right one")]).await;
    let unknown = world.post("/sign-in", "", &[("login", "nobody"), ("password", "not the right one")]).await;
    assert_eq!(wrong.status, StatusCode::FORBIDDEN);
    assert_eq!(wrong.text.replace("alice", "nobody"), unknown.text, "neither half is named");
}

#[tokio::test(start_paused = true)]
async fn what_people_type_is_text_and_not_a_page() {
    let world = World::new().await;
    let cookie = world.sign_in(0).await;
    let token = world.get("/security", &cookie).await.token();
    let label = "<script>alert(1)</script>";
    let form = [("token", &*token), ("app", "\"><img src=x>"), ("label", label), ("mail", "on")];
    let made = world.post("/security/app-passwords/new", &cookie, &form).await;
    assert_eq!(made.status, StatusCode::OK, "{}", made.text);
    let list = world.get("/security/app-passwords", &cookie).await;
    for page in [made.text, list.text] {
        assert!(!page.contains("<script>alert") && !page.contains("<img"), "{page}");
        assert!(page.contains("&#60;script&#62;") || page.contains("&lt;script&gt;"), "{page}");
    }
}

/// Plays the authenticator app: reads the key from the page as a person would.
fn code_for(page: &Page, now: Timestamp) -> String {
    let typed = page.text.split("translate=\"no\">").nth(1).unwrap().split('<').next().unwrap().replace(' ', "");
    let seed = data_encoding::BASE32_NOPAD.decode(typed.as_bytes()).unwrap();
    let app = totp_rs::Builder::new().with_secret(seed).build_noncompliant();
    app.generate(u64::try_from(now.as_secs()).unwrap()).to_string()
}

#[tokio::test(start_paused = true)]
async fn an_owner_sets_the_account_up_with_the_one_time_code() {
    let world = World::new().await;
    let request =
        AddAccount { login: Login::parse("bob@example.org").unwrap(), aliases: vec![], primary: None, totp: false };
    let code = world.keeper.add_account(0, request).await.unwrap().set_up.unwrap().code;
    let wrong = world.post("/set-up", "", &[("login", "bob"), ("code", "aaaaa-aaaaa")]).await;
    assert_eq!(wrong.status, StatusCode::FORBIDDEN);
    let begun = world.post("/set-up", "", &[("login", "bob"), ("code", code.expose())]).await;
    let cookie = begun.cookie();
    let page = world.get("/set-up/factors", &cookie).await;
    assert!(page.text.contains("<svg") && page.text.contains("Welcome, bob@example.org"));
    let (token, totp) = (page.token(), code_for(&page, world.keeper.now()));
    let chosen = "a wide river in the north";
    let form = |password, again, code| [("token", &*token), ("password", password), ("again", again), ("code", code)];
    for (password, again, code, told) in [
        (chosen, "another one, by mistake", &*totp, "The two new passwords differ"),
        ("password1234", "password1234", &*totp, "among the first that others would try"),
        (chosen, chosen, "000000", "That did not match"),
    ] {
        let again = world.post("/set-up/factors", &cookie, &form(password, again, code)).await;
        assert!(again.text.contains(told), "{told}: {}", again.text);
    }
    let done = world.post("/set-up/factors", &cookie, &form(chosen, chosen, &totp)).await;
    assert_eq!(done.text.matches("<li><bdi").count(), 10, "ten recovery codes: {}", done.text);
    assert_eq!(world.get("/security", &done.cookie()).await.status, StatusCode::OK);
    let begun = world.post("/set-up", "", &[("login", "bob"), ("code", code.expose())]).await;
    assert_eq!(begun.status, StatusCode::FORBIDDEN, "once");
}

#[tokio::test(start_paused = true)]
async fn changing_the_password_and_renewing_codes_take_a_fresh_second_factor() {
    let world = World::new().await;
    let cookie = world.sign_in(0).await;
    let renewed = world
        .post("/security/recovery-codes", &cookie, &[("token", &world.get("/security", &cookie).await.token())])
        .await;
    assert_eq!(renewed.text.matches("<li><bdi").count(), 10);
    let fresh = renewed.text.split("<li><bdi dir=\"ltr\" translate=\"no\">").nth(1).unwrap()[..11].to_owned();

    world.clock.advance(std::time::Duration::from_secs(601));
    let page = world.get("/security/password", &cookie).await;
    assert!(page.text.contains("It has been a while"), "{}", page.text);
    let token = page.token();
    let new = "a wide river in the north";
    let form = |code| [("token", &*token), ("current", PRIMARY), ("password", new), ("again", new), ("code", code)];
    let stale = world.post("/security/password", &cookie, &form("")).await;
    assert!(stale.text.contains("Confirm with a code of your second factor first"), "{}", stale.text);
    let done = world.post("/security/password", &cookie, &form(&fresh)).await;
    assert_eq!(done.headers[header::LOCATION], "/security");
    assert_eq!(world.get("/security", &cookie).await.status, StatusCode::SEE_OTHER, "the old session is over");
    assert_eq!(world.get("/security", &done.cookie()).await.status, StatusCode::OK);
}
