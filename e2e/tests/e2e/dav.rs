//! Servers of calendars, contacts and files behind HTTP gateways, with real clients.

use std::{io::Write, process::Command};

use e2e::{Dovecot, Nginx, Postern, Radicale, Site, Xandikos, free_port, run};

const ALICE: &str = "alice@example.org";
const HOME: &str = "/alice%40example.org";
const EVENT: &str = "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//x//y//EN\r\nBEGIN:VEVENT\r\nUID:one\r\nDTSTAMP:20260303T140500Z\r\nDTSTART:20260304T090000Z\r\nSUMMARY:Tea\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n";
const CARD: &str = "BEGIN:VCARD\r\nVERSION:3.0\r\nUID:bob\r\nFN:Bob\r\nN:;Bob;;;\r\nEND:VCARD\r\n";
const TYPES: &str = "<propfind xmlns=\"DAV:\"><prop><resourcetype/></prop></propfind>";

fn mkcol(kind: &str) -> String {
    format!(
        "<mkcol xmlns=\"DAV:\" xmlns:C=\"urn:ietf:params:xml:ns:caldav\" xmlns:A=\"urn:ietf:params:xml:ns:carddav\">\
         <set><prop><resourcetype><collection/>{kind}</resourcetype></prop></set></mkcol>"
    )
}

/// A site whose gateway `more` is one of ours.
struct World {
    postern: Postern,
    port: u16,
    _dovecot: Dovecot,
}

impl World {
    /// With a gateway in front of `upstream`, with these keys.
    fn new(upstream: u16, keys: &str) -> Self {
        let (dovecot, port) = (Dovecot::start().unwrap(), free_port().unwrap());
        let gateway = format!(
            "[[gateway]]\nservice = \"http\"\nname = \"site\"\nlisten = [\"127.0.0.1:{port}\"]\n\
             upstream = \"http://127.0.0.1:{upstream}\"\nhandover = {{ kind = \"header\", user = \"X-Remote-User\" }}\n{keys}\n"
        );
        let postern = Site::new(dovecot.port, upstream, &gateway).unwrap().serve().unwrap();
        postern.account(ALICE).unwrap();
        Self { postern, port, _dovecot: dovecot }
    }

    fn password(&self, scopes: &str) -> String {
        self.postern.app_password(ALICE, scopes, &[]).unwrap().1
    }

    /// What curl gets: the status, and all that was said.
    fn ask(&self, secret: &str, method: &str, path: &str, more: &[&str]) -> (String, String) {
        let mut curl = Command::new("curl");
        curl.args(["--silent", "--show-error", "--include", "--path-as-is", "--request", method, "--cacert"]);
        curl.arg(self.postern.ca()).arg("--user").arg(format!("alice:{secret}")).args(more);
        if more.contains(&"--data") && !more.iter().any(|header| header.starts_with("Content-Type")) {
            curl.args(["--header", "Content-Type: application/xml; charset=utf-8"]);
        }
        curl.arg(format!("https://localhost:{}{path}", self.port));
        let (_, said) = run(&mut curl).unwrap();
        // The last answer: after a 100, or where a redirect leads.
        let status =
            said.lines().rfind(|line| line.starts_with("HTTP/")).and_then(|line| line.split_whitespace().nth(1));
        (status.unwrap_or_default().to_owned(), said)
    }

    fn is(&self, status: &str, secret: &str, method: &str, path: &str, more: &[&str]) -> String {
        let (got, said) = self.ask(secret, method, path, more);
        assert_eq!(got, status, "{method} {path} {more:?}\n{said}\nPostern said:\n{}", self.postern.said());
        said
    }

    /// Radicale does not decode it.
    fn destination(&self, path: &str) -> String {
        let path = path.replace("%40", "@");
        format!("Destination: https://localhost:{}{path}", self.port)
    }

    fn succeeds(&self, command: &mut Command) -> String {
        let (status, said) = run(command).unwrap();
        assert_eq!(status, Some(0), "{command:?}\n{said}\nPostern said:\n{}", self.postern.said());
        said
    }

