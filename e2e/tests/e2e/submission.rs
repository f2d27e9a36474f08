//! Mail is sent, by real clients through a real Postfix, and by nobody else.

use std::process::Command;

use e2e::{Postern, Postfix, Site, run};

const ALICE: &str = "alice@example.org";
const XCLIENT: &str = "handover = { kind = \"xclient\" }";

struct Sending {
    postern: Postern,
    postfix: Postfix,
    secret: String,
}

impl Sending {
    fn start(more: &str) -> Self {
        let postfix = Postfix::start().unwrap();
        let site = Site::new(9, 9, "").unwrap().with_submission(postfix.port, &format!("{XCLIENT}\n{more}")).unwrap();
        site.account(ALICE).unwrap();
        let (_, secret) = site.app_password(ALICE, "mail:send", &[]).unwrap();
        Self { postern: site.serve().unwrap(), postfix, secret }
    }

    /// What Python's smtplib makes of it: `s` is a connection that has greeted.
    fn python(&self, script: &str) -> String {
        let (site, ca) = (&self.postern, self.postern.ca());
        let begin = format!(
            "import smtplib, ssl, socket\n\
             trust = ssl.create_default_context(cafile={ca:?})\n\
             alice, secret = 'alice', {:?}\n\
             s = smtplib.SMTP_SSL('localhost', {}, local_hostname='laptop.example', context=trust)\n",
            self.secret, site.submission
        );
        let (status, said) = run(Command::new("python3").arg("-c").arg(begin + script)).unwrap();
        assert_eq!(status, Some(0), "{said}\n{}\n{}", self.postern.said(), self.postfix.log());
        said
    }
}

