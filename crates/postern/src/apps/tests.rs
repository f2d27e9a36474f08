//! What comes with Postern holds together, and knows the clients that were heard.

use std::collections::BTreeMap;

use super::*;
use authority::{
    Protocol, Signature,
    catalogue::{Objection, Says},
};

fn named(name: &str) -> AppName {
    AppName::parse(name).unwrap()
}

/// An own folder with these files.
fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        fs::write(folder.path().join(name), text).unwrap();
    }
    folder
}

const HERON: &str = "name = \"Heron\"\npublisher = \"us\"\nplatforms = [\"linux\"]\nopens = \"mail\"\n";

#[test]
fn every_file_of_the_folder_is_built_in() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../apps");
    let files = own_files(&folder).unwrap();
    let mut stems: Vec<_> = files.iter().map(|(path, _)| path.file_stem().unwrap().to_str().unwrap()).collect();
    stems.sort_unstable();
    assert_eq!(stems, shipped_ids().collect::<Vec<_>>(), "correct the list in shipped.rs");
}

#[test]
fn the_shipped_apps_do_not_contradict_each_other() {
    let catalogue = shipped().unwrap();
    assert_eq!(catalogue.iter().len(), SHIPPED.len());
    for app in catalogue.iter() {
        assert!(!app.opens.is_empty() && !app.doors.is_empty() && !app.platforms.is_empty(), "{}", app.id);
        assert!(app.hints.iter().all(|hint| hint.ends_with('.')), "{}: a hint is a sentence", app.id);
    }
}

/// A recorded connection: the client's name in the corpus, and what it declared.
struct Heard {
    client: String,
    protocol: Protocol,
    declared: Option<String>,
    /// A refused client has had no occasion to give its name, or to send a message.
    was_let_in: bool,
}

fn corpus() -> Vec<Heard> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../protocols/tests/corpus");
    let files = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let recordings = files.filter(|path| path.extension().is_some_and(|extension| extension == "json"));
    recordings.map(|path| heard(&serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap())).collect()
}

fn heard(recording: &serde_json::Value) -> Heard {
    let text = |key: &str| recording[key].as_str().unwrap().to_owned();
    let chunks = recording["client_chunks"].as_array().unwrap();
    let said: String = chunks.iter().map(|chunk| chunk[1].as_str().unwrap()).collect();
    let (protocol, declared) = match text("protocol").split('-').next().unwrap() {
        "imaps" | "imap" => (Protocol::Imap, between(&said, " ID (\"name\" \"", "\"")),
        "smtps" | "submission" => {
            let headers = ["\nUser-Agent: ", "\nX-Mailer: "];
            (Protocol::Submission, headers.iter().find_map(|header| between(&said, header, "\r")))
        }
        _ => (Protocol::Http, between(&said.replace("user-agent", "User-Agent"), "\nUser-Agent: ", "\r")),
    };
    Heard { client: text("client"), protocol, declared, was_let_in: text("variant") != "badpw" }
}

fn between(text: &str, before: &str, after: &str) -> Option<String> {
    Some(text.split_once(before)?.1.split_once(after)?.0.to_owned())
}

/// The entry that a client of the corpus belongs to.
fn entry_of(client: &str) -> &str {
    match client {
        "thunderbird140" => "thunderbird",
        "calcurse-caldav" => "calcurse",
        "vdirsyncer-new" => "vdirsyncer",
        "imaplib" | "py-caldav" | "py-caldav-old" => "python",
        "imapflow" | "imapflow-old" | "nodemailer" | "nodemailer-old" | "tsdav" => "nodejs",
        own => own,
    }
}

#[test]
fn every_recorded_client_is_known_by_what_it_says_and_not_refused_as_itself() {
    let catalogue = shipped().unwrap();
    let corpus = corpus();
    assert!(corpus.len() > 300, "the recordings are not there");
    for Heard { client, protocol, declared, was_let_in } in &corpus {
        let app = entry_of(client);
        if let Some(declared) = declared {
            let who: Vec<_> = catalogue.who(*protocol, declared).map(|app| app.id.as_str()).collect();
            assert!(who.contains(&app), "{client} says {declared:?}, which is {who:?}");
        } else if !was_let_in {
            continue;
        }
        let objection = catalogue.objects(&named(app), *protocol, declared.as_deref());
        assert_eq!(objection, None, "{client} at {protocol:?}, saying {declared:?}");
    }
}

