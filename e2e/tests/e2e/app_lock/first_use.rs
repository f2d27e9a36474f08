//! The moment in which a password learns its app: nothing comes between, and nothing
//! that is not the app changes what it has learnt.

use std::{
    io::{Read, Write, copy},
    net::{Shutdown, TcpListener, TcpStream},
    sync::Barrier,
    thread,
    time::Duration,
};

use e2e::{Dovecot, Running, Site, until};
use rustix::process::Signal;
use tempfile::TempDir;

use super::{
    apps::{ALICE, APPS, App, Tls, Use},
    by_hand::{Lines, begin, comes_in, is_let_in, password, pins, show},
    square::node_packages,
    world::{At, Made, World},
};

const ONE: Lines<'_> = &["a1 LOGIN alice \"SECRET\"", "a2 NOOP", "a3 LIST \"\" \"*\""];
const OTHER: Lines<'_> = &["00000001 login \"alice\" \"SECRET\"", "00000002 noop", "00000003 SELECT INBOX"];

/// The tag of the last of them.
fn tag<'l>(lines: Lines<'l>) -> &'l str {
    lines.last().unwrap().split(' ').next().unwrap()
}

fn site(dovecot: u16) -> Site {
    let site = Site::new(dovecot, 9, "").unwrap();
    site.account(ALICE).unwrap();
    site
}

#[test]
fn of_two_first_uses_at_the_same_moment_one_is_learnt() {
    let dovecot = Dovecot::start().unwrap();
    let postern = site(dovecot.port).serve().unwrap();
    for round in 0..20 {
        let (id, secret) = password(&postern, "test");
        let together = Barrier::new(2);
        let comes = |lines: Lines<'_>| {
            let (last, before) = lines.split_last().unwrap();
            // Signed in, and yet to show itself.
            let mut imap = begin(postern.imap, &postern, &secret, before);
            assert!(is_let_in(&mut imap, tag(before)));
            together.wait();
            imap.send(last).unwrap();
            is_let_in(&mut imap, tag(lines))
        };
        let [one, other] = thread::scope(|scope| {
            [ONE, OTHER].map(|lines| scope.spawn(move || comes(lines))).map(|comes| comes.join().unwrap())
        });
        assert!(one != other, "round {round}: {one} {other}: {:#}", show(&postern, &id));
        assert_eq!(pins(&postern, &id).len(), 1, "round {round}: {:#}", show(&postern, &id));
        // The one that was learnt is the one that was let in.
        assert_eq!(comes_in(postern.imap, &postern, &secret, ONE), one, "round {round}");
        assert_eq!(comes_in(postern.imap, &postern, &secret, OTHER), other, "round {round}");
    }
}

/// When the server is killed, as seen by a client that comes for the first time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Killed {
    SignedIn,
    Shown,
    /// While it is written down.
    Writing,
    LetIn,
}

#[test]
fn killed_between_the_lesson_and_the_use_it_is_locked_or_unused() {
    let dovecot = Dovecot::start().unwrap();
    let site = site(dovecot.port);
    let serving = |log: &str| -> Running {
        let server = site.spawn(log).unwrap();
        until("the server to be ready", || server.said().contains("ready")).unwrap();
        server
    };
    let written = || std::fs::metadata(site.path("data/postern.db-wal")).map_or(0, |file| file.len());
    let moments = [Killed::SignedIn, Killed::Shown, Killed::Writing, Killed::LetIn];
    for (round, killed) in moments.into_iter().cycle().take(16).enumerate() {
        let mut server = serving(&format!("{round}.log"));
        let (id, secret) = password(&site, "test");
        let before = written();
        let lines = if killed == Killed::SignedIn { &ONE[..2] } else { ONE };
        let mut imap = begin(site.imap, &site, &secret, lines);
        match killed {
            Killed::SignedIn => assert!(is_let_in(&mut imap, tag(lines))),
            Killed::Shown => {}
            Killed::Writing => while written() == before {},
            Killed::LetIn => assert!(is_let_in(&mut imap, tag(lines))),
        }
        server.signal(Signal::KILL);
        server.wait();

        let mut server = serving(&format!("{round} again.log"));
        let shown = show(&site, &id);
        let is_locked = !pins(&site, &id).is_empty();
        assert_eq!(is_locked, !shown["first_used"].is_null(), "{killed:?}: {shown:#}");
        match killed {
            Killed::SignedIn => assert!(!is_locked, "{shown:#}"),
            Killed::LetIn => assert!(is_locked, "acknowledged and lost: {shown:#}"),
            Killed::Shown | Killed::Writing => {}
        }
        // Whoever comes now finds it locked to the one, or is the first.
        assert_eq!(comes_in(site.imap, &site, &secret, OTHER), !is_locked, "{killed:?}: {shown:#}");
        assert_eq!(comes_in(site.imap, &site, &secret, ONE), is_locked, "{killed:?}: {shown:#}");
        assert_eq!(site.cli(&["audit", "verify"], "").unwrap().status, Some(0));
        server.signal(Signal::TERM);
        server.wait();
    }
}

