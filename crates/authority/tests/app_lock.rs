//! The app lock, told as which app is let in with whose password.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on has failed")]

use std::{sync::Arc, time::Duration};

use authority::{
    Account, AccountId, AppName, AppPassword, AppPasswordId, Asking, Catalogue, ChosenBy, Client, Door, Effect, Event,
    Facts, Label, LockMode, Login, Networks, Pin, PinnedBy, Primary, PrimaryHash, Protocol, Reason, SealedSeed,
    SecondFactor, Signature, Standing, Timestamp, Verdict, Whereabouts,
    app_lock::{MOST_A_DAY, MOST_PINS, pins_with, turns_on_whereabouts},
    catalogue::{App, Name, Product, Says, Source, When},
    decide,
};

const NOW: Timestamp = Timestamp::from_millis(1_800_000_000_000);
const TLS: &str = "13-723694b0fccc-2f1c0b5e9ad4-5671b5";

/// Thunderbird, as each door sees it; mutt, which names itself in messages alone; and a
/// mail app of the Thunderbird's TLS library without a name.
const THUNDERBIRD: &str = "1;imap;-;thunderbird;a9,ID,authenticate.PLAIN;LIST";
const THUNDERBIRD_SENDS: &str = "1;submission;-;thunderbird;EHLO.host,PLAIN;MFS";
const MUTT: &str = "1;imap;-;-;a0009,LOGIN.qq;CAPABILITY,LIST";
const MUTT_SENDS: &str = "1;submission;-;mutt;EHLO.host,PLAIN;DFT";

fn seen(text: &str) -> Client {
    Client::Shown(signature(text))
}

