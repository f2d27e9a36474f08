//! The measurement.

use std::collections::BTreeMap;

use fingerprint::{Compared, Protocol, Signature, Why};

use crate::{
    capture::{Capture, product},
    lock::Password,
    seen,
};

/// Clients that were not looked at while the rule was made; chosen beforehand.
pub(crate) const HELD_OUT: [&str; 6] = ["alpine", "davfs2", "imapflow", "nodemailer", "swaks", "vdirsyncer"];

/// One connection, and what was seen of it.
pub(crate) struct Connection {
    pub(crate) capture: Capture,
    pub(crate) signatures: Vec<Signature>,
}

impl Connection {
    pub(crate) fn all(captures: Vec<Capture>) -> Vec<Self> {
        captures.into_iter().map(|capture| Self { signatures: seen::signatures(&capture), capture }).collect()
    }

    fn is(&self, client: &str, protocol: Protocol) -> bool {
        self.capture.client == client && self.capture.protocol() == protocol && self.signs_in()
    }

    /// It gets as far as being judged: its password was right, and it showed itself.
    fn signs_in(&self) -> bool {
        self.capture.variant != "badpw" && !self.signatures.is_empty()
    }

    fn is_plain(&self) -> bool {
        self.capture.variant.is_empty()
    }

    /// One of its requests gets through at least: what a stranger must not.
    fn gets_in(&self, password: &Password) -> bool {
        self.signatures.iter().any(|seen| !matches!(password.judge(seen), Compared::Other(_)))
    }

    fn is_admitted(&self, password: &mut Password) -> bool {
        self.signatures.iter().all(|seen| !matches!(password.signs_in(seen), Compared::Other(_)))
    }
}

/// So many of so many, and the names of the others.
#[derive(Default)]
pub(crate) struct Count {
    pub(crate) admitted: usize,
    pub(crate) of: usize,
    pub(crate) refused: Vec<String>,
}

impl Count {
    fn add(&mut self, admitted: bool, name: impl Into<String>) {
        self.of += 1;
        if admitted {
            self.admitted += 1;
        } else {
            self.refused.push(name.into());
        }
    }
}

/// Ordered pairs of different apps, and those in which the second was let in.
#[derive(Default)]
pub(crate) struct Pairs {
    pub(crate) of: usize,
    pub(crate) let_in: Vec<(String, String)>,
}

impl Pairs {
    fn add(&mut self, let_in: bool, owner: &str, other: &str) {
        self.of += 1;
        if let_in {
            self.let_in.push((owner.to_owned(), other.to_owned()));
        }
    }

    pub(crate) fn part(&self, held_out: bool) -> usize {
        let is_held_out = |client: &str| HELD_OUT.contains(&product(client));
        self.let_in.iter().filter(|(owner, other)| (is_held_out(owner) || is_held_out(other)) == held_out).count()
    }
}

/// All that is counted for one protocol.
#[derive(Default)]
pub(crate) struct Row {
    pub(crate) clients: Vec<String>,
    /// What each client did in its first run, one connection after the other.
    pub(crate) enrolment: Count,
    pub(crate) second_run: Count,
    pub(crate) other_transport: Count,
    pub(crate) resumed: Count,
    /// A greeting without CAPABILITY, which our doors do not give.
    pub(crate) other_greeting: Count,
    /// `(owner, other version, what the comparison said)`, for each pair.
    pub(crate) versions: Vec<(String, String, Result<(), String>)>,
    pub(crate) strangers: Pairs,
    /// If what a client does first were not looked at: what that is worth.
    pub(crate) strangers_but_for_opening: Pairs,
    pub(crate) signatures: usize,
}

pub(crate) struct Measured {
    pub(crate) rows: BTreeMap<&'static str, Row>,
    /// Submission, of those whose app is known from IMAP or HTTP as well.
    pub(crate) tied_strangers: Pairs,
    /// The same, at the first use of the door: only a tie can speak against them.
    pub(crate) first_use_strangers: Pairs,
    pub(crate) first_use: Count,
}

pub(crate) fn measure(connections: &[Connection]) -> Measured {
    let mut rows = BTreeMap::new();
    for protocol in [Protocol::Imap, Protocol::Submission, Protocol::Http] {
        rows.insert(protocol.name(), row(connections, protocol));
    }
    let mut measured = Measured {
        rows,
        tied_strangers: Pairs::default(),
        first_use_strangers: Pairs::default(),
        first_use: Count::default(),
    };
    measured.ties(connections);
    measured
}

/// The clients of a protocol whose first run can be enrolled.
fn clients(connections: &[Connection], protocol: Protocol) -> Vec<String> {
    let mut clients: Vec<String> = connections
        .iter()
        .filter(|connection| {
            connection.capture.protocol() == protocol && connection.signs_in() && connection.is_plain()
        })
        .map(|connection| connection.capture.client.clone())
        .collect();
    clients.sort();
    clients.dedup();
    clients
}

