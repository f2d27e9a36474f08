use super::*;

const GOOD: &str = r#"domain = "example.org"
url = "https://id.example.org"
data = "data"

[portal]
listen = ["[::]:8443"]

[[gateway]]
service = "imap"
listen = ["[::]:993"]
listen_starttls = ["[::]:143"]
upstream = "imap://127.0.0.1:10143"
handover = { kind = "master-user", login = "postern", password_file = "master.pw" }

[[gateway]]
service = "http"
name = "dav"
listen = ["[::]:8444"]
upstream = "http://127.0.0.1:5232"
handover = { kind = "header", user = "X-Remote-User" }
data = ["calendars", "contacts"]

[drive]
listen = ["[::]:8445"]
quota = "500M"
"#;

fn read(text: &str) -> Result<Config, String> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("postern.toml");
    std::fs::write(&path, text).unwrap();
    Config::read(&path).map_err(|error| error.to_string().replace(&*folder.path().to_string_lossy(), ""))
}

#[test]
fn the_contract_is_read() {
    let config = read(GOOD).unwrap();
    assert_eq!(config.url.to_string(), "https://id.example.org");
    assert_eq!(config.url.host(), "id.example.org");
    assert!(config.data.is_absolute(), "relative to the file");
    assert_eq!(config.gateway.iter().map(|g| &*g.name).collect::<Vec<_>>(), ["imap", "dav"]);
    assert_eq!(config.drive.unwrap().quota, 500 << 20);
    assert_eq!(config.app_passwords.limit, 25);
    assert_eq!(config.cutoff.mode, Cutoff::Enforced);
}

/// Each mistake, and what the person who made it is told.
#[test]
fn every_mistake_is_named_with_its_line_and_a_remedy() {
    for (from, to, told) in [
        (
            "listen = [\"[::]:8443\"]",
            "lisen = [\"[::]:8443\"]",
            "/postern.toml:6: lisen: unknown key; did you mean \"listen\"?",
        ),
        ("domain =", "domian =", "/postern.toml:1: domian: unknown key; did you mean \"domain\"?"),
        (
            "kind = \"header\", user",
            "kind = \"header\", usr",
            "/postern.toml:20: usr: unknown key; did you mean \"user\"?",
        ),
        ("[drive]", "[dirve]", "/postern.toml:23: dirve: unknown key; did you mean \"drive\"?"),
        ("\"[::]:993\"", "\"993\"", "/postern.toml:10: listen: "),
        (
            "https://id.example.org",
            "id.example.org",
            "/postern.toml:2: url: expected the portal's address without a path, as https://id.example.org",
        ),
        ("https://id.example.org", "http://id.example.org", "url begins with http:// and [portal] tls is on"),
        (
            "\"imap\"",
            "\"imp\"",
            "/postern.toml:9: service: \"imp\" is no service: write imap, pop3, sieve, submission or http",
        ),
        ("imap://127.0.0.1:10143", "127.0.0.1:10143", "is no upstream: write imap://HOST:PORT or imap+unix:/PATH"),
        ("\"imap\"", "\"pop3\"", "is no upstream: write pop3://HOST:PORT or pop3+unix:/PATH"),
        ("\"imap\"", "\"sieve\"", "is no upstream: write sieve://HOST:PORT or sieve+unix:/PATH"),
        (
            "kind = \"master-user\"",
            "kind = \"xclient\"",
            "service \"imap\" is handed over by kind = \"master-user\" or",
        ),
        ("login = \"postern\", ", "", "needs login and password_file"),
        ("login = \"postern\"", "login = \"postern\", separator = \"a\"", "\"a\" is no separator: write \"*\""),
        (
            "kind = \"master-user\", login",
            "kind = \"authzid\", separator = \"*\", login",
            "separator is for handover of kind \"master-user\"",
        ),
        ("kind = \"header\"", "kind = \"http\"", "is not served by this version"),
        ("\"calendars\", \"contacts\"", "", "data: expected at least one kind of data"),
        ("\"calendars\", \"contacts\"", "\"calender:w\"", "data: \"calender:w\" is no scope"),
        ("\"500M\"", "\"lots\"", "/postern.toml:25: quota: \"lots\" is no size: write 500M or 10G"),
        ("[drive]", "[notices]\nsmtp = \"x\"\n[drive]", "/postern.toml:24: smtp: expected smtp://127.0.0.1:25, "),
        ("[drive]", "[notices]\nsntp = \"x\"\n[drive]", "/postern.toml:24: sntp: unknown key; did you mean \"smtp\"?"),
        (
            "[drive]",
            "[notices]\nsmtp = \"smtp://127.0.0.1\"\nfrom = \"Postern\"\n[drive]",
            "/postern.toml:25: from: expected an address, as \"Postern <postern@example.org>\"",
        ),
        (
            "[drive]",
            "[notices]\nsmtp = \"smtps://x.example.org\"\nfrom = \"p@example.org\"\nlogin = \"p\"\n[drive]",
            "login and password_file go together: write both, or none",
        ),
        (
            "[drive]",
            "[notices]\nsmtp = \"smtp://x.example.org\"\nfrom = \"p@example.org\"\nlogin = \"p\"\npassword_file = \"f\"\n[drive]",
            "in the clear: write smtp+starttls:// or smtps://",
        ),
        ("[drive]", "[notices]\nsmtp = \"smtp://p:pw@127.0.0.1\"\n[drive]", "no login in the address"),
        ("[drive]", "[store]\nurl = \"mysql://db/x\"\n[drive]", "/postern.toml:24: url: expected postgres://user@host"),
        (
            "[drive]",
            "[store]\nurl = \"postgres://a:b@db/x\"\n[drive]",
            "url: no password in the address: write password_file",
        ),
        ("[drive]", "[store]\nurl = \"postgres://a@db/x?password=b\"\n[drive]", "url: no password in the address"),
        (
            "[drive]",
            "[cutoff]\nmode = \"maybe\"\n[drive]",
            "/postern.toml:24: mode: \"maybe\" is no mode: write enforce or observe",
        ),
        (
            "[drive]",
            "[app_passwords]\nfirst_use_within = \"1 hour\"\n[drive]",
            "is no length of time: write 90d, 12h, 15m or 30s",
        ),
        (
            "[drive]",
            "[app_passwords]\nlimit = 0\n[drive]",
            "/postern.toml:24: limit: expected a whole number of app passwords from 1",
        ),
        ("[drive]", "[app_passwords]\nsessions = 0\n[drive]", "sessions: expected a whole number of sessions from 1"),
        (
            "[drive]",
            "[canary]\nalso = [\"mail.example.org\"]\n[drive]",
            "/postern.toml:24: also: \"mail.example.org\" is no place",
        ),
        ("[drive]", "[canary]\nresolver = \"dns\"\n[drive]", "/postern.toml:24: resolver: expected the address"),
        ("[drive]", "[app_passwords]\nlimit = \"many\"\n[drive]", "/postern.toml:24: limit: expected a whole number"),
        ("name = \"dav\"", "name = \"imap\"", "the name \"imap\" is taken"),
        ("\"[::]:8445\"", "\"[::]:8443\"", "[::]:8443 is listened on twice"),
        ("name = \"dav\"", "name = 5", "/postern.toml:17: name: invalid type: integer `5`, expected a string"),
        ("data = \"data\"", "data = \"data", "/postern.toml:3: "),
    ] {
        is_told(from, to, told);
    }
}