fn signature(text: &str) -> Signature {
    text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn account() -> Account {
    let seed = SealedSeed(Box::default());
    Account {
        id: AccountId::from_bytes([1; 10]),
        login: Login::parse("alice@example.org").unwrap(),
        aliases: vec![],
        standing: Standing::Active,
        primary: Some(Primary { hash: PrimaryHash::new("$argon2id$"), chosen_by: ChosenBy::Owner }),
        second_factor: Some(SecondFactor { seed, last_step: 0, chosen_by: ChosenBy::Owner }),
        created: NOW,
        epoch: 0,
    }
}

/// One for an app of this name, never used.
fn made_for(app: &str) -> AppPassword {
    AppPassword {
        id: AppPasswordId::from_bytes([2; 10]),
        account: account().id,
        label: Label::parse("Laptop").unwrap(),
        app: AppName::parse(app).unwrap(),
        scopes: "mail,mail:send".parse().unwrap(),
        networks: Networks::default(),
        lock: LockMode::Lock,
        pins: Arc::default(),
        created: NOW,
        use_by: NOW.plus(Duration::from_secs(3600)),
        expires: None,
        first_used: None,
        revoked: None,
    }
}

fn catalogue() -> Catalogue {
    let app = |id: &str, protocol, name: &str| App {
        id: id.parse().unwrap(),
        name: AppName::parse(name).unwrap(),
        also: vec![],
        publisher: "somebody".to_owned(),
        platforms: vec![],
        opens: "mail".parse().unwrap(),
        doors: vec![(
            protocol,
            Says::Names {
                names: vec![Name {
                    text: name.to_owned(),
                    product: Product::of(name).unwrap(),
                    shared: false,
                    source: Source::Seen("1".to_owned()),
                }],
                all: true,
                when: When::Always,
                source: Source::Seen("1".to_owned()),
            },
        )],
        looks: vec![],
        kin: vec![],
        hints: vec![],
    };
    Catalogue::new(vec![app("thunderbird", Protocol::Imap, "Thunderbird"), app("imapflow", Protocol::Imap, "imapflow")])
        .unwrap()
}

struct At {
    now: Timestamp,
    whereabouts: Whereabouts,
}

const AT_ONCE: At = At { now: NOW, whereabouts: Whereabouts::New };

/// What becomes of a client with this password: why not, or the effect of its use.
fn comes(password: &AppPassword, client: &Client, At { now, whereabouts }: &At) -> Result<Effect, Reason> {
    let (account, apps) = (account(), catalogue());
    let protocol = match client {
        Client::Shown(signature) => signature.protocol(),
        _ => Protocol::Imap,
    };
    let needs = if protocol == Protocol::Submission { "mail:send" } else { "mail" };
    let door = Door { name: Arc::from(protocol.name()), protocol, needs: needs.parse().unwrap() };
    let (from, whereabouts, now) = ("192.0.2.7".parse().unwrap(), *whereabouts, *now);
    let asking = Asking { account: Some(&account), door: &door, from, now, client, whereabouts, apps: &apps };
    match decide(&asking, Facts::AppPassword(Some(password))) {
        Verdict::Admit(_, effect) => Ok(effect),
        Verdict::Provisional(_) => panic!("it has shown itself"),
        Verdict::Refuse(refusal) => Err(refusal.reason),
    }
}

/// Has the client come in, and the password know it.
fn used_by(password: &AppPassword, client: &str, at: &At) -> AppPassword {
    let mut password = password.clone();
    if let Effect::Learn(lesson) = comes(&password, &seen(client), at).unwrap() {
        password.first_used.get_or_insert(at.now);
        if let Some(pin) = lesson.pin {
            password.pins = pins_with(&password.pins, pin);
        }
    }
    password
}

#[test]
fn the_first_app_is_the_app() {
    let fresh = made_for("My mail");
    let Ok(Effect::Learn(lesson)) = comes(&fresh, &seen(MUTT), &AT_ONCE) else { panic!("it is the first") };
    let pin = lesson.pin.clone().unwrap();
    assert_eq!((pin.signature, pin.since, pin.by), (signature(MUTT), NOW, PinnedBy::FirstUse));
    assert!(matches!(&lesson.events[..], [Event::AppPasswordFirstUsed { .. }, Event::AppLockPinned { .. }]));

    let mutts = used_by(&fresh, MUTT, &AT_ONCE);
    assert_eq!(comes(&mutts, &seen(MUTT), &AT_ONCE), Ok(Effect::Use(mutts.id)));
    for other in [THUNDERBIRD, "1;imap;-;-;A9,login.aa;SELECT"] {
        assert_eq!(comes(&mutts, &seen(other), &AT_ONCE), Err(Reason::OtherApp), "{other}");
    }
}

#[test]
fn a_password_for_an_app_of_the_catalogue_begins_with_that_app() {
    let fresh = made_for("thunderbird");
    for other in [MUTT, "1;imap;-;imapflow;A9,ID,LOGIN.qq;LIST"] {
        assert_eq!(comes(&fresh, &seen(other), &AT_ONCE), Err(Reason::OtherApp), "{other}");
    }
    assert!(comes(&fresh, &seen(THUNDERBIRD), &AT_ONCE).is_ok());
    // What it is called in the catalogue says nothing about a name of the owner's own.
    assert!(comes(&made_for("My mail"), &seen(MUTT), &AT_ONCE).is_ok());
}

#[test]
fn another_protocol_takes_a_tie() {
    let thunderbirds = used_by(&made_for("thunderbird"), THUNDERBIRD, &AT_ONCE);
    assert!(comes(&thunderbirds, &seen(THUNDERBIRD_SENDS), &AT_ONCE).is_ok(), "it gives the same name");
    let both = used_by(&thunderbirds, THUNDERBIRD_SENDS, &AT_ONCE);
    assert_eq!(both.pins.len(), 2);
    for other in [MUTT_SENDS, "1;submission;-;-;ehlo.literal,LOGIN;FTS"] {
        for pinned in [&thunderbirds, &both] {
            assert_eq!(comes(pinned, &seen(other), &AT_ONCE), Err(Reason::OtherApp), "{other}");
        }
    }
    let mutts = used_by(&made_for("mutt"), MUTT, &AT_ONCE);
    assert_eq!(comes(&mutts, &seen(MUTT_SENDS), &AT_ONCE), Err(Reason::OtherApp), "nothing ties the two");
}

#[test]
fn the_tie_of_a_tls_library_holds_where_the_owner_has_been() {
    let with_tls = |text: &str| text.replacen(";-;", &format!(";{TLS};"), 1);
    let mutts = used_by(&made_for("mutt"), &with_tls(MUTT), &AT_ONCE);
    let sends = seen(&with_tls(MUTT_SENDS));
    assert!(turns_on_whereabouts(&mutts, &sends, &catalogue()));
    assert_eq!(comes(&mutts, &sends, &AT_ONCE), Err(Reason::OtherApp));
    assert!(comes(&mutts, &sends, &At { whereabouts: Whereabouts::UsedBefore, ..AT_ONCE }).is_ok());
    for (password, client) in [
        (&made_for("mutt"), &sends),
        (&mutts, &seen(&with_tls(MUTT))),
        (&mutts, &seen(MUTT_SENDS)),
        (&mutts, &Client::Unseen),
        (&AppPassword { lock: LockMode::Off, ..mutts.clone() }, &sends),
    ] {
        assert!(!turns_on_whereabouts(password, client, &catalogue()), "nothing is to be looked up for {client:?}");
    }
}

#[test]
fn a_change_is_learnt_and_told_unless_the_app_is_just_being_set_up() {
    let updated = THUNDERBIRD.replace("authenticate.PLAIN", "AUTHENTICATE.PLAIN");
    let thunderbirds = used_by(&made_for("thunderbird"), THUNDERBIRD, &AT_ONCE);
    let day = Duration::from_secs(24 * 3600);
    for (after, told) in [(day / 2, false), (day, true)] {
        let at = At { now: NOW.plus(after), ..AT_ONCE };
        let Ok(Effect::Learn(lesson)) = comes(&thunderbirds, &seen(&updated), &at) else { panic!("it drifted") };
        assert_eq!(lesson.pin.as_ref().map(|pin| pin.by), Some(PinnedBy::Drift));
        assert_eq!(lesson.was.pins, 1);
        assert_eq!(matches!(&lesson.events[..], [Event::AppLockDrifted { .. }]), told, "{:?}", lesson.events);
    }
    let both = used_by(&thunderbirds, &updated, &AT_ONCE);
    for known in [THUNDERBIRD, &*updated] {
        assert_eq!(comes(&both, &seen(known), &AT_ONCE), Ok(Effect::Use(both.id)));
    }
}

#[test]
fn a_client_in_ever_new_forms_is_not_learnt_without_end() {
    let form = |n: usize| THUNDERBIRD.replace("LIST", &format!("LIST{n}"));
    let mut password = used_by(&made_for("thunderbird"), THUNDERBIRD, &AT_ONCE);
    for n in 0..MOST_A_DAY {
        password = used_by(&password, &form(n), &AT_ONCE);
    }
    assert_eq!(password.pins.len(), MOST_A_DAY + 1);
    let one_more = seen(&form(MOST_A_DAY));
    assert_eq!(comes(&password, &one_more, &AT_ONCE), Ok(Effect::Use(password.id)), "in, and not kept");
    let tomorrow = At { now: NOW.plus(Duration::from_secs(24 * 3600)), ..AT_ONCE };
    assert!(matches!(comes(&password, &one_more, &tomorrow), Ok(Effect::Learn(_))));
}

#[test]
fn an_app_without_a_name_may_begin_otherwise_where_its_owner_has_been() {
    let mutts = used_by(&made_for("mutt"), MUTT, &AT_ONCE);
    let other_folder = MUTT.replace("LIST", "SELECT").replace("CAPABILITY,", "");
    let client = seen(&other_folder);
    assert!(turns_on_whereabouts(&mutts, &client, &catalogue()));
    assert_eq!(comes(&mutts, &client, &AT_ONCE), Err(Reason::OtherApp));
    let home = At { whereabouts: Whereabouts::UsedBefore, ..AT_ONCE };
    assert!(comes(&mutts, &client, &home).is_ok());
    let spoken_otherwise = other_folder.replace("LOGIN.qq", "login.aa");
    assert_eq!(comes(&mutts, &seen(&spoken_otherwise), &home), Err(Reason::OtherApp));
}

#[test]
fn a_message_of_somebody_elses_is_sent_on_by_the_app_and_makes_nobody_the_app() {
    const SENDS_ON: &str = "1;submission;-;-;EHLO.host,PLAIN;Resent";
    let thunderbirds = used_by(&made_for("My mail"), THUNDERBIRD_SENDS, &AT_ONCE);
    assert_eq!(comes(&thunderbirds, &seen(SENDS_ON), &AT_ONCE), Ok(Effect::Use(thunderbirds.id)), "and nothing learnt");
    let spoken_otherwise = SENDS_ON.replace("PLAIN", "LOGIN");
    assert_eq!(comes(&thunderbirds, &seen(&spoken_otherwise), &AT_ONCE), Err(Reason::OtherApp));

    // As a first use it is worth no more than that of an app without a name: it is no tie,
    // and what names itself later comes in where the owner has been.
    let reads = used_by(&made_for("thunderbird"), THUNDERBIRD, &AT_ONCE);
    assert_eq!(comes(&reads, &seen(SENDS_ON), &AT_ONCE), Err(Reason::OtherApp));
    let began_so = used_by(&made_for("My mail"), SENDS_ON, &AT_ONCE);
    for app in [THUNDERBIRD_SENDS, MUTT_SENDS] {
        assert_eq!(comes(&began_so, &seen(app), &AT_ONCE), Err(Reason::OtherApp));
        assert!(turns_on_whereabouts(&began_so, &seen(app), &catalogue()));
        assert!(comes(&began_so, &seen(app), &At { whereabouts: Whereabouts::UsedBefore, ..AT_ONCE }).is_ok());
    }
    assert_eq!(comes(&began_so, &seen(THUNDERBIRD), &AT_ONCE), Err(Reason::OtherApp));
}

#[test]
fn a_mode_says_how_much_the_lock_does() {
    let mutts = used_by(&made_for("mutt"), MUTT, &AT_ONCE);
    let other = seen(THUNDERBIRD);
    let with = |lock| AppPassword { lock, ..mutts.clone() };
    assert_eq!(comes(&with(LockMode::Lock), &other, &AT_ONCE), Err(Reason::OtherApp));
    assert_eq!(comes(&with(LockMode::Watch), &other, &AT_ONCE), Ok(Effect::UseByOther(mutts.id)));
    assert_eq!(comes(&with(LockMode::Off), &other, &AT_ONCE), Ok(Effect::Use(mutts.id)));
    let off = AppPassword { lock: LockMode::Off, ..made_for("mutt") };
    let Ok(Effect::Learn(lesson)) = comes(&off, &other, &AT_ONCE) else { panic!("it is the first use") };
    assert_eq!(lesson.pin, None, "nothing is learnt of the app");
}

#[test]
fn who_has_yet_to_show_itself_is_let_in_only_provisionally() {
    let (account, apps, password) = (account(), catalogue(), made_for("mutt"));
    let door = Door { name: Arc::from("imap"), protocol: Protocol::Imap, needs: "mail".parse().unwrap() };
    let ask = |password: &AppPassword, client: &Client| {
        let (from, whereabouts) = ("192.0.2.7".parse().unwrap(), Whereabouts::New);
        let asking = Asking { account: Some(&account), door: &door, from, now: NOW, client, whereabouts, apps: &apps };
        decide(&asking, Facts::AppPassword(Some(password)))
    };
    assert!(matches!(ask(&password, &Client::ToShow), Verdict::Provisional(_)));
    let off = AppPassword { lock: LockMode::Off, ..password.clone() };
    assert!(matches!(ask(&off, &Client::ToShow), Verdict::Admit(..)));
    let revoked = AppPassword { revoked: Some(NOW), ..password };
    assert!(matches!(ask(&revoked, &Client::ToShow), Verdict::Refuse(_)));
}

#[test]
fn a_password_keeps_so_many_pins_and_the_oldest_go() {
    let pin = |n: usize| Pin {
        signature: signature(&format!("1;imap;-;app{n};a9,LOGIN.qq;LIST")),
        since: NOW,
        from: "192.0.2.7".parse().unwrap(),
        by: PinnedBy::Owner,
    };
    let mut pins: Arc<[Pin]> = Arc::default();
    (0..MOST_PINS + 2).for_each(|n| pins = pins_with(&pins, pin(n)));
    assert_eq!((pins.len(), &pins[0]), (MOST_PINS, &pin(2)));
}