/// What our decoders see of the recordings: the client's entry, and its signature.
fn signatures() -> Vec<(String, Signature)> {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../protocols/tests/corpus/signatures.txt");
    let text = fs::read_to_string(file).unwrap();
    let line = |line: &str| {
        let (name, signature) = line.split_once(' ').unwrap();
        let driven = name.split('_').next().unwrap();
        let client = driven.strip_suffix("-badpw").or(driven.strip_suffix("-nocap")).unwrap_or(driven);
        (entry_of(client).to_owned(), signature.parse().unwrap())
    };
    text.lines().map(line).collect()
}

#[test]
fn a_recorded_client_that_says_no_name_is_called_by_its_own_or_its_kins() {
    let catalogue = shipped().unwrap();
    let mut silent = BTreeMap::new();
    for (entry, seen) in signatures() {
        let app = catalogue.find(&named(&entry)).unwrap();
        let kin = catalogue.iter().filter(|other| catalogue.are_kin(&app.name, &other.name));
        let kin: Vec<&str> = kin.map(|other| other.name.as_str()).collect();
        // Who names itself is tried without its name as well: nobody is taken for it.
        let parts: Vec<&str> = seen.as_str().split(';').collect();
        let mute: Signature = [&parts[..3], &["-"], &parts[4..]].concat().join(";").parse().unwrap();
        let name = catalogue.name_of(&mute);
        for name in name.iter().flat_map(|names| names.split(" or ")) {
            assert!(kin.contains(&name), "{entry} is called {name}: {seen}");
        }
        // Who was refused the password itself has done nothing yet, and is not asked about.
        if seen.declared().is_none() && !seen.opening().is_empty() {
            assert!(name.is_some(), "{entry} has no name: {seen}");
            silent.insert((entry, seen.protocol().name()), name.unwrap());
        }
    }
    let silent: Vec<String> = silent.iter().map(|((app, at), name)| format!("{app} at {at}: {name}")).collect();
    assert_eq!(
        silent,
        [
            "alpine at submission: Alpine",
            "claws-mail at imap: Claws Mail",
            "curl at imap: curl",
            "curl at submission: curl",
            "evolution at imap: Evolution",
            "mbsync at imap: mbsync",
            "msmtp at submission: msmtp",
            "mutt at imap: mutt or NeoMutt",
            "mutt at submission: mutt",
            "neomutt at imap: mutt or NeoMutt",
            "neomutt at submission: NeoMutt",
            "nodejs at submission: Node.js program",
            "python at imap: Python script",
            "python at submission: Python script",
        ]
    );
}

// How far the catalogue gets alone, before there is any pin to compare with.
#[test]
fn much_of_what_is_tried_in_another_app_is_refused_by_name_alone() {
    let catalogue = shipped().unwrap();
    for (protocol, wanted) in [(Protocol::Imap, 50), (Protocol::Submission, 30), (Protocol::Http, 70)] {
        let mut heard: Vec<(&str, Option<String>)> = Vec::new();
        for one in corpus().into_iter().filter(|one| one.protocol == protocol && one.was_let_in) {
            let entry = catalogue.find(&named(entry_of(&one.client))).unwrap().id.as_str();
            if !heard.contains(&(entry, one.declared.clone())) {
                heard.push((entry, one.declared));
            }
        }
        let pairs = || heard.iter().flat_map(|one| heard.iter().map(move |other| (one.0, other)));
        let others: Vec<_> = pairs().filter(|(app, (other, _))| app != other).collect();
        let refused = |(app, (_, declared)): &&(&str, &(&str, Option<String>))| {
            catalogue.objects(&named(app), protocol, declared.as_deref()).is_some()
        };
        let share = 100 * others.iter().filter(refused).count() / others.len();
        assert!(share >= wanted, "{share} percent at {protocol:?}, of {} pairs", others.len());
    }
}