    /// Syncs a folder with vdirsyncer, and what went up down to another.
    fn vdirsyncer(&self, kind: &str, secret: &str, file: &str, text: &str) {
        for folder in ["here", "there"] {
            let (near, extension) = (self.postern.path(&format!("{folder}/{kind}")), &file[file.len() - 4..]);
            self.postern.write(&format!("{folder}/{kind}/my-{kind}/.keep"), "").unwrap();
            let config = format!(
                "[general]\nstatus_path = \"{status}\"\n[pair p]\na = \"near\"\nb = \"far\"\ncollections = [\"from a\"]\n\
                 [storage near]\ntype = \"filesystem\"\npath = \"{near}\"\nfileext = \"{extension}\"\n\
                 [storage far]\ntype = \"{kind}\"\nurl = \"https://localhost:{}/\"\nusername = \"alice\"\n\
                 password = \"{secret}\"\nverify = \"{}\"\n",
                self.port,
                self.postern.ca().display(),
                status = self.postern.path(&format!("{folder}/{kind}-status")).display(),
                near = near.display(),
            );
            if folder == "here" {
                self.postern.write(&format!("here/{kind}/my-{kind}/{file}"), text).unwrap();
            }
            let config = self.postern.write(&format!("{folder}/{kind}.conf"), &config).unwrap();
            let discover = format!("yes | vdirsyncer --config {} discover", config.display());
            self.succeeds(Command::new("sh").arg("-c").arg(discover));
            self.succeeds(Command::new("vdirsyncer").arg("--config").arg(&config).arg("sync"));
            // The file and `.keep`.
            assert_eq!(std::fs::read_dir(near.join(format!("my-{kind}"))).unwrap().count(), 2);
        }
    }
}

