//! Doors where it depends on the path, the method and the destination what a
//! password opens.

use std::sync::atomic::Ordering;

use authority::{Needs, Protocol, Scopes};
use front::Security;
use gateway::{BasicHandover, HttpDoor, HttpHandover, Prefix, Route};
use http::{HeaderName, HeaderValue, StatusCode};
use protocols::http::Path;

use crate::{
    asking::{Answer, Client, ask, basic},
    behind::{Behind, Does},
    http_sign_in::dav,
    world::{ALICE, PORTAL, PRIMARY, Served, World, door},
};

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi";

fn route(path: &str, exact: bool, needs: Needs) -> Route {
    Route { path: Path::parse(path).unwrap(), exact, needs }
}

fn scopes(text: &str) -> Scopes {
    text.parse().unwrap()
}

fn header() -> HttpHandover {
    HttpHandover::Header(HeaderName::from_static("x-remote-user"))
}

/// A cloud as Nextcloud's.
fn cloud(world: &World, behind: &Behind) -> Served {
    let any = Needs::one_of(&scopes("calendars,contacts,files"));
    let routes = vec![
        route("/remote.php/dav/", true, any.clone()),
        route("/remote.php/dav/principals/", false, any),
        route("/remote.php/dav/calendars/", false, scopes("calendars").into()),
        route("/remote.php/dav/addressbooks/", false, scopes("contacts").into()),
        route("/remote.php/dav/files/", false, scopes("files").into()),
    ];
    let door = door("cloud", Protocol::Http, "mail");
    let begin = Some(HeaderValue::from_static("/remote.php/dav/"));
    let service = HttpDoor::forwarding(world.keeper.clone(), door, behind.upstream(), header(), PORTAL);
    Served::new(service.with_routes(routes).with_well_known(begin.clone(), begin), Security::None)
}