#[test]
fn clients_send_and_postfix_knows_who_and_from_where() {
    let sending = Sending::start("");
    let (postern, postfix) = (&sending.postern, &sending.postfix);
    sending.python(
        "s.login(alice, secret)\n\
         s.sendmail('alice@example.org', ['bob@example.org'], 'Subject: by smtplib\\r\\n\\r\\n.dot\\r\\nend\\r\\n')\n\
         s.quit()\n",
    );
    let message = postfix.delivers("Subject: by smtplib").unwrap();
    assert!(message.contains("from laptop.example (unknown [127.0.0.1])"), "{message}");
    assert!(message.contains("\n.dot\nend\n"), "{message}");
    assert!(postfix.log().contains("sasl_username=alice@example.org"), "{}", postfix.log());

    for (subject, how, port) in [
        ("by swaks, TLS", "--tls-on-connect", postern.submission),
        ("by swaks, STARTTLS", "--tls", postern.submission_starttls),
    ] {
        for mechanism in ["PLAIN", "LOGIN"] {
            let subject = format!("{subject}, {mechanism}");
            let mut swaks = Command::new("swaks");
            swaks.args(["--server", "localhost", how, "--tls-verify", "--tls-ca-path"]).arg(postern.ca());
            swaks.args(["--port", &port.to_string(), "--auth", mechanism, "--auth-user", "alice", "--auth-password"]);
            swaks.args([&*sending.secret, "--from", ALICE, "--to", "bob@example.org", "--header"]);
            swaks.arg(format!("Subject: {subject}"));
            let (status, said) = run(&mut swaks).unwrap();
            assert_eq!(status, Some(0), "{said}");
            postfix.delivers(&format!("Subject: {subject}")).unwrap();
        }
    }

    for (subject, starttls, port) in
        [("by msmtp, TLS", "off", postern.submission), ("by msmtp, STARTTLS", "on", postern.submission_starttls)]
    {
        let config = postern
            .write(
                "msmtprc",
                &format!(
                    "account default\nhost localhost\nport {port}\ntls on\ntls_starttls {starttls}\ntls_trust_file {}\n\
                     auth on\nuser alice\npassword {}\nfrom {ALICE}\n",
                    postern.ca().display(),
                    sending.secret
                ),
            )
            .unwrap();
        std::fs::set_permissions(&config, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
        let message = postern.write("message", &format!("Subject: {subject}\n\nHello.\n")).unwrap();
        let command = format!("msmtp -C {} bob@example.org < {}", config.display(), message.display());
        let (status, said) = run(Command::new("sh").args(["-c", &command])).unwrap();
        assert_eq!(status, Some(0), "{said}");
        postfix.delivers(&format!("Subject: {subject}")).unwrap();
    }

    let message = postern.write("curl", "Subject: by curl\r\n\r\nHello.\r\n").unwrap();
    let mut curl = Command::new("curl");
    curl.args(["--silent", "--show-error", "--cacert"]).arg(postern.ca());
    curl.args(["--user", &format!("alice:{}", sending.secret), "--mail-from", ALICE, "--mail-rcpt", "bob@example.org"]);
    curl.arg("--upload-file").arg(message).arg(format!("smtps://localhost:{}", postern.submission));
    let (status, said) = run(&mut curl).unwrap();
    assert_eq!(status, Some(0), "{said}");
    postfix.delivers("Subject: by curl").unwrap();
}

#[test]
fn nobody_becomes_somebody_else_in_a_session() {
    let sending = Sending::start("");
    let said = sending.python(
        "s.login(alice, secret)\n\
         for line in ['XCLIENT LOGIN=bob@example.org', 'XFORWARD ADDR=192.0.2.1', 'AUTH PLAIN AGJvYgBib2I=', 'STARTTLS', 'ETRN x']:\n\
         \tprint(*s.docmd(line))\n\
         code, text = s.ehlo()\n\
         print(code, text.decode())\n\
         # Between lone line ends, a dot ends a message for some servers.\n\
         for end in [b'\\n.\\n', b'\\n.\\r\\n', b'\\r\\n.\\n', b'\\r.\\r', b'\\r\\n.\\r']:\n\
         \ts.mail('alice@example.org'); s.rcpt('bob@example.org'); s.docmd('DATA')\n\
         \ts.send(b'Subject: whole\\r\\n\\r\\nbegin' + end + b'XCLIENT LOGIN=bob@example.org\\r\\nMAIL FROM:<eve@example.org>\\r\\nend\\r\\n.\\r\\n')\n\
         \tprint(*s.getreply())\n\
         s.quit()\n",
    );
    let lines: Vec<&str> = said.lines().collect();
    for (line, code) in lines.iter().zip(["502", "502", "503", "503", "502"]) {
        assert!(line.starts_with(code), "{said}");
    }
    let hello = said.lines().filter(|line| !line.starts_with("50")).collect::<Vec<_>>().join("\n").to_uppercase();
    for behind in ["XCLIENT", "AUTH", "STARTTLS", "ETRN", "XFORWARD"] {
        assert!(!hello.contains(behind), "{said}");
    }
    assert!(
        hello.contains("PIPELINING\nSIZE 30000000\nENHANCEDSTATUSCODES\n8BITMIME\nDSN\nSMTPUTF8\nCHUNKING"),
        "{said}"
    );
    e2e::until("five messages", || sending.postfix.delivered().len() == 5).unwrap();
    for message in sending.postfix.delivered() {
        assert!(message.contains("XCLIENT LOGIN=bob") && message.contains("\nend\n"), "{message}");
    }
    assert!(
        !sending.postfix.log().contains("bob@example.org, sasl")
            && !sending.postfix.log().contains("sasl_username=bob")
    );
}

#[test]
fn a_master_user_sends_for_who_signed_in() {
    let dovecot = e2e::Dovecot::start().unwrap();
    let postfix = Postfix::asking(&dovecot.sasl()).unwrap();
    let handover = "handover = { kind = \"master-user\", login = \"postern\", password_file = \"master.pw\" }";
    let site = Site::new(dovecot.port, 9, "").unwrap().with_submission(postfix.port, handover).unwrap();
    site.account(ALICE).unwrap();
    let (_, secret) = site.app_password(ALICE, "mail:send", &[]).unwrap();
    let sending = Sending { postern: site.serve().unwrap(), postfix, secret };
    sending.python(
        "s.login(alice, secret)\n\
         s.sendmail('alice@example.org', ['bob@example.org'], 'Subject: for alice\\r\\n\\r\\nHello.\\r\\n')\n\
         s.quit()\n",
    );
    sending.postfix.delivers("Subject: for alice").unwrap();
    let log = sending.postfix.log();
    assert!(log.contains("sasl_method=PLAIN, sasl_username=alice@example.org"), "{log}");
}

#[test]
fn the_sender_is_one_of_the_accounts_addresses_where_that_is_asked() {
    let sending = Sending::start("own_addresses = true");
    let said = sending.python(
        "s.login(alice, secret)\n\
         for sender in ['bob@example.org', 'alice@example.org', 'Alice+lists@Example.org', '']:\n\
         \tprint(s.mail(sender)[0]); s.rset()\n",
    );
    assert_eq!(said.split_whitespace().collect::<Vec<_>>(), ["553", "250", "250", "250"]);
}

#[test]
fn what_is_refused_and_what_is_out() {
    let sending = Sending::start("");
    let said = sending.python(
        "print(*s.docmd('MAIL FROM:<alice@example.org>'))\n\
         s.ehlo()\n\
         try: s.login(alice, 'wrong')\n\
         except smtplib.SMTPAuthenticationError as e: print(e)\n",
    );
    assert!(said.contains("530") && said.contains("535"), "{said}");
    let url = format!("https://localhost:{}", sending.postern.portal);
    assert!(said.contains(&format!("5.7.8 Use an app password, not your account password: {url}")), "{said}");

    // Known by now is what Postfix can do; that it is gone shows at the handover.
    let Sending { postern, postfix, secret } = sending;
    let port = postfix.port;
    drop(postfix);
    let script = format!(
        "import smtplib, ssl\n\
         trust = ssl.create_default_context(cafile={:?})\n\
         s = smtplib.SMTP_SSL('localhost', {}, context=trust)\n\
         s.ehlo()\n\
         print(*s.docmd('AUTH', 'PLAIN ' + __import__('base64').b64encode(b'\\0alice\\0{secret}').decode()))\n",
        postern.ca(),
        postern.submission
    );
    let (_, said) = run(Command::new("python3").args(["-c", &script])).unwrap();
    assert!(said.starts_with("421"), "{said}");
    assert!(postern.said().contains(&format!("127.0.0.1:{port}")), "{}", postern.said());
}

#[test]
fn a_revoked_password_sends_no_more() {
    let sending = Sending::start("");
    let (id, secret) = sending.postern.app_password(ALICE, "mail:send", &[]).unwrap();
    let revoke = format!(
        "import subprocess\n\
         s.login(alice, {secret:?})\n\
         s.mail('alice@example.org'); s.rcpt('bob@example.org'); s.docmd('DATA')\n\
         s.send(b'Subject: cut\\r\\n\\r\\n')\n\
         subprocess.run([{:?}, 'app-password', 'revoke', {id:?}, '--config', {:?}], check=True, stdout=subprocess.DEVNULL)\n\
         try:\n\
         \ts.send(b'more\\r\\n.\\r\\n'); print(*s.getreply())\n\
         except (smtplib.SMTPServerDisconnected, OSError) as e: print('gone', e)\n",
        e2e::binary().unwrap(),
        sending.postern.config()
    );
    let said = sending.python(&revoke);
    assert!(said.starts_with("421") || said.starts_with("gone"), "{said}");
    assert!(sending.postfix.delivered().is_empty());
}

#[test]
fn nothing_said_before_tls_is_obeyed_inside_it() {
    let sending = Sending::start("");
    let script = format!(
        "import socket\n\
         s = socket.create_connection(('localhost', {})); f = s.makefile('rb')\n\
         f.readline(); s.sendall(b'EHLO x\\r\\n')\n\
         while f.readline()[3:4] != b' ': pass\n\
         s.sendall(b'AUTH PLAIN AGFsaWNlAHNlc2FtZQ==\\r\\n'); print(f.readline().decode(), end='')\n\
         s.sendall(b'STARTTLS\\r\\nMAIL FROM:<alice@example.org>\\r\\n')\n\
         print(f.read().decode(), end='')\n",
        sending.postern.submission_starttls
    );
    let (_, said) = run(Command::new("python3").args(["-c", &script])).unwrap();
    assert_eq!(said.lines().map(|line| &line[..3]).collect::<Vec<_>>(), ["538", "421"], "{said}");
}
