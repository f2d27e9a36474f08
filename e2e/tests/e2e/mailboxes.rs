//! POP3 and ManageSieve, with real clients, in front of Dovecot.

use std::{
    io::{ErrorKind, Read, Write},
    net::TcpStream,
    process::Command,
    time::Duration,
};

use data_encoding::BASE64;
use e2e::{Imap, run, until};

use crate::World;

const ALICE: &str = "alice@example.org";

fn succeeds(world: &World, command: &mut Command) -> String {
    let (status, said) = run(command).unwrap();
    let logs = || format!("Postern said:\n{}\nDovecot said:\n{}", world.postern.said(), world.dovecot.log());
    assert_eq!(status, Some(0), "{command:?}\n{said}\n{}", logs());
    said
}

fn world() -> (World, String, String) {
    let world = World::start();
    world.postern.account(ALICE).unwrap();
    let (id, secret) = world.postern.app_password(ALICE, "mail", &[]).unwrap();
    (world, id, secret)
}

fn plain(secret: &str) -> String {
    BASE64.encode(format!("\0alice\0{secret}").as_bytes())
}

#[test]
fn poplib_curl_and_mutt_fetch_mail() {
    let (world, _, secret) = world();
    world.dovecot.deliver(ALICE, "Tea at four").unwrap();
    let (postern, at) = (&world.postern, &world.mailboxes);
    let ca = postern.ca().display().to_string();

    // By USER and PASS, in both kinds of TLS.
    let python = "import poplib,ssl,sys\n\
        c=ssl.create_default_context(cafile=sys.argv[3])\n\
        a=poplib.POP3_SSL('localhost',int(sys.argv[1]),context=c)\n\
        b=poplib.POP3('localhost',int(sys.argv[2]))\n\
        assert 'STLS' in b.capa() and 'USER' not in b.capa() and 'SASL' not in b.capa()\n\
        b.stls(context=c)\n\
        for m in a,b:\n\
        \x20 assert m.capa()['SASL']==['PLAIN','LOGIN']\n\
        \x20 m.user('alice@example.org'); m.pass_(sys.argv[4])\n\
        \x20 assert 'STLS' not in m.capa() and 'SASL' not in m.capa() and 'UIDL' in m.capa()\n\
        \x20 print(m.retr(1)); m.quit()\n";
    let mut poplib = Command::new("python3");
    poplib.args(["-c", python, &at.pop3.to_string(), &at.pop3_stls.to_string(), &ca, &secret]);
    assert_eq!(succeeds(&world, &mut poplib).matches("Tea at four").count(), 2);

    for (url, mechanism) in [
        (format!("pop3s://localhost:{}/1", at.pop3), "AUTH=PLAIN"),
        (format!("pop3s://localhost:{}/1", at.pop3), "AUTH=LOGIN"),
        (format!("pop3://localhost:{}/1", at.pop3_stls), "AUTH=*"),
    ] {
        for more in [&[][..], &["--sasl-ir"]] {
            let mut curl = Command::new("curl");
            curl.args(["--silent", "--show-error", "--ssl-reqd", "--cacert", &ca, "--login-options", mechanism]);
            curl.args(more).args(["--user", &format!("{ALICE}:{secret}"), &url]);
            assert!(succeeds(&world, &mut curl).contains("Tea at four"), "{mechanism}");
        }
    }

    let muttrc = format!(
        "set folder=\"{}\"\nset spoolfile=\"pops://localhost:{}/\"\nset pop_user=\"alice\"\nset pop_pass=\"{secret}\"\n\
         set certificate_file=\"{ca}\"\nset ssl_verify_host=yes\nset header_cache=\"\"\n\
         push \"<copy-message>{}<enter><quit>\"\nset quit=yes\nset confirmappend=no\nset confirmcreate=no\nset delete=no\n",
        postern.path("").display(),
        at.pop3,
        postern.path("saved.mbox").display()
    );
    let file = postern.write("muttrc", &muttrc).unwrap();
    let mut mutt = Command::new("script");
    mutt.env("TERM", "xterm").env("HOME", postern.path(""));
    mutt.args(["--quiet", "--return", "--command", &format!("mutt -n -F {}", file.display()), "/dev/null"]);
    succeeds(&world, &mut mutt);
    assert!(std::fs::read_to_string(postern.path("saved.mbox")).unwrap().contains("Tea at four"));
}

