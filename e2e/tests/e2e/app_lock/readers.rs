//! Apps that look into the inbox.

use std::process::Command;

use serde_json::json;

use super::apps::{ALICE, IN_THE_INBOX, Visit};

pub(super) fn curl(visit: &Visit<'_>) -> Command {
    let mut curl = Command::new("curl");
    curl.args(["--silent", "--show-error", "--ssl-reqd", "--cacert", &visit.ca()]);
    curl.args(["--user", &format!("{ALICE}:{}", visit.secret)]);
    curl.arg(format!("{}://localhost:{}/INBOX;MAILINDEX=1", visit.tls("imaps", "imap"), visit.port));
    curl
}

pub(super) fn python(visit: &Visit<'_>) -> Command {
    let script = format!(
        "import imaplib, ssl\n\
         trust = ssl.create_default_context(cafile={:?})\n\
         {}\n\
         m.login({ALICE:?}, {:?})\nm.list()\nm.select()\nm.search(None, 'ALL')\n\
         print(m.fetch('1', '(BODY[HEADER.FIELDS (SUBJECT)])'))\nm.logout()\n",
        visit.ca(),
        visit.tls(
            &format!("m = imaplib.IMAP4_SSL('localhost', {}, ssl_context=trust)", visit.port),
            &format!("m = imaplib.IMAP4('localhost', {})\nm.starttls(trust)", visit.port),
        ),
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
        "set folder=\"{}://localhost:{}/\"\nset spoolfile=\"+INBOX\"\nset imap_user=\"alice\"\nset imap_pass=\"{}\"\n\
         set ssl_force_tls=yes\nset ssl_starttls=yes\nset ssl_ca_certificates_file={ca}\nset certificate_file={ca}\n\
         set header_cache=\"\"\nset quit=yes\n",
        visit.tls("imaps", "imap"),
        visit.port,
        visit.secret,
        ca = visit.ca(),
    );
    let config = visit.write("muttrc", &config).display().to_string();
    let rules = json!([[IN_THE_INBOX, "q", 1], ["failed|password for", null, 1]]);
    visit.at_a_terminal(&rules, &[program, "-n", "-F", &config])
}

pub(super) fn alpine(visit: &Visit<'_>) -> Command {
    let config = format!(
        "personal-name=Alice\nuser-domain=example.org\nlast-version-used=7.26\n\
         inbox-path={{localhost:{}/{}/user=alice}}INBOX\nfeature-list=quell-user-lookup-in-passwd-file,quit-without-confirm\n",
        visit.port,
        visit.tls("ssl", "tls"),
    );
    let config = visit.write(".pinerc", &config).display().to_string();
    let password = format!("{}\r", visit.secret);
    let rules = json!([
        [IN_THE_INBOX, "q", 1],
        ["preserve password", "n", 1],
        ["exit this greeting", "e", 1],
        ["enter password:", password, 1],
        ["enter password:|login failed|app password", null, 1],
    ]);
    visit.at_a_terminal(&rules, &["alpine", "-p", &config, "-i"])
}

pub(super) fn aerc(visit: &Visit<'_>) -> Command {
    let account = format!(
        "[alice]\nsource = {}://alice:{}@localhost:{}\nfrom = {ALICE}\ndefault = INBOX\n",
        visit.tls("imaps", "imap"),
        visit.secret,
        visit.port,
    );
    visit.write(".config/aerc/accounts.conf", &account);
    let rules = json!([[IN_THE_INBOX, ":quit -f\r", 1], ["app password|login failed|disconnected", null, 1]]);
    visit.at_a_terminal(&rules, &["aerc"])
}

pub(super) fn imapfilter(visit: &Visit<'_>) -> Command {
    let config = format!(
        "local a = IMAP {{ server = 'localhost', port = {}, username = 'alice', password = '{}'{} }}\n\
         for _, message in ipairs(a.INBOX:select_all()) do print(a.INBOX[message[2]]:fetch_field('Subject')) end\n",
        visit.port,
        visit.secret,
        visit.tls(", ssl = 'auto'", ""),
    );
    let file = visit.write(".imapfilter/config.lua", &config).display().to_string();
    let mut imapfilter = Command::new("imapfilter");
    imapfilter.args(["-c", &file, "-t", &visit.ca()]);
    imapfilter
}

pub(super) fn s_nail(visit: &Visit<'_>) -> Command {
    let config = format!(
        "set v15-compat=yes\nset tls-ca-file={} tls-verify=strict imap-use-starttls-localhost\nset {}\n",
        visit.ca(),
        visit.tls("imap-keepalive=0", "imap-use-starttls"),
    );
    let config = visit.write("mailrc", &config).display().to_string();
    let inbox = format!("{}://alice:{}@localhost:{}/INBOX", visit.tls("imaps", "imap"), visit.secret, visit.port);
    let mut s_nail = Command::new("s-nail");
    s_nail.args(["-:u", "-H", "-f", &inbox]).env("MAILRC", config);
    s_nail
}

pub(super) fn imapflow(visit: &Visit<'_>) -> Command {
    node(visit, "imapflow.mjs")
}

/// A script beside the packages of Node.
pub(super) fn node(visit: &Visit<'_>, script: &str) -> Command {
    let mut node = Command::new("node");
    node.arg(visit.node.unwrap().join(script)).env("NODE_EXTRA_CA_CERTS", visit.ca());
    node.env("PORT", visit.port.to_string()).env("STARTTLS", visit.tls("no", "yes"));
    node.env("LOGIN", ALICE).env("SECRET", visit.secret).env("SUBJECT", visit.subject);
    node
}
