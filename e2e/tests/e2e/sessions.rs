//! As many sessions as one password may have, and one more, by protocols in which
//! each is a connection to a real server behind.

use std::process::Command;

use e2e::{Dovecot, Postfix, Site, run};

const ALICE: &str = "alice@example.org";

/// Opens 64 sessions and tries another; ends one and tries again. The clients come
/// from an address each: Dovecot takes ten from one.
const CLIENTS: &str = r#"
import base64, socket, ssl, sys
protocol, port, ca, secret = sys.argv[1:]
trust = ssl.create_default_context(cafile=ca)
plain = base64.b64encode(b'\0alice\0' + secret.encode()).decode()
begin = {'pop3': [], 'sieve': [], 'submission': ['EHLO laptop.example']}[protocol]
sign_in = {'pop3': 'AUTH PLAIN ' + plain, 'sieve': f'AUTHENTICATE "PLAIN" "{plain}"',
           'submission': 'AUTH PLAIN ' + plain}[protocol]

def answer(f):
    while True:
        line = f.readline()
        if not (line.startswith('"') or line[3:4] == '-'):
            return line.strip()

def client(i):
    s = socket.create_connection(('127.0.0.1', int(port)), source_address=(f'127.0.1.{i}', 0))
    f = trust.wrap_socket(s, server_hostname='localhost').makefile('rw', newline='')
    answer(f)
    for line in begin + [sign_in]:
        f.write(line + '\r\n'); f.flush()
        told = answer(f)
    return s, f, told

there = [client(i) for i in range(1, 65)]
print(*{told.split()[0] for _, _, told in there})
s, f, told = client(65)
print(told)
print(repr(f.readline()))
_, f, _ = there.pop()
f.write({'sieve': 'LOGOUT'}.get(protocol, 'QUIT') + '\r\n'); f.flush()
while f.readline(): pass
print(client(66)[2].split()[0])
for _, f, _ in there:
    f.write({'sieve': 'LOGOUT'}.get(protocol, 'QUIT') + '\r\n'); f.flush()
"#;

#[test]
fn the_65th_session_is_told_to_try_later_at_every_door_for_mail() {
    let (dovecot, postfix) = (Dovecot::start().unwrap(), Postfix::start().unwrap());
    let mailboxes = dovecot.mailboxes().unwrap();
    let site = Site::new(dovecot.port, 9, &mailboxes.config).unwrap();
    let site = site.with_submission(postfix.port, "handover = { kind = \"xclient\" }").unwrap();
    let postern = site.serve().unwrap();
    postern.account(ALICE).unwrap();
    let later = "Too many connections with this password, close some or try again later.";
    for (protocol, scope, port, admitted, told) in [
        ("pop3", "mail", mailboxes.pop3, "+OK", format!("-ERR [SYS/TEMP] {later}")),
        ("sieve", "mail", mailboxes.sieve, "OK", format!("BYE (TRYLATER) \"{later}\"")),
        ("submission", "mail:send", postern.submission, "235", format!("421 4.3.2 {later}")),
    ] {
        let (id, secret) = postern.app_password(ALICE, scope, &[]).unwrap();
        let mut clients = Command::new("python3");
        clients.args(["-c", CLIENTS, protocol, &port.to_string()]).arg(postern.ca()).arg(&secret);
        let (status, said) = run(&mut clients).unwrap();
        let logs = || format!("{}\n{}\n{}", postern.said(), dovecot.log(), postfix.log());
        assert_eq!(status, Some(0), "{protocol}: {said}\n{}", logs());
        // The connection ends after it, and a place that is given up is free.
        assert_eq!(said.lines().collect::<Vec<_>>(), [admitted, &told, "''", admitted], "{protocol}\n{}", logs());
        // It is no fault of the password's.
        let shown = postern.cli(&["app-password", "show", &id, "--json"], "").unwrap().json();
        assert_eq!(shown["state"], "active", "{shown}");
    }
}
