//! A site at which one app at a time comes in, so that the doors' own counts tell what
//! became of it.

use std::{
    collections::HashMap,
    fmt,
    io::{Write, copy},
    net::{Shutdown, TcpListener, TcpStream},
    path::Path,
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    thread,
};

use e2e::{Dovecot, Postern, Postfix, Radicale, Site, free_port, run};
use serde_json::Value;

use super::apps::{ALICE, App, IN_THE_CALENDAR, IN_THE_INBOX, Tls, Use, Visit};
use crate::thunderbird::fill;

use super::by_hand::{password, pins, show};

const HOME: [&str; 3] = ["imap", "submission", "dav"];
/// Doors to which each comes from a network that nobody has come from.
const ELSEWHERE: [&str; 3] = ["imap-elsewhere", "submission-elsewhere", "dav-elsewhere"];

pub(super) struct World {
    pub(super) postern: Postern,
    postfix: Postfix,
    dovecot: Option<Dovecot>,
    _radicale: Radicale,
    monitor: u16,
    /// By door, in TLS from the first byte and with STARTTLS.
    elsewhere: [[u16; 2]; 3],
    /// So many so far.
    visits: Arc<AtomicU32>,
}

/// An app password.
pub(super) struct Made {
    id: String,
    pub(super) secret: String,
}

/// Where an app connects to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum At {
    /// In the network that all others come from.
    Home(Use, Tls),
    /// From another network.
    Elsewhere(Use, Tls),
    /// In TLS, by a port that leads to the door.
    By(Use, u16),
}

impl At {
    fn to(self) -> Use {
        match self {
            Self::Home(to, _) | Self::Elsewhere(to, _) | Self::By(to, _) => to,
        }
    }
}

/// What became of a visit: by the door's own count, and by what the app had of it.
pub(super) struct Visited {
    admitted: u64,
    as_another: u64,
    /// It has read the message, or the one that it sent is there.
    has_it: bool,
    said: String,
}

impl Visited {
    /// In, and everything it did was let in.
    pub(super) fn is_at_home(&self) -> bool {
        self.admitted > 0 && self.as_another == 0 && self.has_it
    }

    /// Something of it was let in; `None` if it was neither let in nor refused as
    /// another app: then it has not been driven as it should.
    pub(super) fn was_let_in(&self) -> Option<bool> {
        match (self.admitted > 0 || self.has_it, self.as_another > 0) {
            (false, false) => None,
            (let_in, _) => Some(let_in),
        }
    }
}

impl fmt::Display for Visited {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { admitted, as_another, has_it, said } = self;
        write!(f, "admitted {admitted}, refused as another app {as_another}, has it: {has_it}; it said:\n{said}")
    }
}

impl World {
    pub(super) fn start() -> Self {
        let (dovecot, postfix, radicale) =
            (Dovecot::start().unwrap(), Postfix::start().unwrap(), Radicale::start().unwrap());
        let (monitor, visits) = (free_port().unwrap(), Arc::new(AtomicU32::new(0)));
        let mut more = format!("[monitor]\nlisten = [\"127.0.0.1:{monitor}\"]\n[app_passwords]\nlimit = 400\n");
        let behind = [
            ("imap", "imap", dovecot.port, "\"master-user\", login = \"postern\", password_file = \"master.pw\" }"),
            ("submission", "smtp", postfix.port, "\"xclient\" }"),
            (
                "http",
                "http",
                radicale.port,
                "\"header\", user = \"X-Remote-User\" }\ndata = [\"calendars\", \"contacts\"]",
            ),
        ];
        let elsewhere = behind.into_iter().zip(ELSEWHERE).map(|((service, scheme, port, handover), name)| {
            let [tls, starttls] = [(); 2].map(|()| free_port().unwrap());
            let both = if service == "http" { String::new() } else { format!("listen_starttls = [\"127.0.0.1:{starttls}\"]\n") };
            more += &format!(
                "[[gateway]]\nservice = \"{service}\"\nname = \"{name}\"\nlisten = [\"127.0.0.1:{tls}\"]\n{both}\
                 proxy_protocol_from = [\"127.0.0.1\"]\nupstream = \"{scheme}://127.0.0.1:{port}\"\nhandover = {{ kind = {handover}\n"
            );
            [tls, starttls].map(|port| from_elsewhere_to(port, &visits))
        });
        let elsewhere = elsewhere.collect::<Vec<_>>().try_into().unwrap();
        let site = Site::new(dovecot.port, radicale.port, &more).unwrap();
        let site = site.with_submission(postfix.port, "handover = { kind = \"xclient\" }").unwrap();
        site.account(ALICE).unwrap();
        dovecot.deliver(ALICE, IN_THE_INBOX).unwrap();
        let postern = site.serve().unwrap();
        let (_, any_app) = postern.app_password(ALICE, "calendars,contacts", &[]).unwrap();
        fill(&postern, &any_app);
        Self { postern, postfix, dovecot: Some(dovecot), _radicale: radicale, monitor, elsewhere, visits }
    }

