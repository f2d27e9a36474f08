//! Apps that send a message.

use std::process::Command;

use serde_json::json;

use super::{
    apps::{ALICE, Visit},
    readers::node,
};

pub(super) fn curl(visit: &Visit<'_>) -> Command {
    let mut curl = Command::new("curl");
    curl.args(["--silent", "--show-error", "--ssl-reqd", "--cacert", &visit.ca()]);
    curl.args(["--user", &format!("{ALICE}:{}", visit.secret), "--mail-from", ALICE, "--mail-rcpt", "bob@example.org"]);
    curl.arg("--upload-file").arg(visit.message());
    curl.arg(format!("{}://localhost:{}", visit.tls("smtps", "smtp"), visit.port));
    curl
}

pub(super) fn python(visit: &Visit<'_>) -> Command {
    let script = format!(
        "import smtplib, ssl\nfrom email.message import EmailMessage\n\
         trust = ssl.create_default_context(cafile={:?})\n\
         {}\n\
         m = EmailMessage()\nm['Subject'] = {:?}\nm['From'] = {ALICE:?}\nm['To'] = 'bob@example.org'\n\
         m.set_content('Hello.')\ns.login('alice', {:?})\ns.send_message(m)\ns.quit()\n",
        visit.ca(),
        visit.tls(
            &format!("s = smtplib.SMTP_SSL('localhost', {}, context=trust)", visit.port),
            &format!("s = smtplib.SMTP('localhost', {})\ns.starttls(context=trust)", visit.port),
        ),
        visit.subject,
        visit.secret,
    );
    let mut python = Command::new("python3");
    python.args(["-c", &script]);
    python
}

pub(super) fn mutt(visit: &Visit<'_>) -> Command {
    mutts("mutt", visit)
}

pub(super) fn neomutt(visit: &Visit<'_>) -> Command {
    mutts("neomutt", visit)
}

fn mutts(program: &str, visit: &Visit<'_>) -> Command {
    let config = format!(
        "set smtp_url=\"{}://alice@localhost:{}/\"\nset smtp_pass=\"{}\"\nset from={ALICE}\nset use_from=yes\nset copy=no\n\
         set ssl_force_tls=yes\nset ssl_starttls=yes\nset ssl_ca_certificates_file={ca}\nset certificate_file={ca}\n",
        visit.tls("smtps", "smtp"),
        visit.port,
        visit.secret,
        ca = visit.ca(),
    );
    let config = visit.write("muttrc", &config);
    let subject = visit.subject;
    visit.shell(&format!("echo Hello. | {program} -n -F {} -s '{subject}' bob@example.org", config.display()))
}

pub(super) fn msmtp(visit: &Visit<'_>) -> Command {
    let config = format!(
        "account default\nhost localhost\nport {}\ntls on\ntls_starttls {}\ntls_trust_file {}\nauth on\nuser alice\n\
         password {}\nfrom {ALICE}\n",
        visit.port,
        visit.tls("off", "on"),
        visit.ca(),
        visit.secret,
    );
    let (config, message) = (visit.write("msmtprc", &config), visit.message());
    visit.shell(&format!("msmtp -C {} bob@example.org < {}", config.display(), message.display()))
}

pub(super) fn swaks(visit: &Visit<'_>) -> Command {
    let mut swaks = Command::new("swaks");
    swaks.args(["--server", "localhost", "--port", &visit.port.to_string(), visit.tls("--tls-on-connect", "--tls")]);
    swaks.args(["--tls-verify", "--tls-ca-path", &visit.ca(), "--auth-user", "alice", "--auth-password", visit.secret]);
    swaks.args(["--from", ALICE, "--to", "bob@example.org", "--header", &format!("Subject: {}", visit.subject)]);
    swaks
}

pub(super) fn alpine(visit: &Visit<'_>) -> Command {
    let config = format!(
        "personal-name=Alice\nuser-domain=example.org\nlast-version-used=7.26\ninbox-path={home}/inbox\ndefault-fcc=\"\"\n\
         smtp-server=localhost:{}/{}/user=alice\nfeature-list=quell-user-lookup-in-passwd-file,quit-without-confirm\n",
        visit.port,
        visit.tls("ssl", "tls"),
        home = visit.home.display(),
    );
    let config = visit.write(".pinerc", &config).display().to_string();
    let password = format!("{}\r", visit.secret);
    let letter = format!("mailto:bob@example.org?subject={}", visit.subject.replace(' ', "%20"));
    let rules = json!([
        ["preserve password", "n", 1],
        ["exit this greeting", "e", 1],
        ["message text -----.*get help", "Hello.\u{18}", 1],
        ["send message\\?|send it\\?|Send\\?", "y", 1],
        ["enter password:", password, 1],
        ["message sent|sent and copied|mail not sent", null, 1],
        ["enter password:|login failed|app password|not sent", null, 1],
    ]);
    visit.at_a_terminal(&rules, &["alpine", "-p", &config, "-url", &letter])
}

pub(super) fn s_nail(visit: &Visit<'_>) -> Command {
    let config = format!(
        "set v15-compat=yes\nset tls-ca-file={} tls-verify=strict from={ALICE} smtp-auth=login\n\
         set mta={}://alice:{}@localhost:{} sendwait\nset {}\n",
        visit.ca(),
        visit.tls("smtps", "smtp"),
        visit.secret,
        visit.port,
        visit.tls("hold", "smtp-use-starttls"),
    );
    let config = visit.write("mailrc", &config);
    let mut s_nail = visit.shell(&format!("echo Hello. | s-nail -:u -s '{}' bob@example.org", visit.subject));
    s_nail.env("MAILRC", config);
    s_nail
}

pub(super) fn send_email(visit: &Visit<'_>) -> Command {
    let mut send_email = Command::new("sendemail");
    send_email.args(["-f", ALICE, "-t", "bob@example.org", "-u", visit.subject, "-m", "Hello."]);
    send_email.args(["-s", &format!("localhost:{}", visit.port), "-o", "tls=yes", "-xu", "alice", "-xp", visit.secret]);
    send_email
}

pub(super) fn git_send_email(visit: &Visit<'_>) -> Command {
    let patch = format!(
        "From 0000000000000000000000000000000000000001 Mon Sep 17 00:00:00 2001\nFrom: Alice <{ALICE}>\n\
         Date: Tue, 3 Mar 2026 14:05:00 +0000\nSubject: {}\n\nHello.\n",
        visit.subject
    );
    let patch = visit.write("0001.patch", &patch);
    let mut git = Command::new("git");
    git.args(["send-email", "--confirm=never", "--quiet", "--from", ALICE, "--to", "bob@example.org"]);
    git.args(["--smtp-server", "localhost", "--smtp-server-port", &visit.port.to_string(), "--smtp-user", "alice"]);
    git.args(["--smtp-pass", visit.secret, "--smtp-encryption", visit.tls("ssl", "tls"), "--smtp-ssl-cert-path"]);
    git.arg(visit.site.ca()).arg(patch).env("GIT_COMMITTER_NAME", "Alice").env("GIT_COMMITTER_EMAIL", ALICE);
    git.env("GIT_AUTHOR_NAME", "Alice").env("GIT_AUTHOR_EMAIL", ALICE);
    git
}

pub(super) fn nodemailer(visit: &Visit<'_>) -> Command {
    node(visit, "nodemailer.mjs")
}