#[tokio::test]
async fn a_path_opens_with_what_its_route_takes() {
    let world = World::new().await;
    let mandate = world.account(ALICE).await;
    let mut credentials = Vec::new();
    for held in ["calendars", "contacts:read", "files,calendars", "mail"] {
        credentials.push(basic(ALICE, world.password(&mandate, held).await.secret.expose()));
    }
    let [calendars, contacts_read, both, mail] = credentials.as_slice() else { panic!() };
    let behind = Behind::that(Does::Says(OK)).await;
    let dav = cloud(&world, &behind);
    let at = |path: &str| format!("https://dav.example.org/remote.php/dav/{path}");
    let table: Vec<(&str, String, &str, String, u16)> = vec![
        ("GET", "/remote.php/dav/calendars/alice/home/1.ics".into(), calendars, String::new(), 200),
        ("PUT", "/remote.php/dav/calendars/alice/home/1.ics".into(), calendars, String::new(), 200),
        ("GET", "/remote.php/dav/%63alendars/alice/".into(), calendars, String::new(), 200),
        ("GET", "/remote.php/dav/addressbooks/alice/".into(), calendars, String::new(), 403),
        ("GET", "/remote.php/dav/files/alice/".into(), calendars, String::new(), 403),
        // Reading only.
        ("GET", "/remote.php/dav/addressbooks/alice/".into(), contacts_read, String::new(), 200),
        ("PROPFIND", "/remote.php/dav/addressbooks/alice/".into(), contacts_read, String::new(), 200),
        ("OPTIONS", "/remote.php/dav/addressbooks/alice/".into(), contacts_read, String::new(), 200),
        ("PUT", "/remote.php/dav/addressbooks/alice/1.vcf".into(), contacts_read, String::new(), 403),
        ("DELETE", "/remote.php/dav/addressbooks/alice/1.vcf".into(), contacts_read, String::new(), 403),
        ("PROPPATCH", "/remote.php/dav/addressbooks/alice/".into(), contacts_read, String::new(), 403),
        ("POST", "/remote.php/dav/addressbooks/alice/".into(), contacts_read, String::new(), 403),
        ("LOCK", "/remote.php/dav/addressbooks/alice/".into(), contacts_read, String::new(), 403),
        ("FROB", "/remote.php/dav/addressbooks/alice/".into(), contacts_read, String::new(), 403),
        // What everybody may see, and no more of it.
        ("PROPFIND", "/remote.php/dav/".into(), contacts_read, "Depth: 0\r\n".into(), 200),
        ("PROPFIND", "/remote.php/dav/".into(), calendars, "Depth: 1\r\n".into(), 403),
        ("PROPFIND", "/remote.php/dav/".into(), calendars, "Depth: infinity\r\n".into(), 403),
        ("PROPFIND", "/remote.php/dav/".into(), calendars, String::new(), 403),
        ("DELETE", "/remote.php/dav/".into(), both, String::new(), 403),
        ("PROPFIND", "/remote.php/dav/principals/users/alice/".into(), calendars, "Depth: 1\r\n".into(), 200),
        ("PROPFIND", "/remote.php/dav/principals/users/alice/".into(), mail, "Depth: 0\r\n".into(), 403),
        // Where there is nothing for anybody.
        ("GET", "/".into(), both, String::new(), 403),
        ("GET", "/remote.php/webdav/x".into(), both, String::new(), 403),
        ("GET", "/remote.php/dav/calendarsx".into(), both, String::new(), 403),
        ("GET", "/index.php/login".into(), both, String::new(), 403),
        ("BIND", "/remote.php/dav/calendars/alice/".into(), calendars, String::new(), 403),
        ("SEARCH", "/remote.php/dav/files/".into(), both, String::new(), 403),
        // Two places at once.
        (
            "MOVE",
            "/remote.php/dav/calendars/a".into(),
            calendars,
            format!("Destination: {}\r\n", at("calendars/b")),
            200,
        ),
        ("MOVE", "/remote.php/dav/calendars/a".into(), calendars, format!("Destination: {}\r\n", at("files/b")), 403),
        ("MOVE", "/remote.php/dav/calendars/a".into(), both, format!("Destination: {}\r\n", at("files/b")), 200),
        ("COPY", "/remote.php/dav/files/a".into(), calendars, format!("Destination: {}\r\n", at("calendars/b")), 403),
        ("COPY", "/remote.php/dav/calendars/a".into(), both, format!("Destination: {}\r\n", at("trashbin/b")), 403),
        ("MOVE", "/remote.php/dav/calendars/a".into(), calendars, String::new(), 400),
        (
            "MOVE",
            "/remote.php/dav/calendars/a".into(),
            calendars,
            "Destination: /remote.php/dav/calendars/../files/b\r\n".into(),
            400,
        ),
        (
            "MOVE",
            "/remote.php/dav/calendars/a".into(),
            calendars,
            "Destination: /remote.php/dav/calendars%2fb\r\n".into(),
            400,
        ),
        (
            "MOVE",
            "/remote.php/dav/calendars/a".into(),
            calendars,
            "Destination: https://evil.example.org/remote.php/dav/calendars/b\r\n".into(),
            502,
        ),
        // What can be read in two ways.
        ("GET", "/remote.php/dav/calendars/../files/x".into(), calendars, String::new(), 400),
        ("GET", "/remote.php/dav/calendars/%2e%2e/files/x".into(), calendars, String::new(), 400),
        ("GET", "/remote.php/dav/calendars/.%2E/files/x".into(), calendars, String::new(), 400),
        ("GET", "/remote.php/dav/calendars/..;/files/x".into(), calendars, String::new(), 400),
        ("GET", "/remote.php/dav/calendars%2f..%2ffiles/x".into(), calendars, String::new(), 400),
        ("GET", "/remote.php/dav/calendars/%252e%252e/files/x".into(), calendars, String::new(), 400),
        ("GET", "/remote.php/dav//files/x".into(), both, String::new(), 400),
        ("GET", "/remote.php/dav/calendars/..%5cfiles/x".into(), calendars, String::new(), 400),
        ("GET", "/remote.php/dav/calendars/..\\files/x".into(), calendars, String::new(), 400),
        ("GET", "/remote.php/dav/calendars/%".into(), calendars, String::new(), 400),
    ];
    let asked = table.iter().map(|(method, path, credentials, headers, _)| {
        let (line, headers) = (format!("{method} {path}"), format!("{credentials}{headers}"));
        let address = dav.address;
        async move { ask(address, &line, &headers).await }
    });
    let answers: Vec<Answer> = futures_util::future::join_all(asked).await;
    for (row, answer) in table.iter().zip(&answers) {
        assert_eq!(answer.status, row.4, "{} {} {}: {}", row.0, row.1, row.3, answer.text());
        assert!(answer.status != 403 || !answer.headers.contains_key("www-authenticate"));
    }
    // What reached the server behind is what was let in, as it was written.
    let mut want: Vec<_> =
        table.iter().filter(|row| row.4 == 200).map(|row| format!("{} {} HTTP/1.1", row.0, row.1)).collect();
    let mut seen: Vec<_> = behind.requests().iter().map(|head| head.lines().next().unwrap().to_owned()).collect();
    want.sort();
    seen.sort();
    assert_eq!(seen, want);
    assert_eq!(ask(dav.address, "GET /remote.php/dav/files/", "").await.status, StatusCode::UNAUTHORIZED);
    let wrong = basic(ALICE, PRIMARY);
    assert_eq!(ask(dav.address, "GET /nowhere", &wrong).await.status, StatusCode::UNAUTHORIZED);
}