fn is_told(from: &str, to: &str, told: &str) {
    assert!(GOOD.contains(from), "{from}");
    let error = read(&GOOD.replacen(from, to, 1)).unwrap_err();
    assert!(error.contains(told), "{to}\n  told: {error}\n  want: {told}");
}

#[test]
fn mistakes_about_http_are_named_too() {
    for (from, to, told) in [
        ("name = \"dav\"", "prefix_header = \"X-Script-Name\"", "prefix_header is for a path other than \"/\""),
        ("name = \"dav\"", "path = \"/dav\"", "a path other than \"/\" needs prefix_header = \"X-Script-Name\""),
        ("name = \"dav\"", "path = \"/dav/../x\"", "/postern.toml:17: path: \"/dav/../x\" is no path (a dot segment)"),
        ("name = \"dav\"", "routes = [{ path = \"/c\", data = [\"calendars\"] }]", "write one of them"),
        ("data = [\"calendars\", \"contacts\"]", "routes = []", "routes: expected [{ path ="),
        ("data = [\"calendars\", \"contacts\"]", "routes = [{ path = \"/c\" }]", "\"/c\" needs data = [...]"),
        (
            "data = [\"calendars\", \"contacts\"]",
            "routes = [{ path = \"/c\", dat = [\"files\"] }]",
            "did you mean \"data\"?",
        ),
        (
            "data = [\"calendars\", \"contacts\"]",
            "routes = [{ path = \"/c/\", data = [\"files\"] }, { path = \"/%63\", any = [\"mail\"] }]",
            "\"/c\" is there twice",
        ),
        ("data = [\"calendars\", \"contacts\"]", "http2 = true", "a gateway for http needs data ="),
        (
            "data = [\"calendars\", \"contacts\"]",
            "data = [\"files\"]\nkinds = \"resourcetype\"",
            "tells calendars from contacts",
        ),
        (
            "data = [\"calendars\", \"contacts\"]",
            "data = [\"calendars\"]\nkinds = \"magic\"",
            "/postern.toml:22: kinds: ",
        ),
        ("user = \"X-Remote-User\"", "user = \"X Remote User\"", "\"X Remote User\" is no header"),
        (
            "kind = \"header\", user = \"X-Remote-User\"",
            "kind = \"basic\", user = \"{login}\"",
            "needs user = \"{login}\" and password_file",
        ),
        (
            "kind = \"header\", user = \"X-Remote-User\"",
            "kind = \"basic\", user = \"postern\", password_file = \"dav.pw\"",
            "user has to hold {login} once",
        ),
        ("listen_starttls", "http2 = true\nlisten_starttls", "http2 is for http: take it out"),
    ] {
        is_told(from, to, told);
    }
}

