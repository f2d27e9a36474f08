//! The portal in a real browser, with real clients coming in beside it.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on has failed")]

use std::process::Command;

use e2e::{Account, Dovecot, Imap, PRIMARY, Postern, Radicale, Running, free_port, run, until};
use fantoccini::{Client, ClientBuilder, Locator};
use serde_json::json;

const ALICE: &str = "alice@example.org";

/// Chromium, through its own driver; gone with this value.
struct Browser {
    client: Client,
    _driver: Running,
    _profile: tempfile::TempDir,
    portal: u16,
}

#[derive(Clone, Copy)]
enum Look {
    Desktop,
    DarkPhone,
    NoScript,
}

impl Browser {
    async fn open(postern: &Postern, look: Look) -> Self {
        let profile = tempfile::tempdir().unwrap();
        let port = free_port().unwrap();
        let mut driver = Command::new("chromedriver");
        driver.arg(format!("--port={port}"));
        let driver = Running::start(&mut driver, &profile.path().join("driver.log")).unwrap();
        until("chromedriver", || std::net::TcpStream::connect(("127.0.0.1", port)).is_ok()).unwrap();
        let mut args = vec![
            "--headless".to_owned(),
            "--no-sandbox".into(),
            "--disable-gpu".into(),
            "--disable-quic".into(),
            "--no-first-run".into(),
            "--disable-background-networking".into(),
            "--disable-component-update".into(),
            "--disable-sync".into(),
            "--window-size=1280,900".into(),
            format!("--user-data-dir={}", profile.path().join("chromium").display()),
        ];
        let mut options = json!({});
        match look {
            Look::Desktop => {}
            Look::DarkPhone => {
                args.push("--blink-settings=preferredColorScheme=0".into());
                options["mobileEmulation"] = json!({"deviceMetrics": {"width": 390, "height": 844, "pixelRatio": 2}});
            }
            Look::NoScript => {
                options["prefs"] = json!({"profile.managed_default_content_settings.javascript": 2});
            }
        }
        options["args"] = json!(args);
        let capabilities = json!({"acceptInsecureCerts": true, "goog:chromeOptions": options});
        let client = ClientBuilder::rustls()
            .unwrap()
            .capabilities(capabilities.as_object().unwrap().clone())
            .connect(&format!("http://127.0.0.1:{port}"))
            .await
            .unwrap();
        Self { client, _driver: driver, _profile: profile, portal: postern.portal }
    }

    async fn go(&self, path: &str) {
        self.client.goto(&format!("https://localhost:{}{path}", self.portal)).await.unwrap();
    }

    async fn type_into(&self, field: &str, text: &str) {
        self.client.find(Locator::Css(field)).await.unwrap().send_keys(text).await.unwrap();
    }

    async fn click(&self, what: &str) {
        self.client.find(Locator::Css(what)).await.unwrap().click().await.unwrap();
    }

    /// The text of the page's content, once its heading is this.
    async fn page(&self, heading: &str) -> String {
        let xpath = format!("//h1[normalize-space()={heading:?}]");
        self.client.wait().for_element(Locator::XPath(&xpath)).await.unwrap();
        self.client.find(Locator::Css("main")).await.unwrap().text().await.unwrap()
    }

    async fn shows(&self, css: &str) -> String {
        self.client.wait().for_element(Locator::Css(css)).await.unwrap().text().await.unwrap()
    }

    async fn sign_in(&self, code: &str) {
        self.go("/").await;
        self.page("Sign in").await;
        self.type_into("#login", "alice").await;
        self.type_into("#password", PRIMARY).await;
        self.click("main button").await;
        self.page("One more step").await;
        self.type_into("#code", code).await;
        self.click("main button").await;
        self.page("Password & Security").await;
    }

    async fn generate(&self, label: &str, boxes: &[&str]) -> String {
        self.go("/security/app-passwords").await;
        self.click("main a.button").await;
        self.page("Generate a password").await;
        self.type_into("#app", "Thunderbird").await;
        self.type_into("#label", label).await;
        for name in boxes {
            self.click(&format!("input[name={name}]")).await;
        }
        self.click("main form button").await;
        self.page(label).await;
        self.client.find(Locator::Css("#secret")).await.unwrap().prop("value").await.unwrap().unwrap()
    }

    async fn close(self) {
        self.client.close().await.unwrap();
    }
}

struct World {
    postern: Postern,
    dovecot: Dovecot,
    _radicale: Radicale,
    alice: Account,
}

impl World {
    fn start() -> Self {
        let (dovecot, radicale) = (Dovecot::start().unwrap(), Radicale::start().unwrap());
        let postern = Postern::start(dovecot.port, radicale.port).unwrap();
        let alice = postern.account(ALICE).unwrap();
        Self { postern, dovecot, _radicale: radicale, alice }
    }

    fn curl(&self, url: &str, secret: &str) -> (Option<i32>, String) {
        let mut curl = Command::new("curl");
        curl.args(["--silent", "--show-error", "--include", "--cacert"]).arg(self.postern.ca());
        curl.arg("--user").arg(format!("{ALICE}:{secret}")).arg(url);
        run(&mut curl).unwrap()
    }