/// One Radicale that keeps both side by side, as it is set up everywhere.
#[test]
fn a_password_for_contacts_sees_no_calendars_in_the_same_radicale() {
    let radicale = Radicale::start().unwrap();
    let world = World::new(radicale.port, "data = [\"calendars\", \"contacts\"]\nkinds = \"resourcetype\"");
    let (both, contacts) = (world.password("calendars,contacts"), world.password("contacts"));
    let (calendars, reading) = (world.password("calendars"), world.password("calendars:read"));
    let at = |path: &str| format!("{HOME}/{path}");
    let (book, calendar) = (mkcol("<A:addressbook/>"), mkcol("<C:calendar/>"));

    world.is("201", &contacts, "MKCOL", &at("friends/"), &["--data", &book]);
    world.is("403", &contacts, "MKCOL", &at("choir/"), &["--data", &calendar]);
    world.is("403", &contacts, "MKCALENDAR", &at("choir/"), &[]);
    world.is("403", &contacts, "MKCOL", &at("plain/"), &[]);
    world.is("403", &reading, "MKCALENDAR", &at("choir/"), &[]);
    world.is("201", &calendars, "MKCALENDAR", &at("choir/"), &[]);
    world.is("201", &contacts, "PUT", &at("friends/bob.vcf"), &["--data-binary", CARD]);
    world.is("201", &calendars, "PUT", &at("choir/one.ics"), &["--data-binary", EVENT]);

    // Each sees its own.
    for (secret, shown) in
        [(&both, [true, true]), (&contacts, [true, false]), (&calendars, [false, true]), (&reading, [false, true])]
    {
        let said = world.is("207", secret, "PROPFIND", &at(""), &["--header", "Depth: 1", "--data", TYPES]);
        assert_eq!(["friends/", "choir/"].map(|name| said.contains(name)), shown, "{said}");
        assert!(said.contains("<href>/alice%40example.org/</href>"), "and its home: {said}");
    }
    // Without its kind being asked for, too, and compressed or not.
    let said = world.is("207", &contacts, "PROPFIND", &at(""), &["--header", "Depth: 1", "--compressed"]);
    assert!(said.contains("friends/") && !said.contains("choir/"), "{said}");
    world.is("403", &contacts, "PROPFIND", "/", &["--header", "Depth: infinity"]);

    let to = |path: &str| world.destination(&at(path));
    for (secret, method, path, more, status) in [
        (&contacts, "GET", "friends/bob.vcf", &[][..], "200"),
        (&contacts, "GET", "choir/one.ics", &[], "403"),
        (&contacts, "GET", "choir/", &[], "403"),
        (&contacts, "GET", "", &[], "403"),
        (&contacts, "PROPFIND", "choir/", &["--header", "Depth: 0"], "403"),
        (&contacts, "PUT", "choir/two.ics", &["--data-binary", EVENT], "403"),
        (&contacts, "DELETE", "choir/", &[], "403"),
        (&contacts, "DELETE", "", &[], "403"),
        (&contacts, "PUT", "new/", &["--data-binary", EVENT], "403"),
        (&contacts, "PUT", "friends/", &["--data-binary", EVENT], "403"),
        (&contacts, "MOVE", "friends/bob.vcf", &["--header", &to("choir/bob.vcf")], "403"),
        (&contacts, "MOVE", "choir/one.ics", &["--header", &to("friends/one.ics")], "403"),
        (&contacts, "MOVE", "friends/bob.vcf", &["--header", &to("robert")], "403"),
        (&contacts, "MOVE", "friends/bob.vcf", &["--header", &to("friends/robert.vcf")], "201"),
        (&contacts, "GET", "nothing/here.vcf", &[], "404"),
        (&contacts, "GET", "friends/../choir/one.ics", &[], "400"),
        (&contacts, "GET", "friends/%2e%2e/choir/one.ics", &[], "400"),
        (&reading, "GET", "choir/one.ics", &[], "200"),
        (&reading, "PUT", "choir/one.ics", &["--data-binary", EVENT], "403"),
        (&reading, "DELETE", "choir/one.ics", &[], "403"),
        (&both, "GET", "choir/one.ics", &[], "200"),
    ] {
        world.is(status, secret, method, &at(path), more);
    }
    // Radicale would turn one into the other.
    let turn = mkcol("<C:calendar/>").replace("mkcol", "propertyupdate");
    world.is("403", &contacts, "PROPPATCH", &at("friends/"), &["--data", &turn]);
    let name =
        "<propertyupdate xmlns=\"DAV:\"><set><prop><displayname>Friends</displayname></prop></set></propertyupdate>";
    world.is("207", &contacts, "PROPPATCH", &at("friends/"), &["--data", name]);

    // A REPORT is held to what it names, in whatever it is written.
    let multiget = |href: &str| {
        format!(
            "<A:addressbook-multiget xmlns=\"DAV:\" xmlns:A=\"urn:ietf:params:xml:ns:carddav\"><prop><getetag/>\
             <A:address-data/></prop><href>{href}</href></A:addressbook-multiget>"
        )
    };
    let report = |href: &str| multiget(&at(href));
    let said = world.is("207", &contacts, "REPORT", &at("friends/"), &["--data", &report("friends/robert.vcf")]);
    assert!(said.contains("FN:Bob"), "{said}");
    world.is("403", &contacts, "REPORT", &at("friends/"), &["--data", &report("choir/one.ics")]);
    world.is("403", &contacts, "REPORT", &at("choir/"), &["--data", &report("choir/one.ics")]);
    let hidden = format!("<!DOCTYPE r [<!ENTITY e \"{}\">]>{}", at("choir/one.ics"), multiget("&e;"));
    world.is("400", &contacts, "REPORT", &at("friends/"), &["--data", &hidden]);
    let utf7 = ["--header", "Content-Type: text/xml; charset=utf-7", "--data", &report("friends/robert.vcf")];
    world.is("415", &contacts, "REPORT", &at("friends/"), &utf7);

    // What becomes of a name is learnt at once.
    world.is("200", &both, "DELETE", &at("choir/"), &[]);
    world.is("201", &both, "MKCOL", &at("choir/"), &["--data", &book]);
    world.is("201", &contacts, "PUT", &at("choir/eve.vcf"), &["--data-binary", &CARD.replace("bob", "eve")]);

    world.vdirsyncer("carddav", &contacts, "zoe.vcf", &CARD.replace("bob", "zoe"));
    world.vdirsyncer("caldav", &calendars, "tea.ics", &EVENT.replace("one", "tea"));
}

