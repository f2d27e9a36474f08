//! SIGHUP: files are read again, and nobody who is inside notices.

use std::{fs, net::TcpStream};

use e2e::{Imap, free_port, self_signed, until};
use rustix::process::Signal;

use crate::World;

const ALICE: &str = "alice@example.org";

/// Sends SIGHUP and waits until it has been answered with this for the `nth` time.
fn hang_up(world: &mut World, nth: usize, answer: &str) {
    world.postern.process().signal(Signal::HUP);
    until(answer, || world.postern.said().matches(answer).count() >= nth)
        .unwrap_or_else(|late| panic!("{late}; it said:\n{}", world.postern.said()));
}

/// A certificate for localhost that nobody signed but itself.
fn certificate(world: &World, name: &str) {
    let file = |end: &str| world.postern.path(&format!("{name}-{end}.pem"));
    self_signed("localhost", &file("cert"), &file("key")).unwrap();
}

fn greeting(port: u16, ca: &std::path::Path) -> Option<String> {
    Imap::connect(port, ca, false).unwrap().line()
}

/// What a client gets that says no name, with this password.
fn silent_client(world: &World, secret: &str) -> Vec<String> {
    let mut imap = Imap::connect(world.postern.imap, &world.postern.ca(), false).unwrap();
    imap.line().unwrap();
    imap.command("a", &format!("LOGIN alice \"{secret}\"")).unwrap();
    imap.command("b", "LIST \"\" \"*\"").unwrap_or_default()
}

/// The lock learns of a changed catalogue too: what an app says, and how another looks.
#[test]
fn what_apps_say_of_themselves_is_read_again() {
    let mut world = World::start();
    world.postern.account(ALICE).unwrap();
    let make = || {
        let arguments = ["app-password", "create", ALICE, "--label", "Laptop", "--app", "heron", "--scope", "mail"];
        let made = world.postern.cli(&[&arguments[..], &["--json"]].concat(), "").unwrap().json();
        ["id", "secret"].map(|key| made[key].as_str().unwrap().to_owned())
    };
    let ([_, early], [id, late]) = (make(), make());
    let is_let_in = |answer: &[String]| answer.iter().any(|line| line.starts_with("b OK"));
    assert!(is_let_in(&silent_client(&world, &early)), "nothing is known of a heron");

    let of = "publisher = \"us\"\nplatforms = [\"linux\"]\nopens = \"mail\"\n[imap]\n";
    let heron = "says = \"always\"\nseen = \"1\"\nnames = [{ name = \"Heron\", seen = \"1\" }]\n";
    let egret = "says = \"nothing\"\nseen = \"1\"\nlooks = [{ form = \"any,LOGIN.aq\", seen = \"1\" }]\n";
    fs::create_dir_all(world.postern.path("data/apps")).unwrap();
    world.postern.write("data/apps/heron.toml", &format!("name = \"Grey Heron\"\n{of}{heron}")).unwrap();
    world.postern.write("data/apps/egret.toml", &format!("name = \"Little Egret\"\n{of}{egret}")).unwrap();
    hang_up(&mut world, 1, "configuration and certificates were read again");
    let answer = silent_client(&world, &late);
    assert!(!is_let_in(&answer), "a heron always says so: {answer:?}");
    assert!(is_let_in(&silent_client(&world, &early)), "what was bound stays bound");
    let shown = || world.postern.cli(&["app-password", "show", &id, "--json"], "").unwrap().json();
    until("its owner to be told", || shown()["refused_apps"].as_array().is_some_and(|apps| !apps.is_empty())).unwrap();
    assert_eq!(shown()["refused_apps"][0]["app"], "Little Egret", "{}", shown());
}

#[test]
fn a_session_goes_on_whatever_is_changed_around_it() {
    let mut world = World::start();
    world.postern.account(ALICE).unwrap();
    let (_, secret) = world.postern.app_password(ALICE, "mail", &[]).unwrap();
    let old_ca = world.postern.ca();
    let mut imap = Imap::connect(world.postern.imap_starttls, &old_ca, true).unwrap();
    let signed_in = imap.command("a", &format!("LOGIN alice \"{secret}\"")).unwrap();
    assert!(signed_in.last().unwrap().starts_with("a OK"), "{signed_in:?}");
    let mut goes_on = |tag: &str| {
        let answer = imap.command(tag, "NOOP").unwrap();
        assert!(answer.last().unwrap().starts_with(&format!("{tag} OK")), "{answer:?}");
    };
    let written = fs::read_to_string(world.postern.config()).unwrap();

    // Another certificate, one address more, one less, another rule; and what has to wait.
    certificate(&world, "new");
    let more = free_port().unwrap();
    let (port, gone) = (world.postern.imap, world.postern.imap_starttls);
    let changed = written
        .replace(&format!("listen_starttls = [\"127.0.0.1:{gone}\"]\n"), "")
        .replace(&format!("[\"127.0.0.1:{port}\"]"), &format!("[\"127.0.0.1:{port}\", \"127.0.0.1:{more}\"]"))
        .replace("data = \"data\"", "data = \"elsewhere\"");
    let changed = format!(
        "{changed}\n[tls]\ncertificate = \"new-cert.pem\"\nkey = \"new-key.pem\"\n[cutoff]\nmode = \"observe\"\n"
    );
    world.postern.write("postern.toml", &changed).unwrap();
    hang_up(&mut world, 1, "configuration and certificates were read again");
    let new_ca = world.postern.path("new-cert.pem");
    for port in [port, more] {
        assert!(greeting(port, &new_ca).unwrap().starts_with("* OK"));
        assert_eq!(greeting(port, &old_ca), None, "the old certificate is shown");
    }
    until("the address to be given up", || TcpStream::connect(("127.0.0.1", gone)).is_err()).unwrap();
    goes_on("b");
    let said = world.postern.said();
    assert!(said.contains("read at the start alone") && said.contains("keys=\"data\""), "{said}");

    // A slip changes nothing; a certificate does not wait for it.
    world.postern.write("postern.toml", &changed.replace("[cutoff]", "[cutof]")).unwrap();
    certificate(&world, "new");
    hang_up(&mut world, 1, "the configuration cannot be used: the old one goes on");
    assert!(world.postern.said().contains("did you mean \"cutoff\"?"), "{}", world.postern.said());
    hang_up(&mut world, 3, "certificates were read again");
    assert!(greeting(more, &new_ca).unwrap().starts_with("* OK"));
    goes_on("c");

    // An address that cannot be had changes nothing either.
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = taken.local_addr().unwrap().to_string();
    world.postern.write("postern.toml", &changed.replace(&format!("127.0.0.1:{more}"), &taken)).unwrap();
    hang_up(&mut world, 3, "the configuration cannot be used: the old one goes on");
    assert!(world.postern.said().contains(&format!("{taken} is in use")), "{}", world.postern.said());
    assert!(greeting(more, &new_ca).unwrap().starts_with("* OK"));

    // And back to where it began.
    world.postern.write("postern.toml", &written).unwrap();
    hang_up(&mut world, 2, "configuration and certificates were read again");
    assert!(greeting(port, &old_ca).unwrap().starts_with("* OK"));
    goes_on("d");
    let status = world.postern.cli(&["cutoff", "status", "--json"], "").unwrap().json();
    assert_eq!(status["mode"], "enforce");
}