// No capture of these is at hand: their strings come from public sources.
#[test]
fn apps_of_other_systems_are_known_by_public_strings() {
    use Protocol::{Http, Imap, Submission};
    let catalogue = shipped().unwrap();
    for (protocol, declared, app) in [
        (Imap, "Mac OS X Mail", "apple-mail"),
        (Imap, "com.apple.email.maild", "apple-mail"),
        (Submission, "iPhone Mail (22F76)", "apple-mail"),
        (Http, "iOS/26.5 (23F77) accountsd/1.0", "apple-calendar"),
        (Http, "iOS/26.5 (23F77) dataaccessd/1.0", "apple-contacts"),
        (Http, "macOS/15.2 (24C101) dataaccessd/1.0", "apple-calendar"),
        (Http, "Mac OS X/10.8 (12A269) CalendarAgent/47", "apple-calendar"),
        (Http, "DAVx5/4.4.4-ose (dav4jvm; okhttp/4.12.0) Android/8.1.0", "davx5"),
        (Http, "DAVx5/4.5.19-ose (at.bitfire.davdroid)", "davx5"),
        (Http, "eMClient/10.1.4828.0", "em-client"),
        (Http, "CalDavSynchronizer/4.4", "outlook-caldav-synchronizer"),
        (Http, "KDE DAV groupware client", "kmail"),
        (Http, "curl/7.54", "onecalendar"),
        (Http, "WebDAVFS/3.0.0 (03008000) Darwin/24.6.0 (arm64)", "finder"),
        (Imap, "K-9 Mail", "k-9"),
        (Imap, "Thunderbird for Android", "thunderbird-android"),
        (Imap, "Kontact IMAP Resource", "kmail"),
        (Submission, "K-9 Mail for Android", "k-9"),
        (Submission, "Microsoft Outlook 16.0", "outlook"),
        (Submission, "geary/44.1", "geary"),
        (Submission, "Roundcube Webmail/1.4.13", "roundcube"),
        // As signatures have them: without makers, and without what parts a signature.
        (Submission, "outlook", "outlook"),
        (Http, "mac_os_x", "apple-calendar"),
    ] {
        let who: Vec<_> = catalogue.who(protocol, declared).map(|app| app.id.as_str()).collect();
        assert!(who.contains(&app), "{declared}: {who:?}");
        assert_eq!(catalogue.objects(&named(app), protocol, Some(declared)), None, "{app}: {declared}");
    }
    // One iPhone's account is one password, whichever of its daemons asks.
    assert_eq!(catalogue.objects(&named("Apple Mail"), Http, Some("iOS/26.5 (23F77) dataaccessd/1.0")), None);
    // The end of what it says does not make it an iPhone.
    assert_eq!(catalogue.who(Http, "CalDAV-Sync (Android) (like iOS/5.0.1 (9A405) dataaccessd/1.0)").count(), 0);
}

#[test]
fn a_password_for_thunderbird_refuses_others_from_its_first_use() {
    use Protocol::{Http, Imap, Submission};
    let catalogue = shipped().unwrap();
    let objection = |protocol, declared| catalogue.objects(&named("thunderbird"), protocol, declared);
    let another = |protocol, declared| match objection(protocol, Some(declared)) {
        Some(Objection::Another(app)) => app.name.to_string(),
        other => format!("{other:?}"),
    };
    assert_eq!(another(Imap, "K-9 Mail"), "K-9 Mail");
    assert_eq!(another(Imap, "Thunderbird for Android"), "Thunderbird for Android");
    assert_eq!(another(Http, "DAVx5/4.4.4-ose"), "DAVx5");
    assert_eq!(another(Submission, "Mutt/2.2.14 (2025-02-20)"), "mutt");
    assert_eq!(objection(Imap, None), Some(Objection::Silent));
    assert_eq!(objection(Imap, Some("Thunderbolt")), Some(Objection::Stranger));
    assert_eq!(objection(Submission, None), None);
}

#[test]
fn a_site_adds_apps_and_puts_its_own_in_place_of_ours() {
    let own = folder(&[
        ("heron.toml", HERON),
        (
            "mutt.toml",
            "name = \"Our mutt\"\npublisher = \"us\"\nplatforms = [\"linux\"]\nopens = \"mail\"\n[imap]\nsays = \"always\"\nseen = \"ours\"\nnames = [{ name = \"OurMutt\", seen = \"ours\" }]\n",
        ),
        ("README.md", "not an app"),
    ]);
    let catalogue = with_folder(own.path()).unwrap();
    assert_eq!(catalogue.iter().len(), SHIPPED.len() + 1);
    assert_eq!(catalogue.find(&named("heron")).unwrap().name.as_str(), "Heron");
    let mutt = catalogue.find(&named("mutt")).unwrap();
    assert_eq!(mutt.name.as_str(), "Our mutt");
    assert!(matches!(mutt.says(Protocol::Submission), Says::Unknown { .. }));
    assert_eq!(catalogue.objects(&named("mutt"), Protocol::Imap, None), None, "neomutt is its kin, and may be silent");
}

