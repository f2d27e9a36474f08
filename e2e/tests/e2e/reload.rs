//! SIGHUP: files are read again, and nobody who is inside notices.

use std::{fs, net::TcpStream, process::Command};

use e2e::{Imap, free_port, run, until};
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
    let mut openssl = Command::new("openssl");
    openssl.args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"]);
    openssl.args(["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost", "-keyout"]);
    let (status, said) = run(openssl.arg(file("key")).arg("-out").arg(file("cert"))).unwrap();
    assert_eq!(status, Some(0), "{said}");
}

fn greeting(port: u16, ca: &std::path::Path) -> Option<String> {
    Imap::connect(port, ca, false).unwrap().line()
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