/// Apps with a password each that they have used.
struct Regulars {
    node: Option<TempDir>,
    passwords: Vec<(&'static App, Made)>,
}

impl Regulars {
    fn of(world: &World) -> Self {
        let full = std::env::var_os("POSTERN_FULL").is_some();
        let apps = APPS.iter().filter(|app| (full || app.always) && app.tls(Use::Reading).contains(&Tls::Implicit));
        let passwords = apps.map(|app| (app, world.password(app.made_for))).collect();
        let regulars = Self { node: full.then(node_packages), passwords };
        regulars.come(world, world.postern.imap, world.postern.submission);
        regulars
    }

    /// All of them come by these ports, and get what they want.
    fn come(&self, world: &World, imap: u16, submission: u16) {
        for (app, password) in &self.passwords {
            for (to, port) in [(Use::Reading, imap), (Use::Sending, submission)] {
                if app.how(to).is_some() {
                    let visited = world.visit(app, At::By(to, port), password, self.node.as_ref().map(TempDir::path));
                    let shown = world.show(password);
                    assert!(visited.is_at_home(), "{} {to:?}: {visited}\n{shown:#}", app.name);
                }
            }
        }
    }

    fn pins(&self, world: &World) -> Vec<Vec<String>> {
        self.passwords.iter().map(|(_, password)| world.pins(password)).collect()
    }
}

#[test]
fn an_upgrade_behind_us_changes_no_signature() {
    let mut world = World::start();
    let regulars = Regulars::of(&world);
    let before = regulars.pins(&world);
    world.has_dovecot_upgraded("+SPECIAL-USE UTF8=ACCEPT X-NEWER");
    regulars.come(&world, world.postern.imap, world.postern.submission);
    assert_eq!(regulars.pins(&world), before);

    // One that can do next to nothing: who asks for folders in another way then is known
    // by its name, and nobody is refused.
    world.has_dovecot_upgraded("IMAP4rev1 ID IDLE UIDPLUS");
    regulars.come(&world, world.postern.imap, world.postern.submission);
    for ((app, _), (before, now)) in regulars.passwords.iter().zip(before.iter().zip(regulars.pins(&world))) {
        let new = now.iter().filter(|pin| !before.contains(pin));
        new.for_each(|pin| assert!(!pin.contains(";-;"), "{}: {pin}", app.name));
    }
}

#[test]
fn a_hello_that_trickles_is_the_same_hello() {
    let world = World::start();
    let regulars = Regulars::of(&world);
    let before = regulars.pins(&world);
    regulars.come(&world, trickling_to(world.postern.imap), trickling_to(world.postern.submission));
    assert_eq!(regulars.pins(&world), before);
}

/// A port from which the first octets, more than a hello has, come one at a time.
fn trickling_to(port: u16) -> u16 {
    const A_HELLO: usize = 700;
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let here = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        for mut client in listener.incoming().map_while(Result::ok) {
            let mut door = TcpStream::connect(("127.0.0.1", port)).unwrap();
            door.set_nodelay(true).unwrap();
            let (mut from_client, mut from_door) = (client.try_clone().unwrap(), door.try_clone().unwrap());
            thread::spawn(move || {
                let mut octet = [0];
                for _ in 0..A_HELLO {
                    if from_client.read_exact(&mut octet).and_then(|()| door.write_all(&octet)).is_err() {
                        break;
                    }
                    #[expect(clippy::disallowed_methods, reason = "apart in time, so that they are read apart")]
                    thread::sleep(Duration::from_millis(1));
                }
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