#[test]
fn the_example_of_the_documentation_is_read() {
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/apps.md");
    let docs = fs::read_to_string(docs).unwrap();
    let example = docs.split("```toml\n").nth(1).unwrap().split("```").next().unwrap();
    let own = folder(&[("heron.toml", example), ("egret.toml", &HERON.replace("Heron", "Egret"))]);
    let catalogue = with_folder(own.path()).unwrap();
    assert_eq!(catalogue.objects(&named("Grey Heron"), Protocol::Imap, Some("Egret")), Some(Objection::Stranger));
    assert_eq!(catalogue.objects(&named("egret"), Protocol::Imap, Some("Heron")), None, "they are kin");
}

#[test]
fn what_is_wrong_with_a_file_names_the_file_the_key_and_the_remedy() {
    let door = |text: &str| format!("{HERON}[imap]\n{text}\n");
    for (name, text, wanted) in [
        (
            "heron.toml",
            HERON.replace("publisher", "publicher"),
            "heron.toml:2: publicher: unknown key; did you mean \"publisher\"?",
        ),
        ("heron.toml", HERON.replace("opens = \"mail\"\n", ""), "missing field `opens`"),
        (
            "heron.toml",
            HERON.replace("linux", "amiga"),
            "heron.toml:3: platforms: \"amiga\" is no platform: write linux",
        ),
        ("heron.toml", HERON.replace("\"mail\"", "\"Mail\""), "heron.toml:4: opens: \"Mail\" is no scope"),
        (
            "heron.toml",
            door("says = \"often\""),
            "heron.toml:6: says: unknown variant `often`, expected one of `always`",
        ),
        ("heron.toml", door("says = \"always\"\nseen = \"1\""), "[imap] says = \"always\" needs names"),
        (
            "heron.toml",
            door("says = \"sometimes\"\nseen = \"1\"\nnames = [{ name = \"Heron\" }]"),
            "[imap] name \"Heron\": where is it from?",
        ),
        (
            "heron.toml",
            door(
                "says = \"always\"\nseen = \"1\"\nnames = [{ name = \"Heron\", seen = \"1\" }]\nlooks = [{ form = \"9,LOGIN.aa\", seen = \"1\" }]",
            ),
            "[imap] looks are of apps that may say nothing",
        ),
        (
            "heron.toml",
            door("says = \"unknown\"\nlooks = [{ form = \"9,LOGIN.aa\" }]"),
            "[imap] looks \"9,LOGIN.aa\": where is it from?",
        ),
        (
            "heron.toml",
            door("says = \"unknown\"\nlooks = [{ form = \"9;LOGIN\", seen = \"1\" }]"),
            "[imap] looks \"9;LOGIN\": form and opening are parts of a signature",
        ),
        (
            "heron.toml",
            door("says = \"unknown\"\nlooks = [{ from = \"9,LOGIN.aa\", seen = \"1\" }]"),
            "heron.toml:7: from: unknown key; did you mean \"form\"?",
        ),
        ("heron.toml", door("says = \"nothing\""), "[imap] says: where is it from?"),
        ("heron.toml", door("says = \"unknown\"\nnames = [{ name = \"Heron\", seen = \"1\" }]"), "write \"sometimes\""),
        (
            "heron.toml",
            door("says = \"always\"\nseen = \"1\"\nnames = [{ name = \"Thunderbird\", seen = \"1\" }]"),
            "both say \"thunderbird\" at imap: name one as the other's kin",
        ),
        ("heron.toml", HERON.replace("Heron", "DAVx5"), "are both called \"davx5\": give one of them another name"),
        ("heron.toml", format!("kin = [\"egret\"]\n{HERON}"), "heron has egret for kin, and there is no such app"),
        ("He ron.toml", HERON.to_owned(), "the file's name: \"He ron\" is no short name of an app"),
    ] {
        let own = folder(&[(name, &text)]);
        let error = with_folder(own.path()).unwrap_err().to_string();
        assert!(error.contains(wanted) && error.contains(name), "{wanted}\n{error}");
    }
}

#[test]
fn a_slip_of_the_pen_is_told_and_a_name_of_ones_own_is_not() {
    let catalogue = shipped().unwrap();
    for (typed, meant) in
        [("thunderbrid", "--app thunderbird"), ("Evolutoin", "--app evolution"), ("davx6", "--app davx5")]
    {
        let told = near_miss(&catalogue, &named(typed)).unwrap();
        assert!(told.ends_with(meant), "{told}");
    }
    for own in ["thunderbird", "K-9 Mail", "khal", "scanner in the hall", "my own", "x", "y"] {
        assert_eq!(near_miss(&catalogue, &named(own)), None, "{own}");
    }
}
