//! Nothing outside the account's folder is reachable.

use std::os::unix::fs::symlink;

use http::StatusCode;

use crate::served::{LOCK, Served};

const LIMIT: u64 = 1 << 20;

#[tokio::test]
async fn no_path_leads_out_of_the_folder() {
    let served = Served::with_limit(LIMIT).await;
    std::fs::write(served.outside().join("secret"), "the operator's").unwrap();
    served.put("/own", b"alice's").await;
    for path in [
        "/../secret",
        "/../../secret",
        "/a/../../secret",
        "/%2e%2e/secret",
        "/%2e%2e/%2e%2e/secret",
        "/.%2e/.%2E/secret",
        "/..%2fsecret",
        "/..%2f..%2fsecret",
        "/%2f..%2f..%2fsecret",
        "/..\\..\\secret",
        "/..%5c..%5csecret",
        "/%252e%252e/%252e%252e/secret",
        "/..%252f..%252fsecret",
        "/%c0%ae%c0%ae/%c0%ae%c0%ae/secret",
        "/own/../../../secret",
        "//../secret",
        "/./../secret",
        "/.incoming/../../secret",
        "/secret%00",
    ] {
        for method in ["GET", "PROPFIND", "DELETE", "MKCOL", "PUT"] {
            let body: &[u8] = if method == "PUT" { b"overwritten" } else { b"" };
            let answer = served.ask(&format!("{method} {path}"), "Depth: 0\r\n", body).await;
            let seen = String::from_utf8_lossy(&answer.body);
            assert!(!seen.contains("operator"), "{method} {path}: {seen}");
        }
        for method in ["COPY", "MOVE"] {
            served.put("/own", b"alice's").await;
            served.ask(&format!("{method} /own"), &format!("Destination: {path}\r\n"), b"").await;
        }
    }
    assert_eq!(std::fs::read(served.outside().join("secret")).unwrap(), b"the operator's");
    let mut beside: Vec<_> = std::fs::read_dir(served.outside()).unwrap().map(|e| e.unwrap().file_name()).collect();
    beside.sort();
    assert_eq!(beside, ["drive", "secret"]);
    let mut accounts: Vec<_> =
        std::fs::read_dir(served.outside().join("drive")).unwrap().map(|e| e.unwrap().file_name()).collect();
    accounts.sort();
    assert_eq!(accounts, [".incoming", "alice"]);
}

#[tokio::test]
async fn a_destination_on_another_host_is_refused_and_nothing_moves() {
    let served = Served::with_limit(LIMIT).await;
    served.put("/a", b"x").await;
    for (method, destination) in
        [("MOVE", "http://elsewhere.example.org/b"), ("COPY", "http://bob@dav.example.org/b"), ("COPY", "//other/b")]
    {
        let answer = served.ask(&format!("{method} /a"), &format!("Destination: {destination}\r\n"), b"").await;
        assert_eq!(answer.status, StatusCode::BAD_GATEWAY, "{destination}");
    }
    assert!(served.get("/a").await.is_some() && served.get("/b").await.is_none());
    let answer = served.ask("MOVE /a", "Destination: https://dav.example.org/b\r\n", b"").await;
    assert_eq!(answer.status, StatusCode::CREATED);
    assert!(served.get("/b").await.is_some());
}

/// Who can place a link? Another program of the operator's. Still.
#[tokio::test]
async fn links_are_not_followed_shown_replaced_or_removed() {
    let served = Served::with_limit(LIMIT).await;
    served.put("/own", b"alice's").await;
    let (outside, folder) = (served.outside(), served.folder_of("alice"));
    std::fs::write(outside.join("secret"), "the operator's").unwrap();
    std::fs::create_dir(outside.join("private")).unwrap();
    std::fs::write(outside.join("private/deep"), "the operator's").unwrap();
    symlink(outside.join("secret"), folder.join("file")).unwrap();
    symlink(outside.join("private"), folder.join("dir")).unwrap();
    symlink("own", folder.join("inside")).unwrap();
    symlink(outside.join("new"), folder.join("dangling")).unwrap();

    for path in ["/file", "/dir", "/dir/", "/dir/deep", "/inside", "/dangling"] {
        for method in ["GET", "HEAD", "PROPFIND", "DELETE", "COPY", "MOVE", "PROPPATCH", "LOCK"] {
            let answer = served.ask(&format!("{method} {path}"), "Depth: 0\r\nDestination: /taken\r\n", b"").await;
            assert!(answer.status.is_client_error(), "{method} {path}: {}", answer.status);
        }
        for (line, headers, body) in [
            (format!("PUT {path}"), String::new(), &b"overwritten"[..]),
            (format!("MKCOL {path}"), String::new(), b""),
            ("COPY /own".to_owned(), format!("Destination: {path}\r\n"), b""),
            ("MOVE /own".to_owned(), format!("Destination: {path}\r\n"), b""),
        ] {
            let answer = served.ask(&line, &headers, body).await;
            assert!(!answer.status.is_success() || answer.status == 207, "{line} {path}: {}", answer.status);
        }
    }
    let listing = served.ask("PROPFIND /", "Depth: 1\r\n", b"").await;
    let listing = String::from_utf8(listing.body.to_vec()).unwrap();
    assert!(listing.contains(">/own<") && listing.matches("<D:href>").count() == 2, "{listing}");
    assert_eq!(served.get("/own").await.unwrap(), "alice's");
    assert_eq!(std::fs::read(outside.join("secret")).unwrap(), b"the operator's");
    assert_eq!(std::fs::read(outside.join("private/deep")).unwrap(), b"the operator's");
    assert!(!outside.join("new").exists());
    for link in ["file", "dir", "inside", "dangling"] {
        assert!(folder.join(link).is_symlink(), "{link}");
    }
}

