//! The rule, on a small catalogue.

use super::*;
use crate::Protocol::{Http, Imap, Pop3, Submission};

fn app(id: &str, doors: Vec<(Protocol, Says)>) -> App {
    App {
        id: id.parse().unwrap(),
        name: AppName::parse(&format!("The {id}")).unwrap(),
        also: vec![],
        publisher: String::new(),
        platforms: vec![],
        opens: "mail".parse().unwrap(),
        doors,
        looks: vec![],
        kin: vec![],
        hints: vec![],
    }
}

fn says(names: &[&str], all: bool, when: When) -> Says {
    let source = Source::Seen("1.0".into());
    let name = |text: &&str| {
        let (text, shared) = text.strip_prefix('*').map_or((*text, false), |text| (text, true));
        Name { text: text.into(), product: Product::of(text).unwrap(), shared, source: source.clone() }
    };
    Says::Names { names: names.iter().map(name).collect(), all, when, source: source.clone() }
}

fn named(name: &str) -> AppName {
    AppName::parse(name).unwrap()
}

/// A bird that always sings, a mute, one of which nothing is known, two brothers, a tool.
fn catalogue() -> Catalogue {
    let mut brother = app(
        "older",
        vec![(Imap, says(&["Brother"], true, When::Always)), (Http, says(&["Older"], true, When::Always))],
    );
    brother.kin.push("younger".parse().unwrap());
    let sings = || says(&["Bird"], true, When::Always);
    let mut bird = app("bird", vec![(Imap, sings()), (Http, sings())]);
    bird.also.push(named("birdie"));
    Catalogue::new(vec![
        bird,
        app(
            "mute",
            vec![(Imap, says(&[], true, When::Sometimes)), (Submission, says(&["Mute"], true, When::Sometimes))],
        ),
        app("riddle", vec![(Imap, Says::Unknown { looked: None }), (Http, says(&["Riddle"], false, When::Sometimes))]),
        brother,
        app("younger", vec![(Imap, says(&["Brother"], true, When::Sometimes))]),
        app(
            "tool",
            vec![(Http, says(&["*tool"], true, When::Always)), (Imap, says(&["*tool"], true, When::Sometimes))],
        ),
    ])
    .unwrap()
}

#[test]
fn a_password_for_one_app_refuses_at_once_what_says_that_it_is_another() {
    let catalogue = catalogue();
    let objection = |made_for: &str, protocol, declared| match catalogue.objects(&named(made_for), protocol, declared) {
        None => "none".to_owned(),
        Some(Objection::Another(app)) => app.id.to_string(),
        Some(Objection::Stranger) => "stranger".to_owned(),
        Some(Objection::Silent) => "silent".to_owned(),
    };
    for (made_for, protocol, declared, wanted) in [
        // Itself, in whatever version and case, and by any of its names.
        ("bird", Imap, Some("Bird"), "none"),
        ("THE BIRD", Imap, Some("bird/153.7"), "none"),
        ("bird", Http, Some("Mozilla/5.0 (X11) Gecko/20100101 Bird/153.7"), "none"),
        // Another one, an unknown one, one that keeps still.
        ("bird", Http, Some("Older/1.0"), "older"),
        ("bird", Imap, Some("Nightingale"), "stranger"),
        ("bird", Imap, None, "silent"),
        ("bird", Imap, Some(" "), "silent"),
        ("mute", Imap, None, "none"),
        ("mute", Imap, Some("Bird"), "bird"),
        ("mute", Imap, Some("Nightingale"), "stranger"),
        // Only what is certain counts where not all is known.
        ("riddle", Imap, Some("Bird"), "bird"),
        ("riddle", Imap, Some("Nightingale"), "none"),
        ("riddle", Imap, None, "none"),
        ("riddle", Http, Some("Nightingale/1"), "none"),
        ("riddle", Http, None, "none"),
        ("bird", Pop3, None, "none"),
        // A library's name is nobody's in particular, except to who knows all its own.
        ("riddle", Imap, Some("tool"), "none"),
        ("riddle", Http, Some("tool/7.54"), "none"),
        ("bird", Http, Some("tool/7.54"), "tool"),
        // Brothers pass for each other, and one of them may be silent.
        ("younger", Imap, Some("Brother"), "none"),
        ("younger", Http, Some("Older/1.0"), "none"),
        ("older", Imap, None, "none"),
        ("older", Http, None, "silent"),
        ("older", Http, Some("Bird/1"), "bird"),
        // An app of the owner's own naming.
        ("my own", Imap, Some("Bird"), "none"),
        ("my own", Imap, None, "none"),
    ] {
        assert_eq!(objection(made_for, protocol, declared), wanted, "{made_for}, {protocol:?}, {declared:?}");
    }
}