/// macOS asks by PROPFIND, before it sends a password.
#[tokio::test]
async fn well_known_addresses_lead_on_at_once() {
    let world = World::new().await;
    let behind = Behind::that(Does::Says(OK)).await;
    let dav = cloud(&world, &behind);
    for line in [
        "PROPFIND /.well-known/caldav",
        "GET /.well-known/carddav",
        "PROPFIND /.well-known/caldav/",
        "OPTIONS /.well-known/caldav?x",
    ] {
        let answer = ask(dav.address, line, "Depth: 0\r\n").await;
        assert_eq!(answer.status, StatusCode::MOVED_PERMANENTLY, "{line}");
        assert_eq!(answer.headers["location"], "/remote.php/dav/");
        assert_eq!(answer.headers["content-security-policy"], "sandbox; default-src 'none'");
    }
    assert_eq!(ask(dav.address, "PROPFIND /.well-known/other", "").await.status, StatusCode::UNAUTHORIZED);
    assert!(behind.requests().is_empty());
}

#[tokio::test]
async fn a_prefix_is_the_server_behinds_to_say() {
    let world = World::new().await;
    let mandate = world.account(ALICE).await;
    let credentials = basic(ALICE, world.password(&mandate, "calendars").await.secret.expose());
    let behind = Behind::that(Does::Says(OK)).await;
    let prefix = Prefix::new(Path::parse("/dav").unwrap(), HeaderName::from_static("x-script-name")).unwrap();
    let door = door("dav", Protocol::Http, "calendars");
    let service = HttpDoor::forwarding(world.keeper.clone(), door, behind.upstream(), header(), PORTAL);
    let dav = Served::new(service.with_prefix(prefix), Security::None);
    for (line, status) in
        [("GET /dav/alice/?x=1", 200), ("PROPFIND /dav", 200), ("GET /davx", 403), ("GET /", 403), ("GET /dav/..", 400)]
    {
        let headers = format!("{credentials}X_Script_Name: /evil\r\n");
        assert_eq!(ask(dav.address, line, &headers).await.status, status, "{line}");
    }
    let seen = behind.requests();
    let lines: Vec<_> = seen.iter().map(|head| head.lines().next().unwrap()).collect();
    assert_eq!(lines, ["GET /alice/?x=1 HTTP/1.1", "PROPFIND / HTTP/1.1"]);
    assert!(seen.iter().all(|head| head.contains("x-script-name: /dav\r\n") && !head.contains("evil")), "{seen:?}");
}

#[tokio::test]
async fn basic_tells_the_server_behind_who_is_there() {
    let world = World::new().await;
    let mandate = world.account(ALICE).await;
    let credentials = basic(ALICE, world.password(&mandate, "calendars").await.secret.expose());
    let behind = Behind::that(Does::Says(OK)).await;
    let handover = BasicHandover::new("{login}*postern", authority::Secret::new("only-for-us".into())).unwrap();
    let door = door("dav", Protocol::Http, "calendars");
    let service =
        HttpDoor::forwarding(world.keeper.clone(), door, behind.upstream(), HttpHandover::Basic(handover), PORTAL);
    let dav = Served::new(service, Security::None);
    let headers = format!("{credentials}Connection: authorization\r\nX_Remote_User: bob\r\n");
    assert_eq!(ask(dav.address, "GET /", &headers).await.status, StatusCode::OK);
    let want = basic("alice@example.org*postern", "only-for-us").to_lowercase();
    let seen = behind.requests().remove(0);
    assert!(seen.to_lowercase().contains(&want) && !seen.contains("bob"), "{seen}");
    assert_eq!(seen.to_lowercase().matches("authorization").count(), 1);
}

/// A client that waits for a word before it sends its body gets it when it is in.
#[tokio::test]
async fn nobody_is_told_to_go_on_before_they_are_in() {
    let world = World::new().await;
    let mandate = world.account(ALICE).await;
    let good = basic(ALICE, world.password(&mandate, "calendars,contacts").await.secret.expose());
    let narrow = basic(ALICE, world.password(&mandate, "calendars").await.secret.expose());
    let behind = Behind::that(Does::Echoes).await;
    let dav = dav(&world, &behind);
    let expecting = "Expect: 100-continue\r\nContent-Length: 3\r\n";
    for (credentials, status) in [("", 401), (&*basic(ALICE, PRIMARY), 401), (&*narrow, 403)] {
        let mut client = Client::connect(dav.address).await;
        client.request("PUT /c", &format!("{credentials}{expecting}")).await;
        assert_eq!(client.head().await.unwrap().0, status, "and no 100 before");
    }
    assert_eq!(behind.connections.load(Ordering::SeqCst), 0);
    let mut client = Client::connect(dav.address).await;
    client.request("PUT /c", &format!("{good}{expecting}")).await;
    assert_eq!(client.head().await.unwrap().0, StatusCode::CONTINUE);
    client.say(b"xyz").await;
    assert_eq!(client.answer().await.unwrap().text(), "xyz");
}