#[test]
fn xandikos_keeps_its_kinds_apart_too() {
    let xandikos = Xandikos::start("alice").unwrap();
    let world = World::new(xandikos.port, "data = [\"calendars\", \"contacts\"]\nkinds = \"resourcetype\"");
    let (contacts, calendars) = (world.password("contacts"), world.password("calendars"));
    let (book, calendar) = ("/alice/contacts/addressbook/", "/alice/calendars/calendar/");
    world.is("207", &contacts, "PROPFIND", book, &["--header", "Depth: 0", "--data", TYPES]);
    world.is("403", &contacts, "PROPFIND", calendar, &["--header", "Depth: 0", "--data", TYPES]);
    let all = world.is("207", &contacts, "PROPFIND", "/alice/calendars/", &["--header", "Depth: 1", "--data", TYPES]);
    assert!(!all.contains(calendar), "{all}");
    world.is("201", &contacts, "PUT", &format!("{book}bob.vcf"), &["--data-binary", CARD]);
    world.is("403", &contacts, "PUT", &format!("{calendar}one.ics"), &["--data-binary", EVENT]);
    world.vdirsyncer("carddav", &contacts, "zoe.vcf", &CARD.replace("bob", "zoe"));
    world.vdirsyncer("caldav", &calendars, "tea.ics", &EVENT.replace("one", "tea"));
}

/// From the bare name of the server, as macOS and DAVx5 begin.
#[test]
fn apps_find_their_way_from_the_well_known_address() {
    let radicale = Radicale::start().unwrap();
    let keys = "data = [\"calendars\", \"contacts\"]\npath = \"/dav/\"\nprefix_header = \"X-Script-Name\"";
    let world = World::new(radicale.port, keys);
    let secret = world.password("calendars,contacts");
    let principal = "<propfind xmlns=\"DAV:\"><prop><current-user-principal/></prop></propfind>";
    let said =
        world.is("301", &secret, "PROPFIND", "/.well-known/caldav", &["--header", "Depth: 0", "--data", principal]);
    assert!(said.to_lowercase().contains("\r\nlocation: /dav/\r\n"), "{said}");
    let (_, said) = world.ask(
        &secret,
        "PROPFIND",
        "/.well-known/carddav",
        &["--location", "--header", "Depth: 0", "--data", principal],
    );
    assert!(said.contains("<href>/dav/alice%40example.org/</href>"), "{said}");
    world.is("201", &secret, "MKCALENDAR", &format!("/dav{HOME}/choir/"), &[]);
    world.is("201", &secret, "PUT", &format!("/dav{HOME}/choir/one.ics"), &["--data-binary", EVENT]);
    let moved = world.destination(&format!("/dav{HOME}/choir/two.ics"));
    world.is("201", &secret, "MOVE", &format!("/dav{HOME}/choir/one.ics"), &["--header", &moved]);
    world.is("403", &secret, "GET", &format!("{HOME}/choir/two.ics"), &[]);
}

