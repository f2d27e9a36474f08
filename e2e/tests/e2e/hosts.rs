//! Doors with hosts of their own on the portal's listener, as curl meets them.

use std::{fs, process::Command};

use e2e::{Dovecot, Postern, Radicale, Site, run, self_signed, until};
use rustix::process::Signal;

const ALICE: &str = "alice@example.org";

struct World {
    postern: Postern,
    secret: String,
    _dovecot: Dovecot,
    _radicale: Radicale,
}

/// Calendars at dav.localhost, files at files.localhost, the portal at localhost.
fn start() -> World {
    let (dovecot, radicale) = (Dovecot::start().unwrap(), Radicale::start().unwrap());
    let site = Site::new(dovecot.port, radicale.port, "").unwrap();
    let config = fs::read_to_string(site.config()).unwrap();
    let hosted = config
        .replace(&format!("listen = [\"127.0.0.1:{}\"]", site.dav), "host = \"dav.localhost\"")
        .replace(&format!("listen = [\"127.0.0.1:{}\"]", site.drive), "host = \"files.localhost\"");
    assert_eq!(hosted.matches("host = ").count(), 2);
    fs::write(site.config(), hosted).unwrap();
    let postern = site.serve().unwrap();
    postern.account(ALICE).unwrap();
    let (_, secret) = postern.app_password(ALICE, "calendars,contacts,files", &[]).unwrap();
    World { postern, secret, _dovecot: dovecot, _radicale: radicale }
}

impl World {
    /// Curl's status, and all that it was told under this name. It checks the certificate.
    fn ask(&self, host: &str, path: &str, more: &[&str]) -> (Option<i32>, String) {
        let port = self.postern.portal;
        let mut curl = Command::new("curl");
        curl.args(["--silent", "--show-error", "--include", "--max-redirs", "0", "--cacert"]).arg(self.postern.ca());
        curl.args(["--header", "Expect:"]).arg("--resolve").arg(format!("{host}:{port}:127.0.0.1")).args(more);
        run(curl.arg(format!("https://{host}:{port}{path}"))).unwrap()
    }

    fn is(&self, status: &str, host: &str, path: &str, more: &[&str]) -> String {
        let (_, said) = self.ask(host, path, more);
        assert!(
            said.starts_with(&format!("HTTP/1.1 {status} ")),
            "{host}{path} {more:?}\n{said}\n{}",
            self.postern.said()
        );
        said
    }
}

#[test]
fn each_host_has_its_own_and_none_another_s() {
    let world = start();
    let password = format!("alice:{}", world.secret);
    let user = ["--user", &password];
    let propfind = [&user[..], &["--request", "PROPFIND", "--header", "Depth: 0"]].concat();

    // Under its own name, with a certificate that is for it.
    world.is("207", "dav.localhost", "/", &propfind);
    let file = world.postern.write("note.txt", "tea at four").unwrap();
    world.is("201", "files.localhost", "/note.txt", &[&user[..], &["--upload-file", file.to_str().unwrap()]].concat());
    assert!(world.is("200", "files.localhost", "/note.txt", &user).contains("tea at four"));
    assert!(world.is("200", "localhost", "/sign-in", &[]).contains("<title>Sign in"));
    // What is the portal's is nowhere else, and the other way about.
    world.is("401", "dav.localhost", "/sign-in", &[]);
    world.is("401", "files.localhost", "/sign-in", &[]);
    world.is("404", "localhost", "/note.txt", &user);
    world.is("405", "localhost", "/sign-in", &propfind);

    // A request that names another host than the connection.
    for (connected, named) in [
        ("dav.localhost", "localhost"),
        ("files.localhost", "localhost"),
        ("localhost", "dav.localhost"),
        ("localhost", "files.localhost"),
        ("files.localhost", "dav.localhost"),
        ("localhost", "other.localhost"),
        ("localhost", "127.0.0.1"),
    ] {
        let header = format!("Host: {named}");
        let said = world.is("421", connected, "/sign-in", &[&user[..], &["--header", &header]].concat());
        assert!(!said.contains("<html"), "{said}");
    }
    // Names that nobody has, and none at all.
    world.is("421", "other.localhost", "/sign-in", &["--insecure"]);
    world.is("421", "127.0.0.1", "/sign-in", &[]);
    world.is("207", "127.0.0.1", "/", &[&propfind[..], &["--header", "Host: dav.localhost"]].concat());

    // The canary comes by the names, and the certificate is looked at for all.
    let findings = world.postern.cli(&["doctor", "--json"], "").unwrap().json();
    let of = |check: &str| {
        let finding = findings.as_array().unwrap().iter().find(|finding| finding["check"] == check).unwrap();
        (finding["verdict"].as_str().unwrap().to_owned(), finding["found"].as_str().unwrap().to_owned())
    };
    assert!(of("canary").1.starts_with("refused at 7 places"), "{findings}");
    let (verdict, found) = of("certificate");
    assert!(verdict == "ok" && found.contains("dav.localhost") && found.contains("files.localhost"), "{found}");
}