#[test]
fn a_host_on_the_portals_listener_is_an_origin_of_its_own() {
    let with = |more: &str| GOOD.replace("listen = [\"[::]:8444\"]", more);
    assert!(GOOD.contains("listen = [\"[::]:8444\"]"));
    let config = read(&with("host = \"DAV.example.org\"")).unwrap();
    let hosts: Vec<_> = config.hosts().map(|(door, host)| (door, host.as_str())).collect();
    assert_eq!(hosts, [("dav", "dav.example.org")]);
    assert_eq!(config.names().collect::<Vec<_>>(), ["id.example.org", "dav.example.org"]);
    assert_eq!(config.url.under(config.gateway[1].host.as_ref().unwrap()), "https://dav.example.org");

    for (text, told) in [
        (with("host = \"https://dav.example.org\""), "host: \"https://dav.example.org\" is no host"),
        (with("host = \"dav.example.org:8444\""), "is no host: write dav.example.org or the like, without a port"),
        (with("host = \"192.0.2.1\""), "is no host"),
        (with("host = \"\""), "is no host"),
        (with("host = \"ID.example.org\""), "dav: id.example.org is the portal's"),
        (with("host = \"dav.example.org\"\nhttp2 = true"), "http2 is for a listener of its own"),
        (with(""), "a gateway needs listen = [\"[::]:993\"] or the like, or a host of its own"),
        (GOOD.replace("listen_starttls", "host = \"a.example.org\"\nlisten_starttls"), "host is for http"),
        (
            with("host = \"dav.example.org\"").replace("listen = [\"[::]:8445\"]", "host = \"dav.example.org\""),
            "drive: the host dav.example.org is taken",
        ),
        (GOOD.replace("listen = [\"[::]:8445\"]", ""), "[drive] needs listen = [\"[::]:8445\"] or the like, or a host"),
        (
            with("host = \"dav.example.org\"").replace("[portal]", "[portal]\ntls = false"),
            "name it in [portal] trusted_proxies",
        ),
    ] {
        let error = read(&text).unwrap_err();
        assert!(error.contains(told), "{text}\n  told: {error}\n  want: {told}");
    }
}

#[test]
fn a_file_that_is_not_there_says_how_to_get_one() {
    let error = Config::read(Path::new("/nowhere/postern.toml")).unwrap_err().to_string();
    assert!(error.starts_with("/nowhere/postern.toml: cannot be read") && error.contains("postern init"), "{error}");
}

#[test]
fn every_protocol_of_a_mailbox_is_handed_over_in_every_way() {
    for (service, mailbox) in [("imap", Mailbox::Imap), ("pop3", Mailbox::Pop3), ("sieve", Mailbox::Sieve)] {
        for (kind, separator) in [
            ("kind = \"master-user\"", None),
            ("kind = \"master-user\", separator = \"*\"", Some('*')),
            ("kind = \"authzid\"", None),
        ] {
            let text = GOOD
                .replace("service = \"imap\"", &format!("service = \"{service}\""))
                .replace("imap://", &format!("{service}://"))
                .replace("kind = \"master-user\"", kind);
            let config = read(&text).unwrap();
            let Service::Mailbox(read, master) = &config.gateway[0].service else { panic!("{text}") };
            assert_eq!((*read, &*config.gateway[0].name), (mailbox, service));
            assert_eq!((&*master.login, master.separator), ("postern", separator));
        }
    }
}

/// As Nextcloud keeps them, and as a Radicale that keeps both.
#[test]
fn paths_and_collections_hold_kinds_of_data() {
    let data = "data = [\"calendars\", \"contacts\"]";
    let routes = "routes = [\n { path = \"/remote.php/dav/\", exact = true, any = [\"calendars\", \"contacts\"] },\n \
                  { path = \"/remote.php/dav/calendars/\", data = [\"calendars\"] },\n]";
    let http = |text: &str| match read(text).unwrap().gateway.remove(1).service {
        Service::Http(http) => *http,
        other => panic!("{other:?}"),
    };
    let cloud = http(&GOOD.replace(data, routes));
    assert_eq!(cloud.begin, "/remote.php/dav/");
    let places: Vec<_> = cloud.places().into_iter().map(|(needs, path)| (needs.to_string(), path)).collect();
    assert_eq!(places, [("calendars".to_owned(), "/remote.php/dav/calendars/".to_owned())]);

    let mixed = http(&GOOD.replace(data, &format!("{data}\nkinds = \"resourcetype\"\nhttp2 = true")));
    assert_eq!(mixed.needs().to_string(), "calendars|contacts");
    assert!(mixed.http2 && mixed.places().len() == 2);

    let prefix = http(&GOOD.replace(data, &format!("{data}\npath = \"/dav\"\nprefix_header = \"X-Script-Name\"")));
    assert_eq!((prefix.begin.to_str().unwrap(), &*prefix.places()[0].1), ("/dav/", "/dav/"));
}
