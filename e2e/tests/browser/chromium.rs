//! Chromium, through its own driver.

use std::{net::TcpStream, process::Command};

use e2e::{PRIMARY, Running, free_port, until};
use fantoccini::{Client, ClientBuilder, Locator};
use serde_json::{Value, json};

use crate::World;

/// How the browser is set.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Look {
    Desktop,
    Phone,
    DarkPhone,
    NoScripts,
}

/// A browser with a profile of its own, at the portal of one site. Both it and
/// its driver are gone with this value.
pub(crate) struct Browser {
    pub(crate) client: Client,
    portal: u16,
    // Dropped before the folder that it writes to.
    _driver: Running,
    _profile: tempfile::TempDir,
}

impl Browser {
    pub(crate) async fn open(world: &World, look: Look) -> Self {
        let profile = tempfile::tempdir().unwrap();
        let port = free_port().unwrap();
        let mut driver = Command::new("chromedriver");
        driver.arg(format!("--port={port}"));
        let driver = Running::start(&mut driver, &profile.path().join("driver.log")).unwrap();
        until("chromedriver", || TcpStream::connect(("127.0.0.1", port)).is_ok()).unwrap();

        let mut capabilities = json!({"acceptInsecureCerts": true, "goog:chromeOptions": {"args": [
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--hide-scrollbars",
            // Would keep other sites from loopback before anything of ours could.
            "--disable-features=LocalNetworkAccessChecks",
            // Whatever the desktop of this machine prefers.
            format!("--blink-settings=preferredColorScheme={}", if look == Look::DarkPhone { 0 } else { 1 }),
            format!("--user-data-dir={}", profile.path().join("chromium").display()),
        ]}});
        let options = &mut capabilities["goog:chromeOptions"];
        match look {
            Look::Desktop => {}
            Look::Phone | Look::DarkPhone => {
                options["mobileEmulation"] = json!({"deviceMetrics": {"width": 390, "height": 844, "pixelRatio": 2}});
            }
            Look::NoScripts => {
                options["prefs"] = json!({"profile.managed_default_content_settings.javascript": 2});
            }
        }
        let client = ClientBuilder::rustls()
            .unwrap()
            .capabilities(capabilities.as_object().unwrap().clone())
            .connect(&format!("http://127.0.0.1:{port}"))
            .await
            .unwrap();
        client.set_window_size(1280, 900).await.unwrap();
        Self { client, portal: world.postern.portal, _driver: driver, _profile: profile }
    }

    /// Opens a page of the portal.
    pub(crate) async fn go(&self, path: &str) {
        self.client.goto(&format!("https://localhost:{}{path}", self.portal)).await.unwrap();
    }

    pub(crate) async fn fill(&self, field: &str, text: &str) {
        let field = self.client.find(Locator::Css(field)).await.unwrap();
        field.clear().await.unwrap();
        field.send_keys(text).await.unwrap();
    }

    /// Clicks the link or the button that people know by this name.
    pub(crate) async fn press(&self, name: &str) {
        let named = format!("//main//*[self::a or self::button][normalize-space()={name:?} or .//strong={name:?}]");
        self.client.find(Locator::XPath(&named)).await.unwrap().click().await.unwrap();
    }

    /// The text of the page's content, once its heading is this.
    pub(crate) async fn page(&self, heading: &str) -> String {
        let named = format!("//h1[normalize-space()={heading:?}]");
        self.client.wait().for_element(Locator::XPath(&named)).await.unwrap();
        self.client.find(Locator::Css("main")).await.unwrap().text().await.unwrap()
    }

    /// The text of the door with this title, once it is in this state.
    pub(crate) async fn door(&self, title: &str, state: &str) -> String {
        let row = format!("//li[@class={state:?}][.//strong={title:?}]");
        self.client.wait().for_element(Locator::XPath(&row)).await.unwrap().text().await.unwrap()
    }

    /// Asks the page. The driver's own scripts run where the page's may not.
    pub(crate) async fn ask(&self, script: &str) -> Value {
        self.client.execute(script, vec![]).await.unwrap()
    }

    /// Signs in with the primary password and this code.
    pub(crate) async fn sign_in(&self, code: &str) {
        self.go("/").await;
        self.page("Sign in").await;
        self.fill("#login", "alice").await;
        self.fill("#password", PRIMARY).await;
        self.press("Continue").await;
        self.page("One more step").await;
        self.fill("#code", code).await;
        self.press("Sign in").await;
        self.page("Password & Security").await;
    }

    /// Fills in the page *Generate a password*, sends it, and reads the secret.
    pub(crate) async fn generate(&self, app: &str, label: &str, opens: &[&str]) -> String {
        self.page("Generate a password").await;
        self.fill("#app", app).await;
        self.fill("#label", label).await;
        for area in opens {
            self.client.find(Locator::Css(&format!("input[name={area}]"))).await.unwrap().click().await.unwrap();
        }
        self.press("Generate").await;
        self.page(label).await;
        let secret = self.client.find(Locator::Css("#secret")).await.unwrap();
        secret.prop("value").await.unwrap().unwrap()
    }

    /// Ends the browser in good order.
    pub(crate) async fn close(self) {
        self.client.close().await.unwrap();
    }
}
