//! Revoked means out, now: seen from the client.

use e2e::Imap;

use crate::World;

const ALICE: &str = "alice@example.org";

fn signed_in(world: &World, secret: &str) -> Imap {
    let mut imap = Imap::connect(world.postern.imap, &world.postern.ca(), false).unwrap();
    imap.line().unwrap();
    let answer = imap.command("a", &format!("LOGIN alice \"{secret}\"")).unwrap();
    assert!(answer.last().unwrap().starts_with("a OK"), "{answer:?}");
    imap
}

#[test]
fn an_idling_connection_is_cut_when_its_password_is_revoked() {
    let world = World::start();
    world.postern.account(ALICE).unwrap();
    world.dovecot.deliver(ALICE, "Before").unwrap();
    let (id, secret) = world.postern.app_password(ALICE, "mail", &[]).unwrap();
    let (_, other) = world.postern.app_password(ALICE, "mail", &[]).unwrap();
    let (mut cut, mut kept) = (signed_in(&world, &secret), signed_in(&world, &other));
    let selected = cut.command("b", "SELECT INBOX").unwrap();
    assert!(selected.iter().any(|line| line == "* 1 EXISTS"), "{selected:?}");
    cut.send("c IDLE").unwrap();
    assert_eq!(cut.line().unwrap(), "+ idling");

    let listed = world.postern.cli(&["session", "list", "--json"], "").unwrap().json();
    assert_eq!(listed.as_array().unwrap().len(), 2, "{listed}");
    assert_eq!(world.postern.cli(&["app-password", "revoke", &id], "").unwrap().status, Some(0));
    // Acknowledged: what arrives at the server from now on is not heard of.
    world.dovecot.deliver(ALICE, "After").unwrap();
    assert_eq!(cut.rest(), ["* BYE This session was ended."]);
    let noop = kept.command("d", "NOOP").unwrap();
    assert!(noop.last().unwrap().starts_with("d OK"), "{noop:?}");
}

#[test]
fn suspending_an_account_and_ending_its_sessions_cut_them_all() {
    let world = World::start();
    world.postern.account(ALICE).unwrap();
    let (_, secret) = world.postern.app_password(ALICE, "mail", &[]).unwrap();
    for command in [&["session", "end", "alice"][..], &["account", "suspend", "alice"]] {
        let mut imap = signed_in(&world, &secret);
        assert_eq!(world.postern.cli(command, "").unwrap().status, Some(0), "{command:?}");
        assert_eq!(imap.rest(), ["* BYE This session was ended."], "{command:?}");
    }
    assert_eq!(world.postern.cli(&["account", "resume", "alice"], "").unwrap().status, Some(0));
    let mut imap = signed_in(&world, &secret);
    // Takes the second factor away, and all that stands on it.
    assert_eq!(world.postern.cli(&["account", "reset", "alice"], "").unwrap().status, Some(0));
    assert_eq!(imap.rest(), ["* BYE This session was ended."]);
}

#[test]
fn sessions_are_listed_and_ended_one_by_one_or_all() {
    let world = World::start();
    let cli = |arguments: &[&str]| world.postern.cli(arguments, "").unwrap();
    for login in [ALICE, "bob@example.org"] {
        world.postern.account(login).unwrap();
    }
    assert_eq!(cli(&["session", "list"]).out, "none\n");
    let (_, secret) = world.postern.app_password(ALICE, "mail", &[]).unwrap();
    let (mut one, mut other) = (signed_in(&world, &secret), signed_in(&world, &secret));

    let table = cli(&["session", "list"]).out;
    let lines: Vec<Vec<&str>> = table.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(lines[0], ["ID", "LOGIN", "LABEL", "APP", "DOOR", "FROM", "SINCE"], "{table}");
    assert_eq!(lines[1][1..6], [ALICE, "Test", "test", "imap", "127.0.0.1"], "{table}");
    assert_eq!(lines.len(), 3, "{table}");
    assert_eq!(cli(&["session", "list", "bob", "--json"]).out, "[]\n");
    assert_eq!(cli(&["session", "list", "nobody"]).status, Some(1));

    let ids = cli(&["session", "list", "alice", "--json"]).json();
    let ids: Vec<String> = ids.as_array().unwrap().iter().map(|session| session["id"].to_string()).collect();
    assert_eq!(cli(&["session", "end", "bob", &ids[0]]).status, Some(1), "it is not Bob's");
    assert_eq!(cli(&["session", "end", "alice", &ids[0], "--json"]).json()["sessions_ended"], 1);
    assert_eq!(one.rest(), ["* BYE This session was ended."]);
    let gone = cli(&["session", "end", "alice", &ids[0]]);
    assert_eq!(gone.status, Some(1));
    assert!(gone.err.contains("see `postern session list`"), "{gone:?}");
    let noop = other.command("b", "NOOP").unwrap();
    assert!(noop.last().unwrap().starts_with("b OK"), "{noop:?}");
    assert_eq!(cli(&["session", "end", "alice", "--json"]).json()["sessions_ended"], 1);
    assert_eq!(other.rest(), ["* BYE This session was ended."]);
    let all = cli(&["session", "end", "alice"]);
    assert_eq!((all.status, all.out.contains("sessions ended  0")), (Some(0), true), "{all:?}");
}

#[test]
fn stopping_the_server_says_goodbye() {
    let mut world = World::start();
    world.postern.account(ALICE).unwrap();
    let (_, secret) = world.postern.app_password(ALICE, "mail", &[]).unwrap();
    let mut imap = signed_in(&world, &secret);
    world.postern.process().signal(rustix::process::Signal::TERM);
    assert_eq!(imap.rest(), ["* BYE The server is being restarted."]);
    assert_eq!(world.postern.process().wait(), Some(0));
}
