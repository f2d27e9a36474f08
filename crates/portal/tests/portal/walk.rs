//! Every page, by following every link.

use std::collections::BTreeSet;

use http::StatusCode;

use crate::{
    browser::Browser,
    world::{ALICE, World},
};

/// All that can be reached from `start`, each once.
async fn walk(browser: &mut Browser, start: &str) -> BTreeSet<String> {
    let mut seen = BTreeSet::new();
    let mut next = vec![start.to_owned()];
    while let Some(path) = next.pop() {
        if !seen.insert(path.clone()) {
            continue;
        }
        let page = browser.get(&path).await;
        assert!(page.status == StatusCode::OK || page.status.is_redirection(), "{path}: {}", page.status);
        if page.status.is_redirection() {
            next.push(page.leads_to().to_owned());
        }
        next.extend(page.links().into_iter().map(|link| link.split('#').next().unwrap().to_owned()));
    }
    seen.remove("");
    seen
}

#[tokio::test(start_paused = true)]
async fn every_get_is_inert() {
    let world = World::new().await;
    let (mut alice, _) = world.alice().await;
    let one = alice.generate("Laptop", &["mail"]).await.app_password();
    let two = alice.generate("Phone", &["mail"]).await.app_password();
    let form = alice.open(&format!("{two}/revoke")).await;
    alice.submit(&form, &format!("{two}/revoke"), &[]).await;
    alice.generate("Tablet", &["files"]).await;
    world.keeper.write_journal().await.unwrap();

    let before = world.kept();
    let walked = walk(&mut alice, "/").await;
    for path in [
        "/security",
        "/security/password",
        "/security/recovery-codes",
        "/security/sessions",
        "/security/app-passwords",
        "/security/app-passwords/new",
        "/security/app-passwords/revoke-all",
        &one,
        &format!("{one}/doors"),
        &format!("{one}/revoke"),
        &two,
        "/static/postern.css",
        "/static/postern.js",
    ] {
        assert!(walked.contains(path), "no link leads to {path}: {walked:?}");
    }
    for path in [
        "/sign-out",
        "/sign-in",
        "/sign-in/code",
        "/sign-in/enrol",
        "/set-up",
        "/set-up/factors",
        "/.well-known/change-password",
    ] {
        alice.get(path).await;
    }
    assert_eq!(world.kept(), before, "a GET has changed something");
    alice.open("/security").await;
}

#[tokio::test(start_paused = true)]
async fn a_stranger_finds_the_doorstep_and_nothing_behind_it() {
    let world = World::new().await;
    world.add(ALICE, true).await;
    let mut browser = world.browser();
    let walked = walk(&mut browser, "/").await;
    let expected = ["/", "/set-up", "/sign-in", "/static/postern.css", "/static/postern.js"];
    assert_eq!(walked, expected.map(String::from).into());
    for path in
        ["/no/such/page", "/security/app-passwords/x", "/static/../Cargo.toml", "/index.html", "/.well-known/other"]
    {
        let status = browser.get(path).await.status;
        assert!(status == StatusCode::NOT_FOUND || status == StatusCode::SEE_OTHER, "{path}: {status}");
    }
}

#[tokio::test(start_paused = true)]
async fn pages_that_are_not_there_are_404_for_everybody() {
    let world = World::new().await;
    let (mut alice, _) = world.alice().await;
    for path in [
        "/no/such/page",
        "/security/",
        "/security/app-passwords/x",
        "/security/app-passwords/aaaaaaaaaaaaaaaa",
        "/security/app-passwords/aaaaaaaaaaaaaaaa/revoke",
    ] {
        let page = alice.get(path).await;
        assert_eq!(page.status, StatusCode::NOT_FOUND, "{path}");
        assert!(page.text.contains("<title>There is no such page · Example</title>"), "{}", page.text);
        assert_eq!(world.browser().get("/no/such/page").await.status, StatusCode::NOT_FOUND);
    }
}

#[tokio::test(start_paused = true)]
async fn pages_are_readable_by_machines_that_read_aloud() {
    let world = World::new().await;
    let (mut alice, _) = world.alice().await;
    alice.generate("Laptop", &["mail"]).await;
    for path in walk(&mut alice, "/").await {
        let page = alice.get(&path).await;
        if page.status != StatusCode::OK || path.starts_with("/static") || path.ends_with("/doors") {
            continue;
        }
        let text = &page.text;
        assert!(text.starts_with("<!doctype html>\n<html lang=\"en\">"), "{path}");
        assert_eq!(text.matches("<h1").count(), 1, "{path}: one first heading");
        assert_eq!(text.matches("<main").count(), 1, "{path}");
        let title = text.split("<title>").nth(1).unwrap().split("</title>").next().unwrap();
        assert!(title.ends_with(" · Example") && title.len() > 14, "{path}: {title}");
        for field in text.split("<input ").skip(1).map(|rest| rest.split('>').next().unwrap()) {
            let quiet = ["type=\"hidden\"", "type=\"checkbox\"", "type=\"button\"", "class=\"hidden\""];
            if let Some(id) = field.split("id=\"").nth(1).map(|rest| rest.split('"').next().unwrap()) {
                assert!(text.contains(&format!("for=\"{id}\"")), "{path}: no label for {id}");
            } else {
                assert!(quiet.iter().any(|kind| field.contains(kind)), "{path}: {field}");
            }
        }
        for described in text.split("aria-describedby=\"").skip(1).map(|rest| rest.split('"').next().unwrap()) {
            assert!(text.contains(&format!("id=\"{described}\"")), "{path}: nothing is called {described}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn style_is_sent_again_only_when_it_has_changed() {
    let world = World::new().await;
    let mut browser = world.browser();
    let first = browser.open("/static/postern.css").await;
    assert_eq!(first.headers["content-type"], "text/css; charset=utf-8");
    browser.headers.insert("if-none-match", first.headers["etag"].clone());
    assert_eq!(browser.get("/static/postern.css").await.status, StatusCode::NOT_MODIFIED);
    assert_eq!(browser.get("/static/postern.js").await.status, StatusCode::OK, "another file");
}

#[tokio::test(start_paused = true)]
async fn tls_is_insisted_on_except_where_it_would_spoil_other_things() {
    for (url, insisted) in [
        ("https://id.example.org", true),
        ("https://id.example.org:8443", true),
        ("https://localhost", false),
        ("https://localhost:8443", false),
        ("https://localhost.example.org", true),
        ("http://id.example.org", false),
    ] {
        let page = World::at(url, &[]).await.browser().open("/sign-in").await;
        assert_eq!(page.headers.contains_key("strict-transport-security"), insisted, "{url}");
    }
}
