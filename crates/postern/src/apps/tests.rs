//! What comes with Postern holds together, and knows the clients that were heard.

use super::*;
use authority::{
    Protocol,
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

// What each client of the recorded corpus declared, word for word.
#[test]
fn clients_that_were_heard_are_known_by_what_they_said() {
    use Protocol::{Http, Imap, Submission};
    let catalogue = shipped().unwrap();
    for (protocol, declared, app) in [
        (Imap, "Thunderbird", "thunderbird"),
        (Submission, "Mozilla Thunderbird", "thunderbird"),
        (Http, "Mozilla/5.0 (X11; Linux x86_64; rv:153.0) Gecko/20100101 Thunderbird/153.7.0", "thunderbird"),
        (Http, "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Thunderbird/140.12.0", "thunderbird"),
        (Imap, "alpine", "alpine"),
        (Imap, "OfflineIMAP", "offlineimap"),
        (Imap, "imapflow", "nodejs"),
        (Submission, "Claws Mail 4.1.1 (GTK 3.24.38; x86_64-pc-linux-gnu)", "claws-mail"),
        (Submission, "Evolution 3.46.4-2+deb12u1", "evolution"),
        (Http, "Evolution/3.46.4", "evolution"),
        (Submission, "swaks v20201014.0 jetmore.org/john/code/swaks/", "swaks"),
        (Http, "Python-httplib2/0.20.4 (gzip)", "calcurse"),
        (Http, "curl/7.88.1", "curl"),
        (Http, "davfs2/1.6.1 neon/0.32.5", "davfs2"),
        (Http, "python-caldav/3.6.0", "python"),
        (Http, "Mozilla/5.0", "python"),
        (Http, "node", "nodejs"),
        (Http, "vdirsyncer/0.19.0", "vdirsyncer"),
        (Http, "vdirsyncer/0.21.0", "vdirsyncer"),
    ] {
        let who: Vec<_> = catalogue.who(protocol, declared).map(|app| app.id.as_str()).collect();
        assert!(who.contains(&app), "{declared}: {who:?}");
        assert_eq!(catalogue.objects(&named(app), protocol, Some(declared)), None, "{app} refuses itself: {declared}");
    }
    // Those that said nothing pass as themselves, too.
    for app in ["mutt", "neomutt", "mbsync", "claws-mail", "evolution", "curl", "python"] {
        assert_eq!(catalogue.objects(&named(app), Imap, None), None, "{app}");
    }
    for app in ["mutt", "neomutt", "alpine", "msmtp", "python", "nodejs", "curl"] {
        assert_eq!(catalogue.objects(&named(app), Submission, None), None, "{app}");
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