#[test]
fn sieve_connect_keeps_a_script() {
    let (world, _, secret) = world();
    let (postern, at) = (&world.postern, &world.mailboxes);
    let ca = postern.ca().display().to_string();
    postern.write("vacation.sieve", "require \"fileinto\";\nfileinto \"Tea\";\n").unwrap();
    let connect = |port: u16, more: &[&str]| {
        let mut shell = Command::new("sh");
        shell.current_dir(postern.path("")).arg("-c").arg("secret=$1; shift; echo \"$secret\" | sieve-connect \"$@\"");
        shell.args(["sh", &secret, "--passwordfd", "0", "--server", "localhost", "--port", &port.to_string()]);
        shell.args(["--user", "alice", "--tlscafile", &ca]).args(more);
        shell
    };
    let mut upload = connect(at.sieve_starttls, &["--upload", "--localsieve", "vacation.sieve"]);
    succeeds(&world, &mut upload);
    let mut list = connect(at.sieve_starttls, &["--list"]);
    assert!(succeeds(&world, &mut list).contains("vacation.sieve"));
}

/// Dovecot logs, and judges, by where the client is and not by where Postern is.
#[test]
fn the_server_behind_learns_where_the_client_is() {
    let (world, _, secret) = world();
    let (postern, at) = (&world.postern, &world.mailboxes);
    let python = "import socket,ssl,sys\n\
        c=ssl.create_default_context(cafile=sys.argv[4])\n\
        def at(port,*lines):\n\
        \x20 s=socket.create_connection(('127.0.0.1',int(port)),source_address=('127.0.0.2',0))\n\
        \x20 f=c.wrap_socket(s,server_hostname='localhost').makefile('rw',newline='')\n\
        \x20 while f.readline().startswith('\"'): pass\n\
        \x20 for l in lines:\n\
        \x20\x20 f.write(l+'\\r\\n'); f.flush()\n\
        \x20\x20 while True:\n\
        \x20\x20\x20 a=f.readline(); print(a,end='')\n\
        \x20\x20\x20 if not a or not a.startswith('*'): break\n\
        p=sys.argv[5]\n\
        at(sys.argv[1],'a ID (\"x-originating-ip\" \"198.51.100.1\")','b AUTHENTICATE PLAIN '+p,'c ID (\"x-originating-ip\" \"198.51.100.2\")','d LOGOUT')\n\
        at(sys.argv[2],'AUTH PLAIN '+p,'QUIT')\n\
        at(sys.argv[3],'AUTHENTICATE \"PLAIN\" \"'+p+'\"','LOGOUT')\n";
    let mut clients = Command::new("python3");
    clients.args(["-c", python]).args([postern.imap, at.pop3, at.sieve].map(|port| port.to_string()));
    clients.arg(postern.ca()).arg(plain(&secret));
    assert_eq!(succeeds(&world, &mut clients).matches("Logged in").count(), 3);
    let logged = || {
        let log = world.dovecot.log();
        ["imap", "pop3", "managesieve"].iter().all(|protocol| {
            let of = |start: String| log.lines().any(|line| line.contains(&start) && line.contains("127.0.0.2"));
            of(format!(" {protocol}-login: Info: Login: user=<{ALICE}>"))
                && of(format!(" {protocol}({ALICE})<127.0.0.2>"))
        })
    };
    until("Dovecot to log all three", logged).unwrap_or_else(|late| panic!("{late}:\n{}", world.dovecot.log()));
    assert!(!world.dovecot.log().contains("198.51.100."), "what a client says of itself is not believed");
}

/// All that a door without TLS says to these pieces, each sent after an answer, until it closes.
fn in_the_clear(port: u16, pieces: &[&str]) -> String {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let mut said = Vec::new();
    for piece in pieces {
        let before = said.len();
        let mut octets = [0; 4096];
        while !said[before..].ends_with(b"\r\n") || said.ends_with(b"\"1.0\"\r\n") {
            match stream.read(&mut octets).unwrap() {
                0 => break,
                n => said.extend_from_slice(&octets[..n]),
            }
        }
        stream.write_all(piece.as_bytes()).unwrap();
    }
    // A reset is an end, too; silence is none.
    if let Err(error) = stream.read_to_end(&mut said) {
        assert_eq!(error.kind(), ErrorKind::ConnectionReset);
    }
    String::from_utf8_lossy(&said).into_owned()
}