    /// Has another Dovecot in its place, which says that it can do this.
    pub(super) fn has_dovecot_upgraded(&mut self, capabilities: &str) {
        let port = self.dovecot.take().unwrap().port;
        let dovecot = Dovecot::start_saying_on(port, capabilities).unwrap();
        dovecot.deliver(ALICE, IN_THE_INBOX).unwrap();
        self.dovecot = Some(dovecot);
    }

    pub(super) fn password(&self, made_for: &str) -> Made {
        let (id, secret) = password(&self.postern, made_for);
        Made { id, secret }
    }

    pub(super) fn show(&self, password: &Made) -> Value {
        show(&self.postern, &password.id)
    }

    /// The signatures that a password is locked to.
    pub(super) fn pins(&self, password: &Made) -> Vec<String> {
        pins(&self.postern, &password.id)
    }

    /// How often each outcome has been, at this door.
    fn counts(&self, door: &str) -> HashMap<String, u64> {
        let mut curl = Command::new("curl");
        curl.args(["--silent", "--show-error"]).arg(format!("http://127.0.0.1:{}/metrics", self.monitor));
        let (_, text) = run(&mut curl).unwrap();
        let begin = format!("postern_sign_ins_total{{door=\"{door}\",");
        let series = text.lines().filter_map(|line| line.strip_prefix(&begin)?.split_once("} "));
        series.map(|(outcome, count)| (outcome.to_owned(), count.parse().unwrap())).collect()
    }

    /// Has an app use a password once, in a new home. One that has never come to the door
    /// is sent again: OfflineIMAP's STARTTLS hangs at times, at Dovecot's own port too, and
    /// programs with a display do not always find it.
    pub(super) fn visit(&self, app: &App, at: At, password: &Made, node: Option<&Path>) -> Visited {
        for _ in 0..2 {
            let visited = self.visit_once(app, at, password, node);
            if visited.was_let_in().is_some() {
                return visited;
            }
            eprintln!("{} {at:?} has not come: {visited}", app.name);
        }
        self.visit_once(app, at, password, node)
    }

    fn visit_once(&self, app: &App, at: At, password: &Made, node: Option<&Path>) -> Visited {
        let home = tempfile::Builder::new().prefix("postern-app-").tempdir().unwrap();
        let subject = format!("Message {} by {}", self.visits.fetch_add(1, Ordering::Relaxed), app.name);
        let postern = &self.postern;
        let of = |to: Use| Use::ALL.iter().position(|one| *one == to).unwrap();
        let way = |tls: Tls| usize::from(tls == Tls::Starttls);
        let at_home = [
            [postern.imap, postern.imap_starttls],
            [postern.submission, postern.submission_starttls],
            [postern.dav; 2],
        ];
        let (door, port, tls) = match at {
            At::Home(to, tls) => (HOME[of(to)], at_home[of(to)][way(tls)], tls),
            At::Elsewhere(to, tls) => (ELSEWHERE[of(to)], self.elsewhere[of(to)][way(tls)], tls),
            At::By(to, port) => (HOME[of(to)], port, Tls::Implicit),
        };
        let (site, home, secret, subject) = (postern, home.path(), &password.secret, &subject);
        let visit = Visit { site, home, node, secret, tls, subject, door, port };
        let before = self.counts(door);
        let said = visit.run(app.how(at.to()).unwrap()).unwrap();
        let after = self.counts(door);
        let new = |outcome: &str| after[outcome] - before.get(outcome).copied().unwrap_or(0);
        let admitted = new("outcome=\"admitted\",reason=\"\"");
        let has_it = match at.to() {
            Use::Reading => said.contains(IN_THE_INBOX) || holds(home, IN_THE_INBOX),
            Use::Calendars => said.contains(IN_THE_CALENDAR) || holds(home, IN_THE_CALENDAR),
            Use::Sending => admitted > 0 && self.postfix.delivers(&format!("Subject: {subject}")).is_ok(),
        };
        Visited { admitted, as_another: new("outcome=\"refused\",reason=\"other-app\""), has_it, said }
    }
}

/// True if a file below has these words in it.
fn holds(folder: &Path, words: &str) -> bool {
    let (status, _) = run(Command::new("grep").args(["-rqF", words]).arg(folder)).unwrap();
    status == Some(0)
}

/// A port that leads to this one, with an address in front that is another for each visit.
fn from_elsewhere_to(port: u16, visits: &Arc<AtomicU32>) -> u16 {
    let visits = Arc::clone(visits);
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let here = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        for mut client in listener.incoming().map_while(Result::ok) {
            let begun = TcpStream::connect(("127.0.0.1", port)).and_then(|mut door| {
                let [.., third, fourth] = visits.load(Ordering::Relaxed).to_be_bytes();
                write!(door, "PROXY TCP4 10.{third}.{fourth}.7 192.0.2.1 40000 443\r\n")?;
                Ok((client.try_clone()?, door.try_clone()?, door))
            });
            let Ok((mut from_client, mut from_door, mut door)) = begun else { continue };
            thread::spawn(move || {
                let _ = copy(&mut from_client, &mut door);
                let _ = door.shutdown(Shutdown::Write);
            });
            thread::spawn(move || {
                let _ = copy(&mut from_door, &mut client);
                let _ = client.shutdown(Shutdown::Write);
            });
        }
    });
    here
}
