//! Apps that fetch all there is, unattended.

use std::process::Command;

use super::apps::Visit;

pub(super) fn mbsync(visit: &Visit<'_>) -> Command {
    let mail = visit.home.join("mail").display().to_string();
    std::fs::create_dir(&mail).unwrap();
    let config = format!(
        "IMAPAccount a\nHost localhost\nPort {}\nUser alice\nPass {}\nSSLType {}\nCertificateFile {}\n\n\
         IMAPStore far\nAccount a\n\nMaildirStore near\nPath {mail}/\nInbox {mail}/INBOX\n\n\
         Channel c\nFar :far:\nNear :near:\nPatterns *\nCreate Near\nSyncState *\n",
        visit.port,
        visit.secret,
        visit.tls("IMAPS", "STARTTLS"),
        visit.ca(),
    );
    let mut mbsync = Command::new("mbsync");
    mbsync.arg("--config").arg(visit.write("mbsyncrc", &config)).arg("--all");
    mbsync
}

pub(super) fn offlineimap(visit: &Visit<'_>) -> Command {
    let config = format!(
        "[general]\naccounts = a\nmetadata = {home}/metadata\n[Account a]\nlocalrepository = l\nremoterepository = r\n\
         [Repository l]\ntype = Maildir\nlocalfolders = {home}/mail\n\
         [Repository r]\ntype = IMAP\nremotehost = localhost\nremoteport = {}\nssl = {}\nstarttls = yes\n\
         remoteuser = alice\nremotepass = {}\nsslcacertfile = {}\n",
        visit.port,
        visit.tls("yes", "no"),
        visit.secret,
        visit.ca(),
        home = visit.home.display(),
    );
    let mut offlineimap = Command::new("offlineimap");
    offlineimap.arg("-c").arg(visit.write("offlineimaprc", &config)).args(["-o", "-u", "basic"]);
    offlineimap
}

pub(super) fn fetchmail(visit: &Visit<'_>) -> Command {
    let config = format!(
        "poll localhost protocol imap port {} user alice password {:?} {} sslcertck sslcertfile {:?} fetchall keep\n\
         mda \"cat >> {}\"\n",
        visit.port,
        visit.secret,
        visit.tls("ssl", "sslproto \"TLS1.2+\""),
        visit.ca(),
        visit.home.join("got").display(),
    );
    let mut fetchmail = Command::new("fetchmail");
    fetchmail.arg("--fetchmailrc").arg(visit.write("fetchmailrc", &config)).arg("--nodetach").arg("--verbose");
    // Root has one for the whole machine.
    fetchmail.arg("--pidfile").arg(visit.home.join("pid"));
    fetchmail
}

pub(super) fn getmail(visit: &Visit<'_>) -> Command {
    let config = format!(
        "[retriever]\ntype = SimpleIMAPSSLRetriever\nserver = localhost\nport = {}\nusername = alice\npassword = {}\n\
         mailboxes = (\"INBOX\",)\nca_certs = {}\n[destination]\ntype = MDA_external\npath = /usr/bin/dd\narguments = (\"status=none\", \"of={}\")\n\
         allow_root_commands = true\n[options]\nread_all = true\n",
        visit.port,
        visit.secret,
        visit.ca(),
        visit.home.join("got").display(),
    );
    let mut getmail = Command::new("getmail");
    getmail.arg("--rcfile").arg(visit.write("getmailrc", &config));
    getmail.arg(format!("--getmaildir={}", visit.home.display()));
    getmail
}