#[tokio::test]
async fn a_folder_that_is_a_link_itself_is_nobodys() {
    let served = Served::with_limit(LIMIT).await;
    std::fs::create_dir(served.outside().join("elsewhere")).unwrap();
    symlink(served.outside().join("elsewhere"), served.folder_of("alice")).unwrap();
    assert!(!served.put("/a", b"x").await.is_success());
    assert_eq!(std::fs::read_dir(served.outside().join("elsewhere")).unwrap().count(), 0);
}

#[tokio::test]
async fn accounts_do_not_see_each_other() {
    let served = Served::with_limit(LIMIT).await;
    served.put("/letter", b"alice's").await;
    for path in ["/letter", "/alice/letter", "/../alice/letter", "/%2e%2e/alice/letter"] {
        let answer = served.ask(&format!("GET {path}"), "X-Account: bob\r\n", b"").await;
        assert!(answer.status.is_client_error(), "{path}");
    }
    // Locks are each account's own.
    let locked = served.ask("LOCK /letter", "", LOCK).await;
    assert_eq!(locked.status, StatusCode::OK);
    let bobs = served.ask("PUT /letter", "X-Account: bob\r\n", b"bob's").await;
    assert_eq!(bobs.status, StatusCode::CREATED);
    assert_eq!(served.put("/letter", b"again").await, StatusCode::LOCKED);
    for account in ["", "..", "Alice", "a/b", ".incoming", "a.b"] {
        let answer = served.ask("GET /", &format!("X-Account: {account}\r\n"), b"").await;
        assert_eq!(answer.status, StatusCode::INTERNAL_SERVER_ERROR, "{account:?}");
    }
}

/// One call a level would overflow the stack, and end the server for everybody.
#[tokio::test]
async fn neither_deep_xml_nor_deep_trees_bring_the_server_down() {
    let served = Served::with_limit(LIMIT).await;
    for method in ["PROPFIND", "PROPPATCH", "LOCK"] {
        for body in ["<a>".repeat(20_000), "<a b='/>'>".repeat(6_000), "<a>".repeat(399)] {
            let answer = served.ask(&format!("{method} /"), "", body.as_bytes()).await;
            assert!(answer.status.is_client_error(), "{method}");
        }
    }
    let mut path = String::new();
    while served.ask(&format!("MKCOL {path}/d"), "", b"").await.status == StatusCode::CREATED {
        path += "/d";
    }
    assert!((32..1000).contains(&path.len()), "{}", path.len());
    // Nor may moving put one below the other.
    served.ask("MKCOL /other", "", b"").await;
    let moved = served.ask("MOVE /d", "Destination: /other/d\r\n", b"").await;
    assert!(moved.status == StatusCode::MULTI_STATUS || moved.status.is_client_error(), "{}", moved.status);
    assert_eq!(served.ask("DELETE /d", "", b"").await.status, StatusCode::NO_CONTENT);
    assert!(served.put("/still", b"here").await.is_success());
}

#[tokio::test]
async fn what_would_write_into_a_file_in_place_is_refused() {
    let served = Served::with_limit(LIMIT).await;
    served.put("/a", b"0123456789").await;
    let ranged = served.ask("PUT /a", "Content-Range: bytes 2-3/10\r\n", b"xx").await;
    assert_eq!(ranged.status, StatusCode::BAD_REQUEST);
    let sabre = "Content-Type: application/x-sabredav-partialupdate\r\nX-Update-Range: bytes=2-3\r\n";
    assert_eq!(served.ask("PATCH /a", sabre, b"xx").await.status, StatusCode::METHOD_NOT_ALLOWED);
    assert_eq!(served.get("/a").await.unwrap(), "0123456789");
    assert_eq!(served.ask("GET /", "", b"").await.status, StatusCode::METHOD_NOT_ALLOWED, "no listing in HTML");
}
