//! The command line as a contract: shapes, exit statuses, remedies.

use e2e::{PRIMARY, Site};

const ALICE: &str = "alice@example.org";

#[test]
fn commands_work_without_a_server_and_print_what_the_contract_says() {
    let site = Site::new(9, 9, "").unwrap();
    let added =
        site.cli(&["account", "add", ALICE, "--password-stdin", "--totp", "--json"], &format!("{PRIMARY}\n")).unwrap();
    assert_eq!(added.status, Some(0), "{added:?}");
    let json = added.json();
    assert_eq!(json["login"], ALICE);
    assert!(json["totp_uri"].as_str().unwrap().starts_with("otpauth://totp/"));
    assert_eq!(json["recovery_codes"].as_array().unwrap().len(), 10);

    let arguments = [
        "app-password",
        "create",
        ALICE,
        "--label",
        "Laptop",
        "--app",
        "thunderbird",
        "--scope",
        "mail,calendars",
        "--expires",
        "90d",
        "--network",
        "192.0.2.0/24",
        "--json",
    ];
    let made = site.cli(&arguments, "").unwrap().json();
    for key in ["id", "secret", "app", "label", "scopes", "login"] {
        assert!(!made[key].is_null(), "{key}: {made}");
    }
    assert_eq!(made["scopes"], serde_json::json!(["mail", "calendars"]));

    let listed = site.cli(&["app-password", "list", "alice", "--json"], "").unwrap();
    assert!(!listed.out.contains(made["secret"].as_str().unwrap()), "shown once");
    assert_eq!(listed.json()[0]["state"], "waiting");
    let table = site.cli(&["app-password", "list", "alice"], "").unwrap().out;
    assert!(table.contains("LABEL") && table.contains("Laptop") && !table.contains('\u{1b}'), "{table}");
    assert_eq!(site.cli(&["audit", "verify", "--json"], "").unwrap().json()["lines"], 2);
}

#[test]
fn an_account_without_password_gets_a_one_time_code_for_the_portal() {
    let site = Site::new(9, 9, "").unwrap();
    let json = site.cli(&["account", "add", ALICE, "--json"], "").unwrap().json();
    let url = json["setup_url"].as_str().unwrap();
    assert!(url.ends_with("/set-up"), "no secret in an address: {url}");
    assert_eq!(json["setup_code"].as_str().unwrap().len(), 11);
}

#[test]
fn what_goes_wrong_says_what_to_do_and_how_bad_it_is() {
    let site = Site::new(9, 9, "").unwrap();
    site.account(ALICE).unwrap();
    for (arguments, input, status, told) in [
        (
            &["account", "show", "nobody"][..],
            "",
            1,
            "there is no account nobody@example.org: see `postern account list`",
        ),
        (&["account", "add", ALICE], "", 1, "belongs to an account already"),
        (&["account", "add", "bob@example.org", "--password-stdin"], "short\n", 1, "use at least 12 characters"),
        (
            &["account", "add", "bob@example.org", "--password-stdin"],
            "abcd-efgh-ijkl-mnop-qrst-uvwx\n",
            1,
            "shape of an app password",
        ),
        (&["account", "add", "al*ice@example.org"], "", 2, "servers behind would misread"),
        (&["app-password", "create", ALICE, "--label", "x", "--app", "y", "--scope", "mial:x"], "", 2, "is no scope"),
        (
            &["app-password", "create", ALICE, "--label", "x", "--app", "y", "--scope", ""],
            "",
            1,
            "choose at least one thing",
        ),
        (&["app-password", "revoke", "aaaaaaaaaaaaaaaa"], "", 1, "there is no app password"),
        (&["app-password", "revoke", "nonsense"], "", 2, "not an id"),
        (&["account", "resume", ALICE], "", 1, "is active already"),
        (&["no-such-command"], "", 2, "unrecognized subcommand"),
    ] {
        let output = site.cli(arguments, input).unwrap();
        assert_eq!(output.status, Some(status), "{arguments:?}: {output:?}");
        assert!(output.err.contains(told), "{arguments:?}\n  said {}\n  want {told}", output.err);
        assert!(output.out.is_empty(), "{arguments:?}: {}", output.out);
    }
}

#[test]
fn a_mistake_in_the_configuration_is_usage() {
    let site = Site::new(9, 9, "[dirve]\n").unwrap();
    for arguments in [&["serve"][..], &["account", "list"]] {
        let output = site.cli(arguments, "").unwrap();
        assert_eq!(output.status, Some(2), "{output:?}");
        assert!(output.err.contains("dirve: unknown key; did you mean \"drive\"?"), "{}", output.err);
    }
}

#[test]
fn keys_that_were_lost_are_not_made_anew() {
    let site = Site::new(9, 9, "").unwrap();
    site.account(ALICE).unwrap();
    std::fs::remove_file(site.path("data/keys/server.key")).unwrap();
    let output = site.cli(&["account", "list"], "").unwrap();
    assert_eq!(output.status, Some(3), "{output:?}");
    assert!(output.err.contains("put it back from the backup"), "{}", output.err);
}

#[test]
fn doctor_says_what_is_wrong_and_what_to_do() {
    let site = Site::new(9, 9, "").unwrap();
    site.account(ALICE).unwrap();
    let output = site.cli(&["doctor", "--json"], "").unwrap();
    assert_eq!(output.status, Some(1), "the servers behind are down: {output:?}");
    let findings = output.json();
    let down = findings.as_array().unwrap().iter().filter(|finding| finding["verdict"] == "fail");
    assert!(down.clone().count() >= 1, "{findings}");
    for finding in down {
        assert!(!finding["remedy"].as_str().unwrap_or_default().is_empty(), "{finding}");
    }
}

#[test]
fn doctor_finds_a_sound_site_sound() {
    let world = crate::World::start();
    world.postern.account(ALICE).unwrap();
    let output = world.postern.cli(&["doctor", "--json"], "").unwrap();
    let findings = output.json();
    let grave: Vec<_> = findings.as_array().unwrap().iter().filter(|finding| finding["verdict"] == "fail").collect();
    assert!(output.status == Some(0) && grave.is_empty(), "{grave:?}");
    for check in
        ["configuration", "certificate", "store", "clock", "upstream imap", "upstream dav", "past imap", "past dav"]
    {
        assert!(findings.as_array().unwrap().iter().any(|finding| finding["check"] == check), "{check}: {findings}");
    }
}
