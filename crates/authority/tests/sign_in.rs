//! The order of decisions, told as who is let in and who is turned away why.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on has failed")]

use std::{sync::Arc, time::Duration};

use authority::{
    Account, AccountId, AppName, AppPassword, AppPasswordId, Asking, Catalogue, ChosenBy, Client, Credential, Cutoff,
    Door, Effect, Event, Facts, Label, Lesson, LockMode, Login, Otherwise, Plan, Primary, PrimaryCheck, PrimaryHash,
    Protocol, Reason, SealedSeed, SecondFactor, Secret, Standing, State, Timestamp, Verdict, Whereabouts,
    app_lock::Was, decide, judge, plan,
};

const NOW: Timestamp = Timestamp::from_millis(1_800_000_000_000);
const HOME: &str = "192.0.2.7";
const ABROAD: &str = "203.0.113.9";

fn account() -> Account {
    Account {
        id: AccountId::from_bytes([1; 10]),
        login: Login::parse("alice@example.org").unwrap(),
        aliases: vec![],
        standing: Standing::Active,
        primary: Some(Primary { hash: PrimaryHash::new("$argon2id$"), chosen_by: ChosenBy::Owner }),
        second_factor: Some(SecondFactor {
            seed: SealedSeed(Box::default()),
            last_step: 0,
            chosen_by: ChosenBy::Owner,
        }),
        created: NOW,
        epoch: 0,
    }
}

fn password() -> AppPassword {
    AppPassword {
        id: AppPasswordId::from_bytes([2; 10]),
        account: account().id,
        label: Label::parse("Laptop").unwrap(),
        app: AppName::parse("thunderbird").unwrap(),
        scopes: "mail".parse().unwrap(),
        networks: "192.0.2.0/24".parse().unwrap(),
        lock: LockMode::Lock,
        pins: Arc::default(),
        created: NOW,
        use_by: NOW.plus(Duration::from_secs(3600)),
        expires: None,
        first_used: Some(NOW),
        revoked: None,
    }
}

/// What the sign-in of a client that nobody sees stands on.
fn asking<'a>(account: &'a Account, door: &'a Door, from: &str, now: Timestamp, apps: &'a Catalogue) -> Asking<'a> {
    let (client, whereabouts) = (&Client::Unseen, Whereabouts::New);
    Asking { account: Some(account), door, from: from.parse().unwrap(), now, client, whereabouts, apps }
}

fn door(needs: &str) -> Door {
    Door { name: Arc::from("imap"), protocol: Protocol::Imap, needs: needs.parse().unwrap() }
}

fn asked(account: &Account, password: &AppPassword, needs: &str, from: &str, now: Timestamp) -> Result<Effect, Reason> {
    let door = door(needs);
    let apps = Catalogue::default();
    let asking = asking(account, &door, from, now, &apps);
    match decide(&asking, Facts::AppPassword(Some(password))) {
        Verdict::Admit(grant, effect) => {
            assert_eq!(grant.credential(), Credential::AppPassword(password.id));
            assert_eq!(grant.login(), &account.login);
            Ok(effect)
        }
        Verdict::Provisional(_) => panic!("this client has nothing to show"),
        Verdict::Refuse(refusal) => Err(refusal.reason),
    }
}

#[test]
fn the_right_password_in_the_right_place_comes_in() {
    assert_eq!(asked(&account(), &password(), "mail", HOME, NOW), Ok(Effect::Use(password().id)));
    let waiting = AppPassword { first_used: None, ..password() };
    let was = Was { first_used: None, pins: 0 };
    let events = vec![Event::AppPasswordFirstUsed { id: waiting.id }];
    let lesson = Lesson { password: waiting.id, was, pin: None, form_of: None, events };
    assert_eq!(asked(&account(), &waiting, "mail", HOME, NOW), Ok(Effect::Learn(Box::new(lesson))));
}

/// Each row adds a fault that ranks above all before it: the reason must change.
#[test]
fn what_is_wrong_is_judged_in_the_promised_order() {
    let mut account = account();
    let mut password = password();
    let later = NOW.plus(Duration::from_secs(7200));
    let ask = |account: &Account, password: &AppPassword, from| asked(account, password, "files", from, later);

    assert_eq!(ask(&account, &password, HOME), Err(Reason::Scope));
    assert_eq!(ask(&account, &password, ABROAD), Err(Reason::Network));
    account.second_factor = None;
    assert_eq!(ask(&account, &password, ABROAD), Err(Reason::NoSecondFactor));
    account.standing = Standing::Suspended;
    assert_eq!(ask(&account, &password, ABROAD), Err(Reason::AccountSuspended));
    password.expires = Some(later);
    assert_eq!(ask(&account, &password, ABROAD), Err(Reason::Expired));
    password.first_used = None;
    assert_eq!(ask(&account, &password, ABROAD), Err(Reason::NotUsedInTime));
    password.revoked = Some(NOW);
    assert_eq!(ask(&account, &password, ABROAD), Err(Reason::Revoked));
    password.account = AccountId::from_bytes([9; 10]);
    assert_eq!(ask(&account, &password, ABROAD), Err(Reason::NoSuchPassword), "somebody else's");
}