#[test]
fn what_a_client_says_is_shown_by_the_catalogues_names_alone() {
    let catalogue = catalogue();
    let name = |protocol: Protocol, declared: &str| {
        catalogue.name_of(&format!("1;{};-;{declared};-;-", protocol.name()).parse().unwrap())
    };
    assert_eq!(name(Imap, "bird").as_deref(), Some("The bird"));
    assert_eq!(name(Imap, "brother").as_deref(), Some("The older or The younger"));
    assert_eq!(name(Imap, "bird <a href=//evil>"), None);
    assert_eq!(name(Submission, "bird"), None, "it was never heard to say so there");
    for (kept, shown) in [("bird", "The bird"), ("the BIRD", "The bird"), ("Birdie", "Birdie"), ("my own", "my own")] {
        assert_eq!(catalogue.shown(&named(kept)), shown);
    }
}

#[test]
fn a_client_without_a_name_is_called_what_it_looks_like_and_that_decides_nothing() {
    let looking = |id: &str, form, opening| {
        let mut app = app(id, vec![(Imap, says(&[id], true, When::Sometimes))]);
        app.looks.push(Looks { look: Look::new(Imap, form, opening).unwrap(), source: Source::Seen("1".into()) });
        app
    };
    let catalogue = Catalogue::new(vec![
        looking("bird", "a9,LOGIN.qq", Some("ENABLE,LIST.ee")),
        looking("wren", "a9,LOGIN.qq", Some("ENABLE,LIST.ee")),
        looking("any", "hex8,LOGIN.aa", None),
    ])
    .unwrap();
    const TLS: &str = "13-723694b0fccc-2f1c0b5e9ad4-5671b5";
    for (client, name) in [
        ("1;imap;-;-;a9,LOGIN.qq;ENABLE,LIST.ee", Some("The bird or The wren")),
        // Where its user looks first, and its library, are not what it looks like.
        (&format!("1;imap;{TLS};-;a9,LOGIN.q~;ENABLE,SELECT.a"), Some("The bird or The wren")),
        ("1;imap;-;-;hex8,LOGIN.aa;SELECT.a", Some("The any")),
        // Nor is what it says only to a server that can do it.
        ("1;imap;-;-;a9,LOGIN.qq;NAMESPACE,LIST.ee", Some("The bird or The wren")),
        ("1;imap;-;-;a9,LOGIN.qq;ID,LIST.ee", None),
        ("1;imap;-;-;a9,LOGIN.qq;-", None),
        ("1;imap;-;-;A9,LOGIN.qq;ENABLE,LIST.ee", None),
        ("1;pop3;-;-;a9,LOGIN.qq;ENABLE,LIST.ee", None),
        // What it says counts before how it looks, be it a name that nobody knows.
        ("1;imap;-;nightingale;a9,LOGIN.qq;ENABLE,LIST.ee", None),
    ] {
        let client: Signature = client.parse().unwrap();
        assert_eq!(catalogue.name_of(&client).as_deref(), name, "{client}");
    }
    let looks = catalogue.find(&named("any")).unwrap().clone();
    let blind = App { looks: vec![], ..looks.clone() };
    let [seeing, blind] = [looks, blind].map(|app| Catalogue::new(vec![app, self::app("bird", vec![])]).unwrap());
    for declared in [None, Some("bird"), Some("wren")] {
        let objection = |apps: &Catalogue| format!("{:?}", apps.objects(&named("any"), Imap, declared));
        assert_eq!(objection(&seeing), objection(&blind));
    }
    assert!(Look::new(Imap, "a;b", None).is_err() && Look::new(Imap, "-", None).is_err());
    assert!(Look::new(Imap, "", None).is_err() && Look::new(Imap, "a", Some("")).is_err());
}

#[test]
fn kin_is_mutual() {
    let catalogue = catalogue();
    let kin = |one, other| catalogue.are_kin(&named(one), &named(other));
    assert!(kin("older", "younger") && kin("The Younger", "older") && kin("bird", "the bird"));
    assert!(!kin("older", "bird") && !kin("older", "my own") && kin("my own", "My Own"));
}

#[test]
fn apps_that_contradict_each_other_are_told_apart_or_refused() {
    let sings = |names: &[&str]| vec![(Imap, says(names, true, When::Always))];
    let error = |apps| Catalogue::new(apps).unwrap_err();
    let same = error(vec![app("bird", sings(&["Bird"])), app("other", sings(&["bird/2"]))]);
    assert!(matches!(same, NotACatalogue::SameWords(..)) && same.to_string().contains("kin"), "{same}");
    let one_is_a_library = error(vec![app("bird", sings(&["Bird"])), app("other", sings(&["*bird"]))]);
    assert!(matches!(one_is_a_library, NotACatalogue::SameWords(..)), "{one_is_a_library}");
    assert!(Catalogue::new(vec![app("bird", sings(&["*Bird"])), app("other", sings(&["*bird"]))]).is_ok());

    let mut twin = app("twin", sings(&[]));
    twin.also.push(named("BIRD"));
    assert!(matches!(error(vec![app("bird", sings(&["Bird"])), twin]), NotACatalogue::SameName(..)));
    let mut orphan = app("orphan", vec![]);
    orphan.kin.push("nobody".parse().unwrap());
    assert_eq!(error(vec![orphan]), NotACatalogue::NoKin("orphan".parse().unwrap(), "nobody".parse().unwrap()));
}