/// Files far larger than memory: 384 MiB, in `--full` the 5 GiB of a video.
#[test]
fn a_large_file_passes_both_ways_in_little_memory() {
    let nginx = Nginx::start().unwrap();
    let routes = "routes = [{ path = \"/files/\", data = [\"files\"] }]";
    let mut world = World::new(nginx.port, routes);
    let secret = world.password("files");
    std::fs::create_dir(nginx.file("files")).unwrap();
    let large: u64 = if std::env::var_os("POSTERN_FULL").is_some() { 5 << 30 } else { 384 << 20 };
    let here = world.postern.path("large");
    let mut file = std::fs::File::create(&here).unwrap();
    file.set_len(large).unwrap();
    file.write_all(b"its beginning").unwrap();
    let before = peak(&mut world.postern);

    let from = here.display().to_string();
    world.is("201", &secret, "PUT", "/files/large", &["--upload-file", &from, "--header", "Expect: 100-continue"]);
    assert_eq!(std::fs::metadata(nginx.file("files/large")).unwrap().len(), large);
    world.is(
        "201",
        &secret,
        "PUT",
        "/files/chunked",
        &["--upload-file", &from, "--header", "Transfer-Encoding: chunked"],
    );
    assert_eq!(std::fs::metadata(nginx.file("files/chunked")).unwrap().len(), large);
    // 5 GiB of nothing are there for real by now: once is enough.
    world.is("204", &secret, "DELETE", "/files/chunked", &[]);
    let mut curl = Command::new("curl");
    curl.args(["--silent", "--show-error", "--fail", "--output", "/dev/null", "--write-out", "%{size_download}"]);
    curl.arg("--cacert").arg(world.postern.ca()).arg("--user").arg(format!("alice:{secret}"));
    curl.arg(format!("https://localhost:{}/files/large", world.port));
    assert_eq!(world.succeeds(&mut curl), large.to_string());
    let grown = peak(&mut world.postern) - before;
    eprintln!("{} MiB passed thrice; the peak of memory rose by {} KiB from {before}", large >> 20, grown);
    assert!(grown < 32 << 10, "by {grown} KiB");

    world.is("403", &secret, "GET", "/elsewhere", &[]);
}

/// The most memory that the server has held so far, in KiB.
fn peak(postern: &mut Postern) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", postern.process().id())).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

/// HTTP/2 is for those who switch it on, and for whom it is on it is one more way
/// to say the same.
#[test]
fn http_2_is_spoken_where_it_is_switched_on() {
    let nginx = Nginx::start().unwrap();
    let world = World::new(nginx.port, "routes = [{ path = \"/files/\", data = [\"files\"] }]\nhttp2 = true");
    let (good, other) = (world.password("files"), world.password("calendars"));
    std::fs::create_dir(nginx.file("files")).unwrap();
    std::fs::write(nginx.file("files/note.txt"), "over HTTP/2").unwrap();
    let large = world.postern.path("large");
    std::fs::File::create(&large).unwrap().set_len(32 << 20).unwrap();
    let from = large.display().to_string();
    for (version, said) in [("--http2", "HTTP/2 "), ("--http1.1", "HTTP/1.1 ")] {
        let answer = world.is("200", &good, "GET", "/files/note.txt", &[version]);
        assert!(answer.starts_with(said) && answer.ends_with("over HTTP/2"), "{answer}");
        world.is("403", &other, "GET", "/files/note.txt", &[version]);
        world.is("403", &good, "GET", "/note.txt", &[version]);
        world.is("400", &good, "GET", "/files/../note.txt", &[version]);
        let refused = world.is("401", "wrong", "GET", "/files/note.txt", &[version]);
        assert!(refused.to_lowercase().contains("www-authenticate: basic realm=\"site\""), "{refused}");
        world.is("201", &good, "PUT", &format!("/files/large{version}"), &[version, "--upload-file", &from]);
        assert_eq!(std::fs::metadata(nginx.file(&format!("files/large{version}"))).unwrap().len(), 32 << 20);
    }
    // Many at once, on one connection.
    let mut curl = Command::new("curl");
    curl.args(["--silent", "--show-error", "--fail", "--http2", "--parallel", "--parallel-max", "16", "--cacert"]);
    curl.arg(world.postern.ca()).arg("--user").arg(format!("alice:{good}")).args([
        "--output",
        "/dev/null",
        "--write-out",
        "%{http_version} %{http_code} %{size_download} %{num_connects}\\n",
    ]);
    curl.arg(format!("https://localhost:{}/files/large--http2?[1-20]", world.port));
    let said = world.succeeds(&mut curl);
    assert_eq!(said.matches(&format!("2 200 {}", 32 << 20)).count(), 20, "{said}");
    // Elsewhere it is not spoken, whatever a client would like.
    let mut curl = Command::new("curl");
    curl.args(["--silent", "--http2", "--output", "/dev/null", "--write-out", "%{http_version}", "--cacert"])
        .arg(world.postern.ca());
    curl.arg(format!("https://localhost:{}/", world.postern.dav));
    assert_eq!(world.succeeds(&mut curl), "1.1");
}