#[test]
fn nothing_that_is_sent_in_the_clear_signs_anybody_in() {
    let (world, id, secret) = world();
    let (postern, at, plain) = (&world.postern, &world.mailboxes, plain(&secret));
    let pop3 = format!("AUTH PLAIN {plain}\r\n");
    let sieve = format!("AUTHENTICATE \"PLAIN\" \"{plain}\"\r\n");
    for (port, pieces, told) in [
        (at.pop3_stls, vec![pop3.clone(), "QUIT\r\n".into()], "-ERR Signing in needs TLS."),
        (at.pop3_stls, vec![format!("USER alice\r\nPASS {secret}\r\nQUIT\r\n")], "-ERR Signing in needs TLS."),
        (at.sieve_starttls, vec![sieve.clone(), "LOGOUT\r\n".into()], "NO (ENCRYPT-NEEDED)"),
        // As an attacker on the way would put it into the packet, to have it obeyed inside TLS.
        (at.pop3_stls, vec![format!("STLS\r\n{pop3}")], "-ERR Nothing may follow STLS before TLS."),
        (at.sieve_starttls, vec![format!("STARTTLS\r\n{sieve}")], "BYE \"Nothing may follow STARTTLS before TLS.\""),
        // In place of the handshake.
        (at.pop3_stls, vec!["STLS\r\n".into(), pop3], "+OK Begin TLS"),
        (at.sieve_starttls, vec!["STARTTLS\r\n".into(), sieve], "OK \"Begin TLS"),
    ] {
        let pieces: Vec<&str> = pieces.iter().map(String::as_str).collect();
        let said = in_the_clear(port, &pieces);
        assert!(said.contains(told) && !said.contains("Logged in"), "{pieces:?}: {said}");
    }
    let shown = postern.cli(&["app-password", "show", &id, "--json"], "").unwrap().json();
    assert_eq!(shown["state"], "waiting", "the password was not even looked at");
    assert!(postern.cli(&["session", "list", "--json"], "").unwrap().json().as_array().unwrap().is_empty());
}

#[test]
fn a_session_is_cut_when_its_password_is_revoked() {
    let (world, id, secret) = world();
    let (postern, at, plain) = (&world.postern, &world.mailboxes, plain(&secret));
    let mut sessions: Vec<_> = [
        (at.pop3, format!("AUTH PLAIN {plain}"), "-ERR [SYS/TEMP] This session was ended."),
        (at.sieve, format!("AUTHENTICATE \"PLAIN\" \"{plain}\""), "BYE \"This session was ended.\""),
    ]
    .into_iter()
    .map(|(port, sign_in, ended)| {
        let mut client = Imap::speaking(port, &postern.ca(), None).unwrap();
        while client.line().unwrap().starts_with('"') {}
        client.send(&sign_in).unwrap();
        assert!(client.line().unwrap().contains("Logged in"));
        (client, ended)
    })
    .collect();
    let listed = postern.cli(&["session", "list", "--json"], "").unwrap().json();
    assert_eq!(listed.as_array().unwrap().len(), 2, "{listed}");
    assert_eq!(postern.cli(&["app-password", "revoke", &id], "").unwrap().status, Some(0));
    for (client, ended) in &mut sessions {
        assert_eq!(client.rest(), [*ended]);
    }
}

#[test]
fn a_server_behind_that_does_not_answer_is_an_outage() {
    let (world, _, secret) = world();
    let (postern, at, plain) = (&world.postern, &world.mailboxes, plain(&secret));
    let told = |port: u16, sign_in: &str| {
        let mut client = Imap::speaking(port, &postern.ca(), None).unwrap();
        while client.line().unwrap().starts_with('"') {}
        client.send(sign_in).unwrap();
        client.rest()
    };
    let sieve = format!("AUTHENTICATE \"PLAIN\" \"{plain}\"");
    // What scripts may use is known from now on, also while Dovecot is out.
    assert!(told(at.sieve, "LOGOUT").concat().contains("Logout completed."));
    world.dovecot.pause();
    let later = "This service cannot answer right now, try again later.";
    assert_eq!(told(at.pop3, &format!("AUTH PLAIN {plain}")), [format!("-ERR [SYS/TEMP] {later}")]);
    assert_eq!(told(at.sieve, &sieve), [format!("BYE (TRYLATER) \"{later}\"")]);
    world.dovecot.resume();
}

