//! Thunderbird, the real one, on a display that nobody looks at: with one app
//! password it reads, sends, and has its calendar and contacts.

use std::{fs, os::unix::fs::symlink, path::Path, process::Command};

use e2e::{Dovecot, Postern, Postfix, Radicale, Site, run};

const ALICE: &str = "alice@example.org";
const INSTALLED: &str = "/usr/lib/thunderbird";
const EVENT: &str = "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//example.org//test\r\nBEGIN:VEVENT\r\nUID:one\r\n\
                     DTSTAMP:20260303T120000Z\r\nDTSTART:20260303T140000Z\r\nDTEND:20260303T150000Z\r\nSUMMARY:Choir\r\n\
                     END:VEVENT\r\nEND:VCALENDAR\r\n";
const CARD: &str = "BEGIN:VCARD\r\nVERSION:3.0\r\nUID:two\r\nFN:Bob Example\r\nN:Example;Bob;;;\r\nEND:VCARD\r\n";

#[test]
fn thunderbird_does_all_it_is_for_with_one_password() {
    if std::env::var_os("POSTERN_FULL").is_none() {
        // Two minutes, and a browser's weight: only with `--full`.
        return;
    }
    let (dovecot, radicale, postfix) =
        (Dovecot::start().unwrap(), Radicale::start().unwrap(), Postfix::start().unwrap());
    let site = Site::new(dovecot.port, radicale.port, "").unwrap();
    let postern = site.with_submission(postfix.port, "handover = { kind = \"xclient\" }").unwrap().serve().unwrap();
    postern.account(ALICE).unwrap();
    let (_, filling) = postern.app_password(ALICE, "calendars,contacts", &[]).unwrap();
    let locked = ["--app", "thunderbird", "--lock", "lock"];
    let (id, secret) = postern.app_password(ALICE, "mail,mail:send,calendars,contacts", &locked).unwrap();
    dovecot.deliver(ALICE, "Hello Alice").unwrap();
    fill(&postern, &filling);

    for starttls in ["no", "yes"] {
        let told = thunderbird(&postern, &secret, starttls);
        let lines: Vec<&str> = told.lines().collect();
        assert_eq!(
            lines,
            ["mail: Hello Alice", "sending: sent", "calendar: Choir", "contacts: Bob Example", "done"],
            "{}",
            postern.said()
        );
        postfix.delivers(&format!("Subject: by Thunderbird {starttls}")).unwrap();
    }
    let shown = postern.cli(&["app-password", "show", &id, "--json"], "").unwrap().json();
    assert_eq!(shown["refused_apps"].as_array().map(Vec::len), Some(0), "{shown:#}");
    let locked_to = shown["locked_to"].as_array().unwrap();
    for protocol in ["imap", "submission", "http"] {
        let pins: Vec<_> = locked_to.iter().filter(|pin| pin["protocol"] == protocol).collect();
        assert!(!pins.is_empty() && pins.iter().all(|pin| pin["app"] == "Thunderbird"), "{protocol}: {shown:#}");
    }

    // And in nothing else.
    for address in [format!("imaps://localhost:{}/INBOX", postern.imap), format!("https://localhost:{}/", postern.dav)]
    {
        let mut curl = Command::new("curl");
        curl.args(["--silent", "--show-error", "--fail", "--cacert"]).arg(postern.ca());
        let (status, said) = run(curl.arg("--user").arg(format!("{ALICE}:{secret}")).arg(&address)).unwrap();
        assert_ne!(status, Some(0), "{address}: {said}");
    }
    let shown = postern.cli(&["app-password", "show", &id, "--json"], "").unwrap().json();
    assert_eq!(shown["refused_apps"].as_array().map(Vec::len), Some(2), "{shown:#}");
}

