//! Owners are told by mail: none is lost, and none comes twice but by a crash at the
//! one moment at which no sender can know.

use std::{
    collections::BTreeSet,
    fs,
    io::{Read, Write},
    net::{Shutdown, TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
        mpsc::{Sender, channel},
    },
    time::Duration,
};

use e2e::{Dovecot, Imap, Postfix, Running, Site, free_port, until};
use rustix::process::Signal;

const ALICE: &str = "alice@example.org";

fn mail_to(port: u16) -> String {
    format!("[notices]\nsmtp = \"smtp://127.0.0.1:{port}\"\nfrom = \"Postern <postern@example.org>\"\n")
}

/// A header of a message, in one line.
fn header<'m>(message: &'m str, name: &str) -> &'m str {
    message.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": ")).unwrap_or_default()
}

/// The text of a message.
fn text(message: &str) -> String {
    let body = message.split_once("\n\n").unwrap().1;
    body.replace("=\n", "").replace("=E2=80=9C", "\u{201c}").replace("=E2=80=9D", "\u{201d}")
}

/// Waits for a message that says this: its text.
fn told(postfix: &Postfix, words: &str) -> String {
    let found = || postfix.delivered().iter().map(|message| text(message)).find(|text| text.contains(words));
    until(words, || found().is_some()).unwrap_or_else(|late| panic!("{late}: {:#?}", postfix.delivered()));
    found().unwrap()
}

fn subjects(messages: &[String]) -> BTreeSet<String> {
    messages.iter().map(|message| text(message).lines().next().unwrap().to_owned()).collect()
}

fn ids(messages: &[String]) -> BTreeSet<&str> {
    messages.iter().map(|message| header(message, "Message-ID")).collect()
}

fn serve(site: &Site, log: &str) -> Running {
    let server = site.spawn(log).unwrap();
    until("the server to be back", || server.said().contains("ready")).unwrap();
    server
}

#[test]
fn an_owner_is_told_of_what_happens_to_an_account() {
    let dovecot = Dovecot::start().unwrap();
    let postfix = Postfix::taking_mail_on(free_port().unwrap()).unwrap();
    let postern = Site::new(dovecot.port, 9, &mail_to(postfix.port)).unwrap().serve().unwrap();
    postern.account(ALICE).unwrap();
    let given = postfix.delivers("chosen by an administrator").unwrap();
    for (name, value) in [
        ("From", "Postern <postern@example.org>"),
        ("To", ALICE),
        ("Auto-Submitted", "auto-generated"),
        ("Content-Type", "text/plain; charset=utf-8"),
        ("Subject", "Your password and second factor were chosen for you"),
    ] {
        assert_eq!(header(&given, name), value, "{given}");
    }
    let url = format!("https://localhost:{}", postern.portal);
    assert!(text(&given).contains(&url) && !text(&given).contains(&format!("{url}/")), "no link that acts: {given}");
    assert!(text(&given).contains(" 20") && text(&given).contains(" UTC"), "when: {given}");

    let (id, secret) = postern.app_password(ALICE, "mail", &[]).unwrap();
    let use_it = || {
        let mut imap = Imap::connect(postern.imap, &postern.ca(), false).unwrap();
        imap.line().unwrap();
        imap.command("a", &format!("LOGIN alice \"{secret}\"")).unwrap();
        assert!(imap.command("b", "LIST \"\" \"*\"").unwrap().iter().any(|line| line.starts_with("b OK")));
    };
    told(&postfix, "The app password \u{201c}Test\u{201d} (test) was made by an administrator.");
    postfix.delivers("Subject: New app password \"Test\"\n").unwrap();
    use_it();
    told(&postfix, "(test) was used for the first time, from 127.0.0.1 on Mail (IMAP).");
    use_it();
    assert_eq!(postern.cli(&["app-password", "revoke", &id], "").unwrap().status, Some(0));
    told(&postfix, "was revoked by an administrator.");
    // Each once: what came last has waited for all before it.
    assert_eq!(postfix.delivered().len(), 4, "{:#?}", subjects(&postfix.delivered()));

    let doctor = postern.cli(&["doctor", "--json"], "").unwrap().json();
    let found = doctor.as_array().unwrap().iter().find(|finding| finding["check"] == "notices").unwrap();
    assert_eq!(found["verdict"], "ok", "{found}");
}