/// Curl trusts one of them alone, and is shown it for its name.
#[test]
fn each_name_is_shown_the_certificate_that_is_for_it() {
    let mut world = start();
    let [ours, dav] = ["localhost", "dav.localhost"].map(|name| {
        let certificate = world.postern.path(&format!("{name}.pem"));
        self_signed(name, &certificate, &certificate.with_extension("key")).unwrap();
        certificate
    });
    let also = "[tls]\ncertificate = \"localhost.pem\"\nkey = \"localhost.key\"\n\
                also = [{ certificate = \"dav.localhost.pem\", key = \"dav.localhost.key\" }]\n";
    let config = fs::read_to_string(world.postern.config()).unwrap();
    world.postern.write("postern.toml", &format!("{config}\n{also}")).unwrap();
    world.postern.process().signal(Signal::HUP);
    let answer = "configuration and certificates were read again";
    until(answer, || world.postern.said().contains(answer))
        .unwrap_or_else(|late| panic!("{late}; it said:\n{}", world.postern.said()));
    for (host, ca, is_trusted) in [
        ("dav.localhost", &dav, true),
        ("dav.localhost", &ours, false),
        ("localhost", &ours, true),
        ("localhost", &dav, false),
        // Nobody's: it is shown the first, which is not for it.
        ("files.localhost", &ours, false),
    ] {
        let (status, said) = world.ask(host, "/", &["--cacert", ca.to_str().unwrap()]);
        let wanted = if is_trusted { Some(0) } else { Some(60) };
        assert_eq!(status, wanted, "{host} under {}: {said}", ca.display());
    }
    let findings = world.postern.cli(&["doctor", "--json"], "").unwrap().json();
    let certificate = findings.as_array().unwrap().iter().find(|finding| finding["check"] == "certificate").unwrap();
    let found = certificate["found"].as_str().unwrap();
    assert!(found.contains("for localhost, dav.localhost and not for files.localhost"), "{found}");
}

#[test]
fn hosts_come_and_go_on_hang_up() {
    let mut world = start();
    let password = format!("alice:{}", world.secret);
    let propfind = ["--user", &password, "--request", "PROPFIND", "--header", "Depth: 0"];
    world.is("207", "dav.localhost", "/", &propfind);
    let config = fs::read_to_string(world.postern.config()).unwrap();
    let changed = config.replace("dav.localhost", "calendars.localhost").replace("host = \"files.localhost\"", "");
    for (nth, (text, there, gone)) in [
        (changed.replace("[drive]\n", "").replace("quota = \"64M\"\n", ""), "calendars.localhost", "files.localhost"),
        (config, "dav.localhost", "calendars.localhost"),
    ]
    .into_iter()
    .enumerate()
    {
        world.postern.write("postern.toml", &text).unwrap();
        world.postern.process().signal(Signal::HUP);
        let answer = "configuration and certificates were read again";
        until(answer, || world.postern.said().matches(answer).count() > nth)
            .unwrap_or_else(|late| panic!("{late}; it said:\n{}", world.postern.said()));
        world.is("207", there, "/", &propfind);
        world.is("421", gone, "/", &[&propfind[..], &["--insecure"]].concat());
        world.is("200", "localhost", "/sign-in", &[]);
    }
}
