//! Whoever can put a page on the drive gains nothing at the portal. Cookies
//! ignore ports, so on one host the browser does send the portal's to the drive;
//! what keeps the two apart is that the drive is no place to navigate to.

use std::{path::PathBuf, process::Command};

use e2e::run;
use serde_json::json;

use crate::{
    ALICE, World,
    chromium::{Browser, Look},
};

const COOKIE: &str = "__Host-postern";

/// What an attacker with a password for files puts there.
struct Planted {
    secret: String,
    page: PathBuf,
    /// Where the drive has it.
    address: String,
}

/// The page reads the portal, sends a form there, and tells by its title, and to
/// whoever frames it, that it runs.
fn plant(world: &World) -> Planted {
    plant_at(world, &format!("https://localhost:{}", world.postern.drive))
}

fn plant_at(world: &World, drive: &str) -> Planted {
    let (_, secret) = world.postern.app_password(ALICE, "files", &[]).unwrap();
    let portal = format!("https://localhost:{}", world.postern.portal);
    let page = world.postern.write(
        "evil.html",
        &format!(
            "<!doctype html><title>harmless</title>\
             <form method=post action='{portal}/security/app-passwords/revoke-all'></form>\
             <script>document.title = 'ran'; parent.postMessage('ran', '*');\
             fetch('{portal}/security', {{credentials: 'include'}}).then(answer => answer.text())\
             .then(text => document.title = 'read ' + text, () => document.title = 'ran, read nothing')</script>"
        ),
    );
    let page = page.unwrap();
    let address = format!("{drive}/evil.html");
    let (status, said) = world.curl(&secret, &["--fail", "--upload-file", page.to_str().unwrap(), &address]);
    assert_eq!(status, Some(0), "{said}");
    Planted { secret, page, address }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_page_on_the_drive_is_not_opened() {
    let world = World::start();
    let planted = plant(&world);
    let browser = Browser::open(&world, Look::Desktop).await;
    browser.sign_in(&world.code()).await;

    // The trap is real: from a disk it runs, and even there the portal tells it nothing.
    browser.client.goto(&format!("file://{}", planted.page.display())).await.unwrap();
    let title = "const told = arguments[arguments.length - 1]; const look = () => \
                 document.title.includes('read') ? told(document.title) : requestAnimationFrame(look); look()";
    assert_eq!(browser.client.execute_async(title, vec![]).await.unwrap(), json!("ran, read nothing"));

    let with_password = planted.address.replace("https://", &format!("https://alice:{}@", planted.secret));
    for address in [&planted.address, &with_password] {
        browser.client.goto(address).await.unwrap();
        let page = browser.client.source().await.unwrap();
        assert!(page.contains("This address is for apps, not for browsers."), "{page}");
        let seen = "return [performance.getEntriesByType('navigation')[0].responseStatus, document.title]";
        assert_eq!(browser.ask(seen).await, json!([403, ""]), "{page}");
    }

    // Nothing has changed at the portal.
    browser.go("/security/app-passwords").await;
    let list = browser.page("App-specific passwords").await;
    assert!(list.contains("Files") && !list.contains("Revoked"), "{list}");
    browser.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_page_on_the_drive_is_not_drawn_into_another() {
    let world = World::start();
    let planted = plant(&world);
    let browser = Browser::open(&world, Look::Desktop).await;
    browser.sign_in(&world.code()).await;

    // Were somebody to get markup into a page of the portal: it embeds nothing of the drive's.
    for (element, attribute, directive) in [
        ("iframe", "src", "frame-src"),
        ("object", "data", "object-src"),
        ("img", "src", "img-src"),
        ("script", "src", "script-src-elem"),
    ] {
        let script = "const [name, attribute, address, told] = arguments;\
                      document.addEventListener('securitypolicyviolation', event => told(event.effectiveDirective));\
                      const element = document.createElement(name);\
                      element[attribute] = address; document.body.append(element)";
        let arguments = vec![json!(element), json!(attribute), json!(planted.address)];
        assert_eq!(browser.client.execute_async(script, arguments).await.unwrap(), json!(directive), "{element}");
    }

    // A page of somebody else's forbids nothing: there the drive itself refuses.
    let drive = framed_elsewhere(&browser, &planted.address).await;
    assert!(drive.contains("This address is for apps, not for browsers."), "{drive}");
    // Nor may it frame the portal, to lay something over its buttons.
    let portal = framed_elsewhere(&browser, &format!("https://localhost:{}/security", world.postern.portal)).await;
    assert!(portal.contains("ERR_BLOCKED_BY_RESPONSE"), "{portal}");
    browser.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_portals_cookie_is_worth_nothing_at_the_drive() {
    let world = World::start();
    let planted = plant(&world);
    let browser = Browser::open(&world, Look::Desktop).await;
    browser.sign_in(&world.code()).await;
    let cookie = browser.client.get_named_cookie(COOKIE).await.unwrap();
    assert_eq!((cookie.http_only(), cookie.secure(), cookie.path()), (Some(true), Some(true), Some("/")));
    assert_eq!(browser.ask("return document.cookie").await, json!(""));
    let value = cookie.value().to_owned();
    let sent = format!("Cookie: {COOKIE}={value}");

    // In place of a password: refused as without.
    let mut curl = Command::new("curl");
    curl.args(["--silent", "--include", "--cacert"]).arg(world.postern.ca()).args([
        "--header",
        &sent,
        &planted.address,
    ]);
    let (_, answer) = run(&mut curl).unwrap();
    assert!(answer.starts_with("HTTP/1.1 401"), "{answer}");
    assert_silent_about(&answer, &value);

    // Beside one: as if it were not there.
    for method in ["GET", "PROPFIND", "OPTIONS"] {
        let arguments = ["--fail", "--include", "--header", &sent, "--request", method, &planted.address];
        let (status, answer) = world.curl(&planted.secret, &arguments);
        assert_eq!(status, Some(0), "{method}: {answer}");
        assert_silent_about(&answer, &value);
        let head = answer.to_lowercase();
        assert!(head.contains("content-security-policy: sandbox"), "{method}: {answer}");
        assert!(head.contains("x-content-type-options: nosniff"), "{method}: {answer}");
    }

    // The browser takes it there and back, and is still who it was.
    browser.client.goto(&planted.address).await.unwrap();
    let page = browser.client.source().await.unwrap();
    assert_silent_about(&page, &value);
    assert_eq!(browser.client.get_all_cookies().await.unwrap().len(), 1);
    assert_eq!(browser.client.get_named_cookie(COOKIE).await.unwrap().value(), value);
    browser.go("/security").await;
    browser.page("Password & Security").await;
    browser.close().await;
}

/// On the portal's listener the drive has a host of its own, and so an origin that no
/// cookie of the portal's is sent to and no page of which reaches the portal.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_drive_beside_the_portal_is_another_origin() {
    let world = World::with_the_drive_beside_the_portal();
    let portal = format!("https://localhost:{}", world.postern.portal);
    let planted = plant_at(&world, &format!("https://files.localhost:{}", world.postern.portal));
    let browser = Browser::open(&world, Look::Desktop).await;
    browser.sign_in(&world.code()).await;
    assert_eq!(browser.client.get_all_cookies().await.unwrap().len(), 1);

    browser.client.goto(&planted.address).await.unwrap();
    let page = browser.client.source().await.unwrap();
    assert!(page.contains("This address is for apps, not for browsers."), "{page}");
    assert_eq!(browser.client.get_all_cookies().await.unwrap().len(), 0, "the portal's cookie goes no further");
    // Were a script to run there: the portal is not to be read, and not to be written to.
    let script = "const [address, told] = arguments; fetch(address, {credentials: 'include'})\
                  .then(answer => told(`read ${answer.status}`), () => told('read nothing'))";
    let arguments = vec![json!(format!("{portal}/security"))];
    assert_eq!(browser.client.execute_async(script, arguments).await.unwrap(), json!("read nothing"));

    // The connection that the browser keeps for one name serves no page of the other.
    let sign_in = planted.address.replace("/evil.html", "/sign-in");
    browser.client.goto(&sign_in).await.unwrap();
    let page = browser.client.source().await.unwrap();
    assert!(page.contains("This address is for apps") && !page.contains("<form"), "{page}");

    // And from the portal's side.
    browser.go("/security").await;
    browser.page("Password & Security").await;
    let arguments = vec![json!(planted.address)];
    assert_eq!(browser.client.execute_async(script, arguments).await.unwrap(), json!("read nothing"));
    let framed = framed_elsewhere(&browser, &planted.address).await;
    assert!(framed.contains("This address is for apps"), "{framed}");
    browser.close().await;
}

fn assert_silent_about(answer: &str, cookie: &str) {
    assert!(!answer.to_lowercase().contains("set-cookie"), "{answer}");
    assert!(!answer.contains(cookie), "the cookie comes back");
}

/// What a frame shows in another site's page, once it has loaded.
async fn framed_elsewhere(browser: &Browser, address: &str) -> String {
    browser.client.goto("data:text/html,<!doctype html><title>other</title>").await.unwrap();
    let script = "const [address, told] = arguments; const frame = document.createElement('iframe');\
                  frame.onload = () => told(true); frame.src = address; document.body.append(frame)";
    browser.client.execute_async(script, vec![json!(address)]).await.unwrap();
    browser.client.enter_frame(0).await.unwrap();
    let shown = browser.client.source().await.unwrap();
    browser.client.enter_parent_frame().await.unwrap();
    shown
}