/// What a client says of itself reaches the owner by the catalogue's name, or not at all.
#[test]
fn another_app_is_refused_and_its_owner_told() {
    let dovecot = Dovecot::start().unwrap();
    let postfix = Postfix::taking_mail_on(free_port().unwrap()).unwrap();
    let postern = Site::new(dovecot.port, 9, &mail_to(postfix.port)).unwrap().serve().unwrap();
    postern.account(ALICE).unwrap();
    let arguments = ["app-password", "create", ALICE, "--label", "Laptop", "--app", "thunderbird", "--scope", "mail"];
    let made = postern.cli(&[&arguments[..], &["--json"]].concat(), "").unwrap().json();
    let secret = made["secret"].as_str().unwrap();
    for name in ["K-9 Mail", "Mallory\u{7f}Bcc: mallory@example.org"] {
        let mut imap = Imap::connect(postern.imap, &postern.ca(), false).unwrap();
        imap.line().unwrap();
        imap.command("a", &format!("ID (\"name\" \"{name}\" \"version\" \"6\")")).unwrap();
        imap.command("b", &format!("LOGIN alice \"{secret}\"")).unwrap();
        let _ = imap.command("c", "LIST \"\" \"*\"");
    }
    told(&postfix, "Your app password \u{201c}Laptop\u{201d} (Thunderbird) was tried by K-9 Mail");
    let unknown = told(&postfix, "was tried by an unknown app from 127.0.0.1 on Mail (IMAP), and refused.");
    assert!(unknown.contains("revoke it"), "{unknown}");
    assert!(postfix.delivered().iter().all(|mail| !mail.contains("Mallory") && !mail.contains("mallory")));
}

/// kill -9 between the commit and the sending.
#[test]
fn what_was_committed_is_mailed_after_the_server_was_killed_and_the_mail_server_away() {
    let port = free_port().unwrap();
    let monitor = free_port().unwrap();
    let more = format!("{}[monitor]\nlisten = [\"127.0.0.1:{monitor}\"]\n", mail_to(port));
    let site = Site::new(9, 9, &more).unwrap();
    let mut server = serve(&site, "first");
    site.account(ALICE).unwrap();
    for _ in 0..5 {
        site.app_password(ALICE, "mail", &[]).unwrap();
    }
    until("a try", || server.said().contains("notices wait")).unwrap();
    server.signal(Signal::KILL);
    server.wait();
    let mut server = serve(&site, "second");
    site.app_password(ALICE, "mail", &[]).unwrap();
    until("a try", || server.said().contains("notices wait")).unwrap();
    let numbers = metrics(monitor);
    let value = |series: &str| -> f64 {
        let line = numbers.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
        line.unwrap_or_else(|| panic!("no {series} in {numbers}")).parse().unwrap()
    };
    assert_eq!(value("postern_notices_waiting"), 7.0);
    assert!(value("postern_notices_failed_total") > 0.0 && value("postern_notices_sent_total") == 0.0);
    assert_eq!(site.cli(&["doctor"], "").unwrap().status, Some(1));

    let postfix = Postfix::taking_mail_on(port).unwrap();
    until("all mails", || postfix.delivered().len() >= 7).unwrap();
    until("it to be known", || metrics(monitor).contains("postern_notices_waiting 0.0")).unwrap();
    // Once more, should it have something to say twice.
    site.app_password(ALICE, "files", &[]).unwrap();
    until("the last one", || postfix.delivered().len() >= 8).unwrap();
    let delivered = postfix.delivered();
    assert_eq!((delivered.len(), ids(&delivered).len()), (8, 8), "{:#?}", subjects(&delivered));
    assert!(server.said().contains("notices are sent again"), "{}", server.said());
    server.signal(Signal::TERM);
    assert_eq!(server.wait(), Some(0));
}

fn metrics(port: u16) -> String {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    text
}

/// Between Postern and a mail server: keeps to itself, while it is told to, that the
/// server has taken a mail.
struct Between {
    port: u16,
    keeps: Arc<AtomicBool>,
}

impl Between {
    /// `taken` hears of each mail of which it keeps silent.
    fn to(server: u16, taken: Sender<()>) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let keeps = Arc::new(AtomicBool::new(true));
        let between = Self { port, keeps: keeps.clone() };
        std::thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let (keeps, taken) = (keeps.clone(), taken.clone());
                std::thread::spawn(move || carry(client, server, &keeps, &taken));
            }
        });
        between
    }
}

