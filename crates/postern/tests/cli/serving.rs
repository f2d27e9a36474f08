//! A server, and commands beside it.

use std::{net::TcpListener, os::unix::fs::PermissionsExt};

use rustix::process::Signal;

use crate::site::Site;

const SOUND: &str = "the ferry leaves at nine\n";

fn mode(site: &Site, name: &str) -> u32 {
    std::fs::metadata(site.path(name)).unwrap().permissions().mode() & 0o777
}

#[test]
fn what_is_made_is_closed_to_others() {
    let site = Site::with("[drive]\nlisten = [\"unix:drive.sock\"]\n");
    let server = site.serve();
    for (name, wanted) in [
        ("data", 0o700),
        ("data/keys", 0o700),
        ("data/keys/server.key", 0o600),
        ("data/keys/audit.key", 0o600),
        ("data/postern.db", 0o600),
        ("data/control.sock", 0o600),
        ("data/tls/server-key.pem", 0o600),
        ("data/tls/ca-key.pem", 0o600),
    ] {
        assert_eq!(mode(&site, name), wanted, "{name}");
    }
    drop(server);
}

#[test]
fn commands_act_through_the_running_server_and_without_it_alike() {
    let site = Site::with("");
    let add = |login: &str| site.run_with(&["account", "add", login, "--password-stdin", "--totp", "--json"], SOUND);
    assert_eq!(add("alice").status, Some(2), "a login is written in full");
    assert_eq!(add("alice@example.org").status, Some(0));
    let server = site.serve();
    assert!(site.path("portal.sock").exists(), "beside the configuration");
    assert_eq!(add("bob@example.org").status, Some(0));
    let made = site.run(&["app-password", "create", "bob", "--label", "x", "--app", "y", "--scope", "mail", "--json"]);
    let id = made.json()["id"].as_str().unwrap().to_owned();
    let (status, said) = server.stop();
    assert_eq!(status, Some(0), "{said}");
    assert!(!said.contains(made.json()["secret"].as_str().unwrap()), "a secret was logged: {said}");
    assert!(!site.path("data/control.sock").exists());
    let listed = site.run(&["account", "list", "--json"]).json();
    assert_eq!(listed.as_array().unwrap().len(), 2);
    let shown = site.run(&["app-password", "show", &id, "--json"]).json();
    assert_eq!((&shown["login"], &shown["state"]), (&"bob@example.org".into(), &"waiting".into()));
    assert_eq!(site.run(&["app-password", "revoke", &id]).status, Some(0));
    assert_eq!(site.run(&["app-password", "revoke", &id]).status, Some(1), "revoked before");
    assert_eq!(site.run(&["audit", "verify", "--json"]).json()["whole"], true);
}

#[test]
fn commands_at_the_same_time_wait_for_each_other() {
    let site = Site::with("");
    let logins: Vec<String> = (0..4).map(|n| format!("user{n}@example.org")).collect();
    let all: Vec<_> = logins.iter().map(|login| site.start(&["account", "add", login])).collect();
    for child in all {
        let ended = child.wait_with_output().unwrap();
        assert!(ended.status.success(), "{}", String::from_utf8_lossy(&ended.stderr));
    }
    assert_eq!(site.run(&["account", "list", "--json"]).json().as_array().unwrap().len(), 4);
}

#[test]
fn a_second_server_says_who_is_there() {
    let site = Site::with("");
    let server = site.serve();
    let second = site.run(&["serve"]);
    assert_eq!(second.status, Some(3), "{second:?}");
    assert!(second.err.contains("another Postern (process "), "{second:?}");
    assert!(second.err.contains("stop it first"), "{second:?}");
    assert_eq!(server.stop().0, Some(0));
}

#[test]
fn a_port_that_is_taken_is_named_before_anything_is_served() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let site = Site::with(&format!("[drive]\nlisten = [\"{address}\"]\n"));
    let ended = site.run(&["serve"]);
    assert_eq!(ended.status, Some(1), "{ended:?}");
    assert!(ended.err.contains(&address.to_string()) && !ended.err.contains("ready"), "{ended:?}");
}

