//! The canary: it can be tried everywhere, and nobody can be it.

use authority::{Cutoff, Login, Secret, Standing, Timestamp};
use keeper::{AddAccount, AdminError, SignIn};

use crate::world::{HOME, World, dav, imap};

const CANARY: &str = "postern-canary@example.org";

#[tokio::test(start_paused = true)]
async fn no_door_lets_it_in_and_no_count_grows() {
    for cutoff in [Cutoff::Enforced, Cutoff::Observed] {
        let world = World::with_cutoff(cutoff).await;
        let canary = world.keeper.release_canary().await.unwrap();
        assert_eq!(canary.login.as_str(), CANARY);
        let before = world.keeper.audit(0, 100).await.unwrap().len();
        for secret in [&canary.primary, &canary.revoked, &canary.wrong_scope] {
            for door in [imap(), dav()] {
                let answer = world.sign_in(CANARY, secret.expose(), &door).await;
                assert!(matches!(answer, SignIn::Refused(_)), "{answer:?}");
            }
        }
        world.keeper.write_journal().await.unwrap();
        let id = world.store_account(CANARY).await.id;
        assert!(world.keeper.refusals(id, Timestamp::from_millis(0)).await.unwrap().is_empty());
        let refused = world.keeper.tallies().into_iter().flat_map(|tally| tally.refused).map(|(_, count)| count);
        assert_eq!(refused.sum::<u64>(), 0);
        assert_eq!(world.keeper.audit(0, 100).await.unwrap().len(), before);
        world.keeper.is_alive(&canary).await.unwrap();
        assert!(world.keeper.sessions(None).is_empty());
    }
}

#[tokio::test(start_paused = true)]
async fn nobody_is_it_and_nobody_acts_on_it() {
    let world = World::new().await;
    let login = Login::parse(CANARY).unwrap();
    let taken = |login: &Login| AddAccount { login: login.clone(), aliases: vec![], primary: None, totp: false };
    let early = world.keeper.add_account(0, taken(&login)).await;
    assert!(matches!(early, Err(AdminError::Canary(_))), "{early:?}");

    let canary = world.keeper.release_canary().await.unwrap();
    let administered = world.keeper.administer(0, &login).await;
    assert!(matches!(administered, Err(AdminError::Canary(_))), "{administered:?}");
    let bob = AddAccount { aliases: vec![login], ..taken(&Login::parse("bob@example.org").unwrap()) };
    assert!(matches!(world.keeper.add_account(0, bob).await, Err(AdminError::Canary(_))));
    assert!(world.keeper.accounts().await.unwrap().is_empty());

    // Its primary password gets as far as the second factor, which nobody has.
    let from = HOME.parse().unwrap();
    let pending = world.keeper.begin_sign_in(CANARY, &canary.primary, from).await.unwrap();
    assert!(pending.has_second_factor());
    for code in ["000000", "aaaa-aaaa-aaaa-aaaa"] {
        assert!(world.keeper.finish_sign_in(&pending, code).await.is_err());
    }
}

#[tokio::test(start_paused = true)]
async fn each_release_voids_the_one_before() {
    let world = World::new().await;
    let first = world.keeper.release_canary().await.unwrap();
    let account = world.store_account(CANARY).await;
    let second = world.keeper.release_canary().await.unwrap();
    assert_eq!(world.store_account(CANARY).await.id, account.id, "the same account");
    assert!(world.keeper.is_alive(&first).await.is_err());
    world.keeper.is_alive(&second).await.unwrap();
    let from = HOME.parse().unwrap();
    assert!(world.keeper.begin_sign_in(CANARY, &Secret::new(first.primary.expose().into()), from).await.is_err());
    assert_eq!(account.standing, Standing::Active);
}
