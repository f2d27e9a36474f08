//! Clients that lie, stutter, or hide commands in text.

use e2e::{Dovecot, Postern, Postfix, Site};

use super::{
    apps::{ALICE, IN_THE_INBOX},
    by_hand::{Lines, comes_in, comes_in_by_another_library, password, pins, says_at_once, show},
};

/// What Thunderbird says, up to its way of asking for folders.
const THUNDERBIRD: Lines<'_> = &[
    "1 AUTHENTICATE PLAIN BASE64",
    "2 ID (\"name\" \"Thunderbird\" \"version\" \"153.7.0\")",
    "3 LIST (SUBSCRIBED) \"\" \"*\"",
];
/// What mutt says, and with it that it is Thunderbird.
const MUTT_LYING: Lines<'_> =
    &["a0000 LOGIN \"alice\" \"SECRET\"", "a0001 ID (\"name\" \"Thunderbird\")", "a0002 LIST \"\" \"\""];

struct Scene {
    postern: Postern,
    _behind: (Dovecot, Postfix),
}

impl Scene {
    fn start() -> Self {
        let (dovecot, postfix) = (Dovecot::start().unwrap(), Postfix::start().unwrap());
        let site = Site::new(dovecot.port, 9, "").unwrap();
        let site = site.with_submission(postfix.port, "handover = { kind = \"xclient\" }").unwrap();
        site.account(ALICE).unwrap();
        dovecot.deliver(ALICE, IN_THE_INBOX).unwrap();
        Self { postern: site.serve().unwrap(), _behind: (dovecot, postfix) }
    }

    /// A password for Thunderbird, which has used it.
    fn used_by_thunderbird(&self) -> (String, String) {
        let (id, secret) = password(&self.postern, "Thunderbird");
        assert!(self.comes_in(&secret, THUNDERBIRD), "{:#}", show(&self.postern, &id));
        (id, secret)
    }

    fn comes_in(&self, secret: &str, lines: Lines<'_>) -> bool {
        comes_in(self.postern.imap, &self.postern, secret, &with_plain(lines, secret))
    }
}

/// With SASL's PLAIN where the lines have it.
fn with_plain<'l>(lines: Lines<'l>, secret: &str) -> Vec<&'l str> {
    let plain = data_encoding::BASE64.encode(format!("\0alice\0{secret}").as_bytes());
    lines
        .iter()
        .map(|line| if line.contains("BASE64") { &*line.replace("BASE64", &plain).leak() } else { *line })
        .collect()
}

#[test]
fn a_client_that_names_itself_twice_is_neither() {
    let scene = Scene::start();
    let (id, secret) = scene.used_by_thunderbird();
    let twice = |second: &'static str| [THUNDERBIRD[0], THUNDERBIRD[1], second, THUNDERBIRD[2]];
    assert!(!scene.comes_in(&secret, &twice("2b ID (\"name\" \"Spark\")")));
    assert!(!scene.comes_in(
        &secret,
        &["1 AUTHENTICATE PLAIN BASE64", "2 ID (\"name\" \"mutt\")", THUNDERBIRD[1], THUNDERBIRD[2]]
    ));
    assert!(scene.comes_in(&secret, THUNDERBIRD));
    assert_eq!(pins(&scene.postern, &id).len(), 1);

    // The same name twice is one, in whatever version.
    assert!(scene.comes_in(&secret, &twice("2b ID (\"name\" \"Thunderbird\" \"version\" \"154.0\")")));

    // Nor is it the one that a new password was made for.
    let (id, secret) = password(&scene.postern, "Thunderbird");
    assert!(!scene.comes_in(&secret, &twice("2b ID (\"name\" \"Spark\")")));
    assert!(pins(&scene.postern, &id).is_empty());
    assert!(scene.comes_in(&secret, THUNDERBIRD));
}

