//! What an owner proves, and what that opens.

use std::{net::IpAddr, time::Duration};

use crate::world::{HOME, PRIMARY, World, imap, request};
use authority::{Login, Secret, Standing, Timestamp};
use keeper::{AddAccount, Denied, Owner, SignIn};

const ALICE: &str = "alice@example.org";

fn home() -> IpAddr {
    HOME.parse().unwrap()
}

fn secret(text: &str) -> Secret {
    Secret::new(text.into())
}

/// Plays the authenticator app.
pub(crate) fn code(uri: &str, now: Timestamp) -> String {
    let base32 = uri.split("secret=").nth(1).unwrap().split('&').next().unwrap();
    let seed = data_encoding::BASE32_NOPAD.decode(base32.as_bytes()).unwrap();
    let app = totp_rs::Builder::new().with_secret(seed).build_noncompliant();
    app.generate(u64::try_from(now.as_secs()).unwrap()).to_string()
}

async fn owner(world: &World, uri: &Secret) -> Owner {
    let pending = world.keeper.begin_sign_in("alice", &secret(PRIMARY), home()).await.unwrap();
    world.keeper.finish_sign_in(&pending, &code(uri.expose(), world.keeper.now())).await.unwrap()
}

#[tokio::test(start_paused = true)]
async fn both_factors_open_the_portal_and_each_code_once() {
    let world = World::new().await;
    let added = world.add(ALICE, true).await;
    let uri = added.totp_uri.unwrap();
    let pending = world.keeper.begin_sign_in("ALICE", &secret(PRIMARY), home()).await.unwrap();
    let now = code(uri.expose(), world.keeper.now());
    assert!(matches!(world.keeper.finish_sign_in(&pending, "000000").await, Err(Denied::Refused)));
    world.keeper.finish_sign_in(&pending, &now).await.unwrap();
    assert!(matches!(world.keeper.finish_sign_in(&pending, &now).await, Err(Denied::Refused)), "spent");
    let recovery = added.recovery_codes[3].expose();
    world.keeper.finish_sign_in(&pending, recovery).await.unwrap();
    assert!(matches!(world.keeper.finish_sign_in(&pending, recovery).await, Err(Denied::Refused)), "spent");
}

#[tokio::test(start_paused = true)]
async fn an_app_password_never_opens_the_portal() {
    let world = World::new().await;
    let (_, mandate) = world.account(ALICE).await;
    let issued = world.password(&mandate, "mail").await;
    assert!(matches!(world.keeper.begin_sign_in(ALICE, &issued.secret, home()).await, Err(Denied::Refused)));
}

/// A double click: the browser gives the first request up and sends another. The
/// right password must not become a wrong one by that.
#[tokio::test(start_paused = true)]
async fn the_right_password_sent_twice_is_right() {
    let world = World::new().await;
    world.account(ALICE).await;
    let right = secret(PRIMARY);
    let mut was_given_up = false;
    // A hash as cheap as the tests' may be done before it is first asked for.
    for _ in 0..100 {
        let asked = world.keeper.begin_sign_in(ALICE, &right, home());
        tokio::pin!(asked);
        let polled = std::future::poll_fn(|cx| std::task::Poll::Ready(asked.as_mut().poll(cx))).await;
        was_given_up |= polled.is_pending();
    }
    assert!(was_given_up, "none was being hashed");
    let (one, other) = tokio::join!(
        world.keeper.begin_sign_in(ALICE, &right, home()),
        world.keeper.begin_sign_in(ALICE, &right, home())
    );
    one.unwrap();
    other.unwrap();
}

/// Whoever hangs up before the refusal has guessed all the same.
#[tokio::test(start_paused = true)]
async fn hanging_up_before_the_answer_does_not_make_a_guess_free() {
    let world = World::new().await;
    world.account(ALICE).await;
    for n in 0..10 {
        let guess = secret(&format!("a guess, number {n}"));
        // The hash is done by then, and the answer, at the deadline, is not given.
        let asked = world.keeper.begin_sign_in(ALICE, &guess, home());
        assert!(tokio::time::timeout(Duration::from_millis(900), asked).await.is_err());
    }
    let next = world.keeper.begin_sign_in(ALICE, &secret("a guess, number 11"), home()).await;
    assert!(matches!(next, Err(Denied::Throttled)), "{next:?}");
}