/// Servers that know no authzid are told both names in one.
#[test]
fn a_master_user_by_a_separator_opens_the_same_mailbox() {
    let dovecot = e2e::Dovecot::start().unwrap();
    dovecot.deliver(ALICE, "Tea at four").unwrap();
    let mailboxes = dovecot.mailboxes().unwrap();
    let config = mailboxes.config.replace("login = ", "separator = \"*\", login = ");
    let postern = e2e::Site::new(dovecot.port, 9, &config).unwrap().serve().unwrap();
    postern.account(ALICE).unwrap();
    let (_, secret) = postern.app_password(ALICE, "mail", &[]).unwrap();
    for (port, sign_in, question, answer) in [
        (mailboxes.pop3, format!("AUTH PLAIN {}", plain(&secret)), "STAT", "+OK 1 "),
        (mailboxes.sieve, format!("AUTHENTICATE \"PLAIN\" \"{}\"", plain(&secret)), "LISTSCRIPTS", "OK \""),
    ] {
        let mut client = Imap::speaking(port, &postern.ca(), None).unwrap();
        while client.line().unwrap().starts_with('"') {}
        client.send(&sign_in).unwrap();
        assert!(client.line().unwrap().contains("Logged in"), "{}", dovecot.log());
        client.send(question).unwrap();
        assert!(client.line().unwrap().starts_with(answer));
    }
    let as_alice = || dovecot.log().matches(&format!("Login: user=<{ALICE}>")).count() == 2;
    until("Dovecot to log both", as_alice).unwrap_or_else(|late| panic!("{late}:\n{}", dovecot.log()));
}

/// The relay lets a session through as it comes: that holds only as long as the
/// server behind lets nobody sign in twice in it, or say where they are.
#[test]
fn nobody_becomes_somebody_else_in_a_session() {
    let (world, _, secret) = world();
    let (postern, at) = (&world.postern, &world.mailboxes);
    let by_postern = BASE64.encode(format!("bob@example.org\0postern\0{}", e2e::Dovecot::MASTER).as_bytes());
    let plain = plain(&secret);
    let imap = format!("a AUTHENTICATE PLAIN {plain}");
    let (again, login) = (
        format!("b AUTHENTICATE PLAIN {by_postern}"),
        format!("b LOGIN \"bob@example.org*postern\" {}", e2e::Dovecot::MASTER),
    );
    let pop3 = format!("AUTH PLAIN {plain}");
    let pop3_again = format!("AUTH PLAIN {by_postern}");
    let sieve = format!("AUTHENTICATE \"PLAIN\" \"{plain}\"");
    let sieve_again = format!("AUTHENTICATE \"PLAIN\" \"{by_postern}\"");
    for (port, sign_in, attempts, refusal) in [
        (postern.imap, &imap, vec![&*again, &*login, "b STARTTLS", "b UNAUTHENTICATE"], "b BAD"),
        (at.pop3, &pop3, vec![&*pop3_again, "USER bob@example.org", "STLS", "XCLIENT ADDR=198.51.100.1"], "-ERR"),
        (at.sieve, &sieve, vec![&*sieve_again, "STARTTLS", "UNAUTHENTICATE", "XCLIENT ADDR=198.51.100.1"], "NO"),
    ] {
        for attempt in attempts {
            let mut client = Imap::speaking(port, &postern.ca(), None).unwrap();
            while client.line().unwrap().starts_with('"') {}
            client.send(sign_in).unwrap();
            assert!(client.line().unwrap().contains("Logged in"));
            client.send(attempt).unwrap();
            let told = client.line().unwrap();
            assert!(told.starts_with(refusal), "{attempt}: {told}");
        }
    }
    assert!(!world.dovecot.log().contains("bob@"));
}