/// A password made for this client, used by it in its first run as far as `which` says.
fn enrolled<'a>(
    connections: &'a [Connection],
    client: &str,
    protocol: Protocol,
    which: impl Fn(&Capture) -> bool,
) -> (Password, Vec<(&'a Connection, bool)>) {
    let of_client: Vec<_> =
        connections.iter().filter(|connection| connection.is(client, protocol) && connection.is_plain()).collect();
    let first_run = of_client.iter().map(|connection| connection.capture.run).min();
    let mut password = Password::default();
    let mut used = Vec::new();
    for connection in of_client {
        if Some(connection.capture.run) == first_run && which(&connection.capture) {
            used.push((connection, connection.is_admitted(&mut password)));
        }
    }
    (password, used)
}

fn row(connections: &[Connection], protocol: Protocol) -> Row {
    let clients = clients(connections, protocol);
    let mut row = Row::default();
    for client in &clients {
        let (password, used) = enrolled(connections, client, protocol, |_| true);
        let first_run = used.first().map(|(connection, _)| connection.capture.run);
        for (connection, admitted) in &used {
            row.enrolment.add(*admitted, &connection.capture.name);
        }
        row.signatures = row.signatures.max(password.pins().len());
        for connection in connections.iter().filter(|connection| connection.is(client, protocol)) {
            let capture = &connection.capture;
            // Each later use finds what the first run left, on the same transport alone.
            let (on_this, used) = enrolled(connections, client, protocol, |other| other.service == capture.service);
            if connection.is_plain() && Some(capture.run) != first_run && !used.is_empty() {
                row.second_run.add(connection.is_admitted(&mut on_this.clone()), &capture.name);
            }
            let (on_other, used) = enrolled(connections, client, protocol, |other| other.service != capture.service);
            if connection.is_plain() && !used.is_empty() {
                row.other_transport.add(connection.is_admitted(&mut on_other.clone()), &capture.name);
            }
            let (whole, used) = enrolled(connections, client, protocol, |other| !other.resumed);
            if connection.is_plain() && capture.resumed && !used.is_empty() {
                row.resumed.add(connection.is_admitted(&mut whole.clone()), &capture.name);
            }
            if !connection.is_plain() {
                row.other_greeting.add(connection.is_admitted(&mut password.clone()), &capture.name);
            }
        }
        for other in clients.iter().filter(|other| *other != client) {
            let tries: Vec<_> = connections.iter().filter(|connection| connection.is(other, protocol)).collect();
            if product(client) == product(other) {
                row.versions.push((client.clone(), other.clone(), other_version(&password, &tries)));
            } else {
                let let_in = tries.iter().any(|connection| connection.gets_in(&password));
                row.strangers.add(let_in, client, other);
                let all_but_that =
                    |seen: &Signature| !matches!(password.judge(seen), Compared::Other(why) if why != Why::Opening);
                let let_in = tries.iter().any(|connection| connection.signatures.iter().any(all_but_that));
                row.strangers_but_for_opening.add(let_in, client, other);
            }
        }
    }
    row.clients = clients;
    row
}

/// After an update, all that the new version does has to be admitted.
fn other_version(password: &Password, tries: &[&Connection]) -> Result<(), String> {
    let mut password = password.clone();
    for connection in tries.iter().filter(|connection| connection.is_plain()) {
        for seen in &connection.signatures {
            if let Compared::Other(why) = password.signs_in(seen) {
                return Err(format!("{why:?}: {seen}"));
            }
        }
    }
    Ok(())
}

impl Measured {
    fn ties(&mut self, connections: &[Connection]) {
        let clients = clients(connections, Protocol::Submission);
        for client in &clients {
            let mut known = Password::default();
            for protocol in [Protocol::Imap, Protocol::Http] {
                for (connection, _) in enrolled(connections, client, protocol, |_| true).1 {
                    connection.is_admitted(&mut known);
                }
            }
            if known.pins().is_empty() {
                continue;
            }
            let mut all = known.clone();
            for (connection, _) in enrolled(connections, client, Protocol::Submission, |_| true).1 {
                let tied = connection.signatures.iter().all(|seen| known.is_tied(seen));
                self.first_use.add(tied, &connection.capture.name);
                connection.is_admitted(&mut all);
            }
            for other in clients.iter().filter(|other| product(other) != product(client)) {
                let tries = || connections.iter().filter(|connection| connection.is(other, Protocol::Submission));
                let tied = |connection: &Connection| connection.signatures.iter().any(|seen| all.is_tied(seen));
                let let_in = tries().any(|connection| tied(connection) && connection.gets_in(&all));
                self.tied_strangers.add(let_in, client, other);
                let first = tries().any(|connection| connection.signatures.iter().any(|seen| known.is_tied(seen)));
                self.first_use_strangers.add(first, client, other);
            }
        }
    }
}