#[test]
fn a_password_has_an_hour_for_its_first_use_and_ends_on_time() {
    let waiting = AppPassword { first_used: None, ..password() };
    let (in_time, late) = (NOW.plus(Duration::from_secs(3599)), NOW.plus(Duration::from_secs(3600)));
    assert_eq!(waiting.state(&account(), in_time), State::Waiting);
    assert_eq!(waiting.state(&account(), late), State::Expired);
    let ending = AppPassword { expires: Some(late), ..password() };
    assert!(asked(&account(), &ending, "mail", HOME, in_time).is_ok());
    assert_eq!(asked(&account(), &ending, "mail", HOME, late), Err(Reason::Expired));
}

#[test]
fn where_the_cutoff_applies_the_primary_password_is_not_even_looked_at() {
    let primary = Secret::new("correct horse battery staple".into());
    let without = Account { second_factor: None, ..account() };
    assert!(matches!(plan(&primary, Some(&account()), Cutoff::Enforced), Plan::Nothing));
    assert!(matches!(plan(&primary, Some(&without), Cutoff::Enforced), Plan::Nothing));
    assert!(matches!(plan(&primary, Some(&without), Cutoff::Observed), Plan::VerifyPrimary));
    // A second factor that an app walks around would be none.
    assert!(matches!(plan(&primary, Some(&account()), Cutoff::Observed), Plan::Nothing));
    assert!(matches!(plan(&primary, None, Cutoff::Observed), Plan::Nothing));
}

#[test]
fn the_shape_of_an_app_password_falls_through_only_while_observing() {
    let shaped = Secret::new("abcd-efgh-ijkl-mnop-qrst-uvwx".into());
    let without = Account { second_factor: None, ..account() };
    for (account, cutoff, want) in [
        (Some(&without), Cutoff::Observed, Otherwise::VerifyPrimary),
        (Some(&without), Cutoff::Enforced, Otherwise::Refuse),
        (None, Cutoff::Observed, Otherwise::Refuse),
    ] {
        let Plan::LookUp { otherwise, .. } = plan(&shaped, account, cutoff) else { panic!("looked up") };
        assert_eq!(otherwise, want);
    }
}

#[test]
fn a_primary_password_is_admitted_only_where_it_matches_and_the_account_is_active() {
    let door = door("mail");
    for (standing, check, want) in [
        (Standing::Active, PrimaryCheck::Matches, None),
        (Standing::Active, PrimaryCheck::Differs, Some(Reason::WrongPrimary)),
        (Standing::Active, PrimaryCheck::Throttled, Some(Reason::Throttled)),
        (Standing::Suspended, PrimaryCheck::Matches, Some(Reason::AccountSuspended)),
        (Standing::Suspended, PrimaryCheck::Differs, Some(Reason::WrongPrimary)),
    ] {
        let (account, apps) = (Account { standing, ..account() }, Catalogue::default());
        let asking = asking(&account, &door, HOME, NOW, &apps);
        let got = match decide(&asking, Facts::Primary(check)) {
            Verdict::Admit(..) | Verdict::Provisional(_) => None,
            Verdict::Refuse(refusal) => Some(refusal.reason),
        };
        assert_eq!(got, want, "{standing:?} {check:?}");
    }
}

#[test]
fn the_last_look_sees_what_changed_since_the_decision() {
    let (account, password) = (account(), password());
    let door = door("mail");
    let apps = Catalogue::default();
    let asking = asking(&account, &door, HOME, NOW, &apps);
    let admitted = || match decide(&asking, Facts::AppPassword(Some(&password))) {
        Verdict::Admit(grant, _) => grant,
        other => panic!("{other:?}"),
    };
    let look = |account: Option<&Account>, password: Option<&AppPassword>| match judge(
        admitted(),
        &Asking { account, ..asking },
        password,
        Cutoff::Enforced,
    ) {
        Verdict::Admit(..) | Verdict::Provisional(_) => None,
        Verdict::Refuse(refusal) => Some(refusal.reason),
    };
    let revoked = AppPassword { revoked: Some(NOW), ..password.clone() };
    let other = AppPassword { id: AppPasswordId::from_bytes([3; 10]), ..password.clone() };
    let suspended = Account { standing: Standing::Suspended, ..account.clone() };
    let stripped = Account { second_factor: None, ..account.clone() };
    let namesake = Account { id: AccountId::from_bytes([4; 10]), ..account.clone() };
    assert_eq!(look(Some(&account), Some(&password)), None);
    assert_eq!(look(Some(&account), Some(&revoked)), Some(Reason::Revoked));
    assert_eq!(look(Some(&account), Some(&other)), Some(Reason::NoSuchPassword));
    assert_eq!(look(Some(&account), None), Some(Reason::NoSuchPassword));
    assert_eq!(look(Some(&suspended), Some(&password)), Some(Reason::AccountSuspended));
    assert_eq!(look(Some(&stripped), Some(&password)), Some(Reason::NoSecondFactor));
    assert_eq!(look(Some(&namesake), Some(&password)), Some(Reason::UnknownLogin));
    assert_eq!(look(None, None), Some(Reason::UnknownLogin));
}

#[test]
fn every_reason_has_a_name_of_its_own() {
    for reason in Reason::ALL {
        assert_eq!(Reason::from_name(reason.name()), Some(reason));
    }
}