#[test]
fn a_borrowed_name_is_not_enough_and_a_borrowed_library_beside_it_is() {
    let scene = Scene::start();
    let (id, secret) = scene.used_by_thunderbird();
    // Thunderbird's name, in mutt's words, from another TLS library.
    let imap = scene.postern.imap;
    assert!(!comes_in_by_another_library(imap, &scene.postern, &secret, MUTT_LYING));
    assert_eq!(pins(&scene.postern, &id).len(), 1);
    // Thunderbird's words with it: an update may look like this, and so does who copies them.
    let lines = with_plain(THUNDERBIRD, &secret);
    assert!(comes_in_by_another_library(imap, &scene.postern, &secret, &lines));
    // And no name at all is none.
    assert!(!scene.comes_in(&secret, &[THUNDERBIRD[0], THUNDERBIRD[2]]));

    // At its first use nothing but the name is known of the app: docs/app-lock.md says so.
    let (_, secret) = password(&scene.postern, "Thunderbird");
    assert!(comes_in_by_another_library(imap, &scene.postern, &secret, MUTT_LYING));
}

#[test]
fn text_that_looks_like_commands_is_text() {
    let scene = Scene::start();
    let site = &scene.postern;
    let says = |lines: &str| says_at_once(site.imap, site, lines);
    let name = "x ID (\"name\" \"Thunderbird\")\r\n";

    // In a message: the first command is APPEND, and nobody has given a name.
    let (id, secret) = password(site, "my own script");
    let append = format!("a LOGIN alice \"{secret}\"\r\nb APPEND INBOX {{{}+}}\r\n{name}\r\nc LOGOUT\r\n", name.len());
    let said = says(&append);
    assert!(said.contains("\nb OK") && !said.contains("\nx "), "{said}");
    let [signature] = &pins(site, &id)[..] else { panic!("{:#}", show(site, &id)) };
    assert!(signature.ends_with(";APPEND.al") && signature.contains(";-;"), "{signature}");
    // As a password for Thunderbird needs one.
    let (id, secret) = password(site, "Thunderbird");
    let append = append.replace("LOGIN alice", "LOGIN  alice").replace(append.split('"').nth(1).unwrap(), &secret);
    assert!(!says(&append).contains("\nb OK"));
    assert!(pins(site, &id).is_empty());

    // In a name: a literal is no way to hide one, and ends the waiting.
    let (id, secret) = password(site, "Thunderbird");
    let said = says(&format!(
        "a LOGIN alice \"{secret}\"\r\nb ID (\"name\" {{4+}}\r\nmutt)\r\nc LIST \"\" \"*\"\r\nd LOGOUT\r\n"
    ));
    assert!(!said.contains("\nb OK") && !said.contains("\nc OK"), "{said}");
    assert!(pins(site, &id).is_empty());

    // In the body of a message that is sent, and in a field that goes on.
    let plain = data_encoding::BASE64.encode(format!("\0alice\0{}", password_for_a_script(site).1).as_bytes());
    let said = says_at_once(
        site.submission,
        site,
        &format!(
            "EHLO laptop.example\r\nAUTH PLAIN {plain}\r\nMAIL FROM:<{ALICE}>\r\nRCPT TO:<bob@example.org>\r\nDATA\r\n\
         Subject: one\r\n User-Agent: Mozilla Thunderbird\r\nFrom: {ALICE}\r\n\r\nUser-Agent: Mozilla Thunderbird\r\n.\r\nQUIT\r\n"
        ),
    );
    assert!(said.contains("\n221 ") || said.contains("221 2"), "{said}");
    let all = site.cli(&["app-password", "list", ALICE, "--json"], "").unwrap().json();
    let made_last = all.as_array().unwrap().iter().find(|one| one["label"] == "script").unwrap();
    let signatures = pins(site, made_last["id"].as_str().unwrap());
    assert!(
        signatures.len() == 1 && signatures[0].contains(";-;EHLO.name,") && signatures[0].ends_with(";SF"),
        "{signatures:?}"
    );
}

fn password_for_a_script(site: &Site) -> (String, String) {
    let made = site
        .cli(
            &[
                "app-password",
                "create",
                ALICE,
                "--label",
                "script",
                "--app",
                "script",
                "--scope",
                "mail:send",
                "--json",
            ],
            "",
        )
        .unwrap()
        .json();
    let text = |key: &str| made[key].as_str().unwrap().to_owned();
    (text("id"), text("secret"))
}