#[test]
fn a_configuration_that_is_wrong_binds_and_makes_nothing() {
    let site = Site::with("[drive]\nlisten = [\"unix:drive.sock\"]\nquotta = \"1G\"\n");
    let ended = site.run(&["serve"]);
    assert_eq!(ended.status, Some(2), "{ended:?}");
    assert!(ended.err.contains("postern.toml:9: quotta: unknown key; did you mean \"quota\"?"), "{ended:?}");
    assert!(!site.path("data").exists() && !site.path("portal.sock").exists());
}

#[test]
fn hanging_up_reads_certificates_again_and_keeps_the_old_ones_if_it_cannot() {
    // Made by a server of its own, and then somebody's.
    let site = Site::with("");
    assert_eq!(site.serve().stop().0, Some(0));
    std::fs::copy(site.path("data/tls/server.pem"), site.path("cert.pem")).unwrap();
    std::fs::copy(site.path("data/tls/server-key.pem"), site.path("key.pem")).unwrap();
    let config = std::fs::read_to_string(site.path("postern.toml")).unwrap();
    site.write("postern.toml", &format!("{config}[tls]\ncertificate = \"cert.pem\"\nkey = \"key.pem\"\n"));
    let mut server = site.serve();
    server.after(Signal::HUP, "certificates were read again");
    site.write("cert.pem", "no certificate");
    server.after(Signal::HUP, "certificates stay as they were");
    assert_eq!(site.run(&["account", "list"]).status, Some(0), "it serves on");
    assert_eq!(server.stop().0, Some(0));
}

#[test]
fn a_password_file_that_everybody_can_read_is_warned_of() {
    let site = Site::with(
        "[[gateway]]\nservice = \"imap\"\nlisten = [\"unix:imap.sock\"]\nupstream = \"imap+unix:/nowhere\"\n\
         handover = { kind = \"master-user\", login = \"postern\", password_file = \"master.pw\" }\n",
    );
    let missing = site.run(&["serve"]);
    assert_eq!(missing.status, Some(2), "{missing:?}");
    assert!(missing.err.contains("master.pw: cannot be read"), "{missing:?}");
    site.write("master.pw", "secret-of-the-master\n");
    std::fs::set_permissions(site.path("master.pw"), std::fs::Permissions::from_mode(0o644)).unwrap();
    let (_, said) = site.serve().stop();
    assert!(said.contains("chmod o-rwx") && !said.contains("secret-of-the-master"), "{said}");
    std::fs::set_permissions(site.path("master.pw"), std::fs::Permissions::from_mode(0o600)).unwrap();
    let (_, said) = site.serve().stop();
    assert!(!said.contains("chmod"), "{said}");
}

#[test]
fn manual_pages_and_completions_are_written() {
    let site = Site::empty();
    assert_eq!(site.run(&["man"]).status, Some(0));
    let page = std::fs::read_to_string(site.path("postern-app-password-create.1")).unwrap();
    assert!(page.contains("thunderbird"), "with the examples: {page}");
    assert_eq!(site.run(&["man", "--dir", "nowhere"]).status, Some(1));
    assert!(site.run(&["completions", "bash"]).out.contains("app-password"));
}

#[test]
fn root_does_not_make_what_the_server_could_not_open() {
    let site = Site::with("");
    assert_eq!(site.run(&["account", "list"]).status, Some(0));
    if !rustix::process::geteuid().is_root() {
        return;
    }
    // nobody, on Debian.
    std::os::unix::fs::chown(site.path("data"), Some(65_534), None).unwrap();
    let ended = site.run(&["account", "list"]);
    assert_eq!(ended.status, Some(3), "{ended:?}");
    assert!(ended.err.contains("belongs to the user with id 65534: run this as that user"), "{ended:?}");
}
