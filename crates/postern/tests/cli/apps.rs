//! A site's own apps beside those that come with Postern.

use rustix::process::Signal;

use crate::site::Site;

const HERON: &str = "name = \"Grey Heron\"\npublisher = \"us\"\nplatforms = [\"linux\"]\nopens = \"mail\"\n";

fn name_of(site: &Site, app: &str) -> Option<String> {
    let shown = site.run(&["app", "show", app, "--json"]);
    (shown.status == Some(0)).then(|| shown.json()["name"].as_str().unwrap().to_owned())
}

#[test]
fn the_catalogue_is_there_before_there_is_a_site() {
    let site = Site::empty();
    let listed = site.run(&["app", "list", "--json"]).json();
    let ids: Vec<&str> = listed.as_array().unwrap().iter().map(|app| app["app"].as_str().unwrap()).collect();
    assert!(["thunderbird", "davx5", "mutt", "outlook"].iter().all(|app| ids.contains(app)), "{ids:?}");
    assert_eq!(site.run(&["app", "list", "--config", "nowhere.toml"]).status, Some(2), "asked for, and not there");
}

#[test]
fn a_site_has_apps_of_its_own_in_data_or_in_a_folder_that_it_names() {
    let site = Site::with("");
    std::fs::create_dir_all(site.path("data/apps")).unwrap();
    assert_eq!(name_of(&site, "heron"), None);
    site.write("data/apps/heron.toml", HERON);
    assert_eq!(name_of(&site, "heron").as_deref(), Some("Grey Heron"));
    assert_eq!(name_of(&site, "mutt").as_deref(), Some("mutt"));

    std::fs::create_dir(site.path("ours")).unwrap();
    site.write("ours/mutt.toml", &HERON.replace("Grey Heron", "Our mutt"));
    let config = std::fs::read_to_string(site.path("postern.toml")).unwrap();
    site.write("postern.toml", &config.replace("[portal]", "apps = \"ours\"\n[portal]"));
    assert_eq!(name_of(&site, "mutt").as_deref(), Some("Our mutt"));
    assert_eq!(name_of(&site, "heron"), None, "the folder that is named, and no other");

    site.write("ours/heron.toml", &HERON.replace("publisher", "publicher"));
    for command in [&["app", "list"][..], &["account", "list"], &["serve"]] {
        let ended = site.run(command);
        assert_eq!(ended.status, Some(2), "{ended:?}");
        assert!(
            ended.err.contains("ours/heron.toml:2: publicher: unknown key; did you mean \"publisher\"?"),
            "{ended:?}"
        );
    }
    site.write("postern.toml", &config.replace("[portal]", "apps = \"theirs\"\n[portal]"));
    let missing = site.run(&["app", "list"]);
    assert!(missing.status == Some(2) && missing.err.contains("theirs: cannot be read"), "{missing:?}");
}

#[test]
fn a_server_reads_apps_again_when_it_is_told_to_and_keeps_the_old_ones_if_it_cannot() {
    let site = Site::with("");
    let config = std::fs::read_to_string(site.path("postern.toml")).unwrap();
    // Far from the site, where the confined server reads only what it was told of.
    let ours = tempfile::tempdir().unwrap();
    let heron = ours.path().join("heron.toml");
    let apps = format!("apps = {:?}\n[portal]", ours.path());
    site.write("postern.toml", &config.replace("[portal]", &apps));
    let login = ["account", "add", "alice@example.org", "--password-stdin", "--totp"];
    assert_eq!(site.run_with(&login, "the ferry leaves at nine\n").status, Some(0));
    let mut server = site.serve();
    let made = |label| {
        let create =
            ["app-password", "create", "alice", "--label", label, "--app", "heron", "--scope", "mail", "--json"];
        site.run(&create).json()["app_name"].as_str().unwrap().to_owned()
    };
    assert_eq!(made("before"), "heron");
    std::fs::write(&heron, HERON).unwrap();
    server.after(Signal::HUP, "configuration and certificates were read again");
    assert_eq!(made("after"), "Grey Heron");
    std::fs::write(&heron, HERON.replace("linux", "amiga")).unwrap();
    let said = server.after(Signal::HUP, "the old one goes on").to_owned();
    assert!(said.contains("\"amiga\" is no platform"), "{said}");
    assert_eq!(server.stop().0, Some(0));
}