    fn imap(&self, secret: &str) -> bool {
        self.curl(&format!("imaps://localhost:{}/INBOX", self.postern.imap), secret).0 == Some(0)
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn make_a_password_watch_it_connect_use_it_revoke_it() {
    let world = World::start();
    world.dovecot.deliver(ALICE, "Hello").unwrap();
    let browser = Browser::open(&world.postern, Look::Desktop).await;
    browser.sign_in(&world.alice.recovery_codes[0]).await;
    let secret = browser.generate("Laptop", &["mail", "calendars", "contacts", "files"]).await;
    assert_eq!(secret.len(), 29, "six groups of four");

    // The page waits, turns green where the app comes in, and says why it does not elsewhere.
    assert_eq!(browser.client.find_all(Locator::Css(".doors .waiting")).await.unwrap().len(), 3);
    assert!(world.imap(&secret));
    let connected = browser.shows(".doors .connected").await;
    assert!(connected.contains("Mail (IMAP)") && connected.contains("Connected"), "{connected}");
    world.curl(&format!("https://localhost:{}/", world.postern.dav), PRIMARY);
    let refused = browser.shows(".doors .refused").await;
    assert!(refused.contains("not an app password, probably your account\u{2019}s own"), "{refused}");

    // Shown once: a reload has everything but the secret.
    browser.client.refresh().await.unwrap();
    browser.page("Laptop").await;
    assert!(!browser.client.source().await.unwrap().contains(&secret));

    let mut open = Imap::connect(world.postern.imap, &world.postern.ca(), false).unwrap();
    open.line().unwrap();
    assert!(open.command("a", &format!("LOGIN alice \"{secret}\"")).unwrap().last().unwrap().starts_with("a OK"));
    browser.go("/security/app-passwords").await;
    browser.click(".passwords a.danger").await;
    browser.page("Revoke \u{201c}Laptop\u{201d}?").await;
    browser.click("button.danger").await;
    let list = browser.page("App-specific passwords").await;
    assert!(list.contains("You have no app passwords yet."), "{list}");
    assert_eq!(open.rest(), ["* BYE This session was ended."]);
    assert!(!world.imap(&secret));

    // An app password does not open the portal.
    let other = browser.generate("Tablet", &["mail"]).await;
    browser.click(".who button").await;
    browser.page("Sign in").await;
    browser.type_into("#login", "alice").await;
    browser.type_into("#password", &other).await;
    browser.click("main button").await;
    assert!(browser.shows(".problem").await.contains("That did not match"));
    browser.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everything_works_without_scripts() {
    let world = World::start();
    let browser = Browser::open(&world.postern, Look::NoScript).await;
    browser.sign_in(&world.alice.recovery_codes[0]).await;
    let secret = browser.generate("Laptop", &["mail"]).await;
    assert!(world.imap(&secret));
    browser.click("[data-check]").await;
    browser.shows(".doors .connected").await;
    browser.click("main a.danger").await;
    browser.click("button.danger").await;
    browser.page("App-specific passwords").await;
    assert!(!world.imap(&secret));
    browser.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_page_is_wider_than_a_phone() {
    let world = World::start();
    let browser = Browser::open(&world.postern, Look::DarkPhone).await;
    browser.sign_in(&world.alice.recovery_codes[0]).await;
    browser.generate("A name that is about as long as names may be, and then some", &["mail", "files"]).await;
    let fits = "return document.documentElement.scrollWidth <= document.documentElement.clientWidth \
                && document.querySelectorAll('h1').length === 1";
    let check = async |what: &str| {
        let fits = browser.client.execute(fits, vec![]).await.unwrap();
        assert_eq!(fits, json!(true), "{what}");
    };
    check("the secret").await;
    for path in [
        "/security",
        "/security/app-passwords",
        "/security/app-passwords/new",
        "/security/password",
        "/security/recovery-codes",
        "/security/app-passwords/revoke-all",
        "/set-up",
        "/sign-in",
        "/nowhere",
    ] {
        browser.go(path).await;
        check(path).await;
    }
    browser.close().await;
}

/// Rule 9: whoever can put a page on the drive gains nothing at the portal.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hostile_page_on_the_drive_cannot_touch_the_portal() {
    let world = World::start();
    let (_, secret) = world.postern.app_password(ALICE, "files", &[]).unwrap();
    let (portal, drive) = (world.postern.portal, world.postern.drive);
    let evil = format!(
        "<!doctype html><title>harmless</title><script>document.title='ran';\
         fetch('https://localhost:{portal}/security',{{credentials:'include'}}).then(r=>r.text()).then(t=>document.title='read '+t)</script>"
    );
    let file = world.postern.write("evil.html", &evil).unwrap();
    let mut put = Command::new("curl");
    put.args(["--silent", "--fail", "--cacert"]).arg(world.postern.ca()).arg("--user").arg(format!("alice:{secret}"));
    put.arg("--upload-file").arg(file).arg(format!("https://localhost:{drive}/evil.html"));
    assert_eq!(run(&mut put).unwrap().0, Some(0));

    // An app reads it back, with the rules that keep it from being a page.
    let (_, head) = world.curl(&format!("https://localhost:{drive}/evil.html"), &secret);
    let head = head.to_lowercase();
    assert!(head.contains("content-security-policy: sandbox"), "{head}");
    assert!(head.contains("x-content-type-options: nosniff") && !head.contains("set-cookie"), "{head}");

    let browser = Browser::open(&world.postern, Look::Desktop).await;
    browser.sign_in(&world.alice.recovery_codes[0]).await;
    for address in
        [format!("https://localhost:{drive}/evil.html"), format!("https://alice:{secret}@localhost:{drive}/evil.html")]
    {
        // The browser may refuse credentials in addresses by itself; either way nothing runs.
        let _ = browser.client.goto(&address).await;
        let title = browser.client.title().await.unwrap();
        assert!(!title.starts_with("ran") && !title.starts_with("read"), "{address}: {title}");
        let source = browser.client.source().await.unwrap();
        assert!(!source.contains("<script"), "{address}: {source}");
    }
    // And still signed in, with nothing changed.
    browser.go("/security").await;
    browser.page("Password & Security").await;
    browser.close().await;
}
