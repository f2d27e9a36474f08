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
    signed_in(&world, &secret);
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