/// One event, Choir, and one card.
pub(crate) fn fill(postern: &Postern, secret: &str) {
    let calendar = "<mkcol xmlns='DAV:'><set><prop><resourcetype><collection/><C:calendar xmlns:C='urn:ietf:params:xml:ns:caldav'/></resourcetype></prop></set></mkcol>";
    let contacts = "<mkcol xmlns='DAV:'><set><prop><resourcetype><collection/><C:addressbook xmlns:C='urn:ietf:params:xml:ns:carddav'/></resourcetype></prop></set></mkcol>";
    for (method, path, body) in [
        ("MKCOL", "calendar/", calendar),
        ("MKCOL", "contacts/", contacts),
        ("PUT", "calendar/one.ics", EVENT),
        ("PUT", "contacts/two.vcf", CARD),
    ] {
        let mut curl = Command::new("curl");
        curl.args(["--silent", "--show-error", "--fail", "--request", method, "--data-binary", body, "--cacert"]);
        curl.arg(postern.ca()).arg("--user").arg(format!("{ALICE}:{secret}"));
        curl.arg(format!("https://localhost:{}/{ALICE}/{path}", postern.dav));
        let (status, said) = run(&mut curl).unwrap();
        assert_eq!(status, Some(0), "{method} {path}: {said}");
    }
}

/// What it reports of itself, on a new profile.
fn thunderbird(postern: &Postern, secret: &str, starttls: &str) -> String {
    let home = tempfile::Builder::new().prefix("postern-thunderbird-").tempdir().unwrap();
    let mut command = command(postern, home.path(), secret, starttls);
    command.env("HOME", home.path()).env("DAV", postern.dav.to_string());
    command.env("SUBJECT", format!("by Thunderbird {starttls}"));
    run(&mut command).unwrap().1
}

/// Runs it on a new profile in this folder; what it reports of itself is all that is
/// said. `PARTS` in its environment limits what it does, `SUBJECT` is of its message.
pub(crate) fn command(site: &Site, home: &Path, secret: &str, starttls: &str) -> Command {
    let (program, profile, report) = (home.join("program"), home.join("profile"), home.join("report"));
    install(&program);
    fs::create_dir(&profile).unwrap();
    let database = format!("sql:{}", profile.display());
    for arguments in [
        vec!["-N", "-d", &database, "--empty-password"],
        vec!["-A", "-d", &database, "-n", "postern", "-t", "C,,", "-i", site.ca().to_str().unwrap()],
    ] {
        let (status, said) = run(Command::new("certutil").args(arguments)).unwrap();
        assert_eq!(status, Some(0), "{said}");
    }
    let mut command = Command::new("sh");
    command.arg("-c").arg(
        "timeout --kill-after=5 100 xvfb-run --auto-servernum dbus-run-session -- \
         \"$0\" --no-remote --profile \"$1\" > \"$REPORT.said\" 2>&1; cat \"$REPORT\" || cat \"$REPORT.said\"",
    );
    command.arg(program.join("thunderbird")).arg(&profile);
    let (imap, submission) = match starttls {
        "yes" => (site.imap_starttls, site.submission_starttls),
        _ => (site.imap, site.submission),
    };
    command.env("LOGIN", ALICE).env("SECRET", secret).env("STARTTLS", starttls).env("REPORT", &report);
    command.env("IMAP", imap.to_string()).env("SUBMISSION", submission.to_string());
    command
}

/// Debian's Thunderbird, with a configuration of our own: that is read from beside
/// the program only, so what runs is a copy of it, with links to all the rest.
fn install(program: &Path) {
    fs::create_dir_all(program.join("defaults/pref")).unwrap();
    for entry in fs::read_dir(INSTALLED).unwrap().map(Result::unwrap) {
        let to = program.join(entry.file_name());
        match entry.file_name().to_str().unwrap() {
            "thunderbird" | "thunderbird-bin" | "thunderbird.cfg" | "omni.ja" if entry.path().is_file() => {
                fs::copy(entry.path(), to).map(|_| ()).unwrap();
            }
            "defaults" => {}
            _ => symlink(entry.path(), to).unwrap(),
        }
    }
    fs::write(
        program.join("defaults/pref/postern.js"),
        "pref(\"general.config.filename\", \"thunderbird.cfg\");\n\
         pref(\"general.config.obscure_value\", 0);\n\
         pref(\"general.config.sandbox_enabled\", false);\n",
    )
    .unwrap();
    fs::write(program.join("thunderbird.cfg"), include_str!("thunderbird/thunderbird.cfg")).unwrap();
}