fn carry(client: TcpStream, server: u16, keeps: &AtomicBool, taken: &Sender<()>) -> Option<()> {
    let server = TcpStream::connect(("127.0.0.1", server)).ok()?;
    let (mut from_client, mut to_server) = (client.try_clone().ok()?, server.try_clone().ok()?);
    std::thread::spawn(move || {
        let _ = std::io::copy(&mut from_client, &mut to_server);
        let _ = to_server.shutdown(Shutdown::Write);
    });
    let (mut from_server, mut to_client) = (server, client);
    let mut octets = [0; 4096];
    loop {
        let count = from_server.read(&mut octets).ok().filter(|count| *count > 0)?;
        if keeps.load(Ordering::SeqCst) && String::from_utf8_lossy(&octets[..count]).contains("queued as") {
            let _ = taken.send(());
            continue;
        }
        to_client.write_all(&octets[..count]).ok()?;
    }
}

/// kill -9 between the mail server's yes and its being heard: nobody can know then.
#[test]
fn killed_before_the_mail_servers_answer_it_sends_again_with_the_same_number() {
    let postfix = Postfix::taking_mail_on(free_port().unwrap()).unwrap();
    let (taken, was_taken) = channel();
    let between = Between::to(postfix.port, taken);
    let site = Site::new(9, 9, &mail_to(between.port)).unwrap();
    let mut server = serve(&site, "first");
    site.account(ALICE).unwrap();
    was_taken.recv_timeout(Duration::from_secs(20)).unwrap();
    server.signal(Signal::KILL);
    server.wait();
    between.keeps.store(false, Ordering::SeqCst);
    let mut server = serve(&site, "second");
    site.app_password(ALICE, "mail", &[]).unwrap();
    until("the mails", || postfix.delivered().len() >= 3).unwrap();
    let delivered = postfix.delivered();
    assert_eq!((delivered.len(), ids(&delivered).len()), (3, 2), "{:#?}", subjects(&delivered));
    server.signal(Signal::TERM);
    assert_eq!(server.wait(), Some(0));
}

/// With a login, as a user without rights, confined; and other settings on SIGHUP.
#[test]
fn it_signs_in_where_the_mail_server_asks_for_it_and_goes_on_elsewhere_on_sighup() {
    let nobody = 65_534;
    let dovecot = Dovecot::start().unwrap();
    let asking = Postfix::asking(&dovecot.sasl()).unwrap();
    let login = |login: &str| format!("login = \"{login}\"\npassword_file = \"secrets/smtp.pw\"\n");
    // Dovecot's master user signs in for whom it names in front.
    let section = mail_to(asking.port) + &login("alice@example.org*postern");
    let site = Site::new(9, 9, &section).unwrap();
    site.write("secrets/smtp.pw", &format!("{}\n", Dovecot::MASTER)).unwrap();
    fs::create_dir(site.path("data")).unwrap();
    for (path, mode) in [("", 0o755), ("data", 0o700)] {
        fs::set_permissions(site.path(path), std::os::unix::fs::PermissionsExt::from_mode(mode)).unwrap();
    }
    std::os::unix::fs::chown(site.path("data"), Some(nobody), Some(nobody)).unwrap();
    let mut server = serve(&site, "log");
    site.account(ALICE).unwrap();
    asking.delivers("chosen by an administrator").unwrap();
    assert!(asking.log().contains("sasl_method=PLAIN"), "{}", asking.log());

    let other = Postfix::taking_mail_on(free_port().unwrap()).unwrap();
    let config = fs::read_to_string(site.config()).unwrap();
    fs::write(site.config(), config.replace(&section, &mail_to(other.port))).unwrap();
    server.signal(Signal::HUP);
    until("the configuration to be read", || server.said().contains("read again")).unwrap();
    site.app_password(ALICE, "mail", &[]).unwrap();
    other.delivers("New app password").unwrap();
    assert_eq!(asking.delivered().len(), 1);
    server.signal(Signal::TERM);
    assert_eq!(server.wait(), Some(0));
}

#[test]
fn without_the_section_nothing_is_sent_and_doctor_says_so() {
    let postern = Site::new(9, 9, "").unwrap().serve().unwrap();
    assert!(postern.said().contains("owners are told on the portal alone"), "{}", postern.said());
    let doctor = postern.cli(&["doctor", "--json"], "").unwrap().json();
    let found = doctor.as_array().unwrap().iter().find(|finding| finding["check"] == "notices").unwrap();
    assert_eq!(found["verdict"], "warn", "{found}");
    assert!(found["found"].as_str().unwrap().contains("no mail is sent"), "{found}");
}