/// A code that was too early is right when its time has come.
#[tokio::test(start_paused = true)]
async fn a_code_that_was_too_early_works_in_its_time() {
    let world = World::new().await;
    let uri = world.add(ALICE, true).await.totp_uri.unwrap();
    let pending = world.keeper.begin_sign_in(ALICE, &secret(PRIMARY), home()).await.unwrap();
    let early = code(uri.expose(), world.keeper.now().plus(Duration::from_secs(60)));
    assert!(matches!(world.keeper.finish_sign_in(&pending, &early).await, Err(Denied::Refused)));
    world.advance(Duration::from_secs(60));
    world.keeper.finish_sign_in(&pending, &early).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_suspended_account_cannot_be_set_up() {
    let world = World::new().await;
    let login = Login::parse(ALICE).unwrap();
    let request = AddAccount { login: login.clone(), aliases: vec![], primary: None, totp: false };
    let offer = world.keeper.add_account(0, request).await.unwrap().set_up.unwrap();
    let (account, mandate) = world.keeper.administer(0, &login).await.unwrap();
    world.keeper.set_standing(&account, &mandate, Standing::Suspended).await.unwrap();
    let suspended = world.keeper.begin_set_up(ALICE, offer.code.expose(), home()).await;
    assert!(matches!(suspended, Err(Denied::Refused)), "{suspended:?}");
    world.keeper.set_standing(&account, &mandate, Standing::Active).await.unwrap();
    world.keeper.begin_set_up(ALICE, offer.code.expose(), home()).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn the_portal_does_not_tell_who_has_an_account() {
    let world = World::new().await;
    world.account(ALICE).await;
    for login in [ALICE, "nobody@example.org"] {
        let mut answers = Vec::new();
        for n in 0..12 {
            let denied = world.keeper.begin_sign_in(login, &secret(&format!("a guess, number {n}")), home()).await;
            answers.push(denied.unwrap_err().to_string());
        }
        assert!(answers[..10].iter().all(|text| text.starts_with("that did not match")), "{login}: {answers:?}");
        assert!(answers[11].starts_with("too many"), "{login}: {answers:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn changing_the_primary_password_revokes_every_app_password() {
    let world = World::new().await;
    let uri = world.add(ALICE, true).await.totp_uri.unwrap();
    let owner = owner(&world, &uri).await;
    let mandate = world.keeper.fresh_mandate(&owner).unwrap();
    let issued = world.keeper.issue(&mandate, request("mail")).await.unwrap();
    let SignIn::Admitted(_, session) = world.sign_in(ALICE, issued.secret.expose(), &imap()).await else { panic!() };

    let new = secret("a wide river in the north");
    assert!(matches!(
        world.keeper.change_primary(&owner, &mandate, &secret("not the old one"), &new).await,
        Err(Denied::Refused)
    ));
    assert!(session.is_open());
    let next = world.keeper.change_primary(&owner, &mandate, &secret(PRIMARY), &new).await.unwrap();
    assert!(!session.is_open());
    assert!(matches!(world.sign_in(ALICE, issued.secret.expose(), &imap()).await, SignIn::Refused(_)));
    assert!(matches!(world.keeper.confirm(&owner).await, Err(Denied::Over)), "other browsers are signed out");
    world.keeper.confirm(&next).await.unwrap();
    assert!(world.keeper.begin_sign_in(ALICE, &secret(PRIMARY), home()).await.is_err());
    world.keeper.begin_sign_in(ALICE, &new, home()).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn making_a_password_needs_a_second_factor_shown_within_ten_minutes() {
    let world = World::new().await;
    let uri = world.add(ALICE, true).await.totp_uri.unwrap();
    let mut owner = owner(&world, &uri).await;
    world.keeper.fresh_mandate(&owner).unwrap();
    world.advance(Duration::from_secs(601));
    assert!(matches!(world.keeper.fresh_mandate(&owner), Err(Denied::NotFresh)));
    world.keeper.freshen(&mut owner, &code(uri.expose(), world.keeper.now())).await.unwrap();
    world.keeper.fresh_mandate(&owner).unwrap();
}

#[tokio::test(start_paused = true)]
async fn an_account_without_second_factor_has_to_set_one_up_first() {
    let world = World::new().await;
    world.add(ALICE, false).await;
    let (_, admin) = world.keeper.administer(0, &Login::parse(ALICE).unwrap()).await.unwrap();
    assert!(world.keeper.issue(&admin, request("mail")).await.is_err());

    let pending = world.keeper.begin_sign_in(ALICE, &secret(PRIMARY), home()).await.unwrap();
    assert!(!pending.has_second_factor());
    assert!(matches!(world.keeper.finish_sign_in(&pending, "123456").await, Err(Denied::Refused)));
    let proposal = world.keeper.propose_second_factor(&pending).await.unwrap();
    assert!(matches!(world.keeper.enrol(&pending, &proposal, "000000").await, Err(Denied::Refused)));
    let now = code(proposal.uri.expose(), world.keeper.now());
    let (owner, codes) = world.keeper.enrol(&pending, &proposal, &now).await.unwrap();
    assert_eq!(codes.len(), 10);
    assert!(matches!(world.keeper.enrol(&pending, &proposal, &now).await, Err(Denied::Over)), "one at a time");
    let mandate = world.keeper.fresh_mandate(&owner).unwrap();
    world.keeper.issue(&mandate, request("mail")).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn turning_on_a_second_factor_ends_what_the_primary_password_has_opened() {
    let world = World::with_cutoff(authority::Cutoff::Observed).await;
    world.add(ALICE, false).await;
    let SignIn::Admitted(_, session) = world.sign_in(ALICE, PRIMARY, &imap()).await else { panic!() };
    let pending = world.keeper.begin_sign_in(ALICE, &secret(PRIMARY), home()).await.unwrap();
    let proposal = world.keeper.propose_second_factor(&pending).await.unwrap();
    let now = code(proposal.uri.expose(), world.keeper.now());
    world.keeper.enrol(&pending, &proposal, &now).await.unwrap();
    assert!(!session.is_open());
    assert!(matches!(world.sign_in(ALICE, PRIMARY, &imap()).await, SignIn::Refused(_)));
}

#[tokio::test(start_paused = true)]
async fn a_set_up_code_works_once_and_for_a_day() {
    let world = World::new().await;
    let login = Login::parse(ALICE).unwrap();
    let request = AddAccount { login: login.clone(), aliases: vec![], primary: None, totp: false };
    let offer = world.keeper.add_account(0, request).await.unwrap().set_up.unwrap();
    assert!(world.keeper.begin_set_up(ALICE, "aaaaa-aaaaa", home()).await.is_err());
    let setting_up = world.keeper.begin_set_up(ALICE, offer.code.expose(), home()).await.unwrap();
    let proposal = world.keeper.propose_for_set_up(&setting_up);
    let now = code(proposal.uri.expose(), world.keeper.now());
    let weak = world.keeper.set_up(&setting_up, &secret("password1234"), &proposal, &now).await;
    assert!(matches!(weak, Err(Denied::Unfit(_))));
    let (owner, _) = world.keeper.set_up(&setting_up, &secret(PRIMARY), &proposal, &now).await.unwrap();
    world.keeper.confirm(&owner).await.unwrap();
    assert!(world.keeper.begin_set_up(ALICE, offer.code.expose(), home()).await.is_err(), "spent");

    let (account, mandate) = world.keeper.administer(0, &login).await.unwrap();
    let again = world.keeper.reset(&account, &mandate).await.unwrap();
    assert!(matches!(world.keeper.confirm(&owner).await, Err(Denied::Over)));
    world.advance(Duration::from_secs(86_401));
    assert!(world.keeper.begin_set_up(ALICE, again.code.expose(), home()).await.is_err(), "a day has passed");
}

#[tokio::test(start_paused = true)]
async fn a_suspended_owner_is_out_of_the_portal_too() {
    let world = World::new().await;
    let uri = world.add(ALICE, true).await.totp_uri.unwrap();
    let owner = owner(&world, &uri).await;
    let (account, mandate) = world.keeper.administer(0, owner.login()).await.unwrap();
    world.keeper.set_standing(&account, &mandate, Standing::Suspended).await.unwrap();
    assert!(matches!(world.keeper.confirm(&owner).await, Err(Denied::Over)));
    assert!(matches!(world.keeper.begin_sign_in(ALICE, &secret(PRIMARY), home()).await, Err(Denied::Refused)));
}

#[tokio::test(start_paused = true)]
async fn the_limit_counts_what_is_alive() {
    let world = World::new().await;
    let (_, mandate) = world.account(ALICE).await;
    let mut ids = Vec::new();
    for _ in 0..25 {
        ids.push(world.password(&mandate, "mail").await.password.id);
    }
    assert!(world.keeper.issue(&mandate, request("mail")).await.unwrap_err().to_string().contains("25"));
    let _ = world.keeper.revoke(&mandate, ids[0]).await.unwrap();
    world.password(&mandate, "mail").await;
    world.advance(Duration::from_secs(3600));
    world.password(&mandate, "mail").await;
}
