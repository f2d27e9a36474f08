//! The portal behind somebody's own web server: nginx ends TLS, Postern listens
//! on a Unix socket and believes what nginx says of the client.

use std::process::Command;

use e2e::{PRIMARY, Radicale, Running, Site, free_port, run, until};

const ALICE: &str = "alice@example.org";

/// An nginx with Postern's own certificate, on this port, once it answers.
fn nginx(site: &Site, port: u16, servers: &str) -> Running {
    let folder = site.path("nginx");
    std::fs::create_dir(&folder).unwrap();
    let user = if rustix::process::geteuid().is_root() { "user root;\n" } else { "" };
    let conf = format!(
        "{user}daemon off;\npid {here}/pid;\nerror_log stderr;\nevents {{}}\nhttp {{\n access_log off;\n\
         client_body_temp_path {here}/a;\n proxy_temp_path {here}/b;\n fastcgi_temp_path {here}/c;\n\
         uwsgi_temp_path {here}/d;\n scgi_temp_path {here}/e;\n\
         ssl_certificate {site}/data/tls/server.pem;\n ssl_certificate_key {site}/data/tls/server-key.pem;\n\
         {servers}}}\n",
        here = folder.display(),
        site = site.path("").display(),
    );
    let file = site.write("nginx/conf", &conf).unwrap();
    let mut nginx = Command::new("nginx");
    nginx.arg("-e").arg("stderr").arg("-c").arg(&file);
    let nginx = Running::start(&mut nginx, &site.path("nginx/log")).unwrap();
    until("nginx", || std::net::TcpStream::connect(("127.0.0.1", port)).is_ok())
        .unwrap_or_else(|late| panic!("{late}: {}", nginx.said()));
    nginx
}

#[test]
fn the_portal_works_behind_nginx_and_sees_the_real_client() {
    // The first start makes a certificate, which nginx borrows.
    let site = Site::new(9, 9, "").unwrap();
    let config = std::fs::read_to_string(site.config()).unwrap();
    let port = free_port().unwrap();
    let behind = config
        .replace(
            &format!("url = \"https://localhost:{}\"", site.portal),
            &format!("url = \"https://localhost:{port}\""),
        )
        .replace(
            &format!("[portal]\nlisten = [\"127.0.0.1:{}\"]", site.portal),
            "[portal]\nlisten = [\"unix:portal.sock\"]\ntls = false\ntrusted_proxies = [\"127.0.0.1\"]",
        )
        .replace("unix:portal.sock", &format!("unix:{}", site.path("portal.sock").display()));
    assert!(behind.contains("tls = false") && behind.contains(&format!("localhost:{port}")));
    std::fs::write(site.config(), behind).unwrap();
    let account = site.account(ALICE).unwrap();
    let server = site.spawn("log").unwrap();
    until("Postern", || server.said().contains("ready")).unwrap();

    let server_block = format!(
        "server {{\n listen 127.0.0.1:{port} ssl;\n location / {{\n proxy_pass http://unix:{}/portal.sock;\n\
         proxy_set_header Host $http_host;\n proxy_set_header X-Forwarded-For 203.0.113.9;\n }}\n }}\n",
        site.path("").display()
    );
    let _nginx = nginx(&site, port, &server_block);

    let curl = |path: &str, form: &[(&str, &str)]| {
        let mut curl = Command::new("curl");
        curl.args(["--silent", "--include", "--cacert"]).arg(site.ca());
        curl.arg("--cookie").arg(site.path("jar")).arg("--cookie-jar").arg(site.path("jar"));
        for (name, value) in form {
            curl.arg("--data-urlencode").arg(format!("{name}={value}"));
        }
        curl.arg(format!("https://localhost:{port}{path}"));
        run(&mut curl).unwrap().1
    };
    let token =
        |page: &str| page.split("name=\"token\" value=\"").nth(1).unwrap().split('"').next().unwrap().to_owned();
    let begun = curl("/sign-in", &[("login", "alice"), ("password", PRIMARY)]);
    assert!(begun.contains("303") && begun.to_lowercase().contains("set-cookie: __host-postern="), "{begun}");
    let page = curl("/sign-in/code", &[]);
    let done = curl("/sign-in/code", &[("token", &token(&page)), ("code", &account.recovery_codes[0])]);
    assert!(done.contains("303"), "{done}");
    assert!(curl("/security", &[]).contains("<h1>Password &amp; Security</h1>"));

    let audit = site.cli(&["audit", "list", "--json"], "").unwrap().out;
    assert!(audit.contains("\"from\":\"203.0.113.9\""), "{audit}");
}

/// nginx sends the requests of both names over the connections that it keeps.
#[test]
fn a_door_beside_the_portal_works_behind_nginx_and_sees_the_real_client() {
    let (radicale, port) = (Radicale::start().unwrap(), free_port().unwrap());
    let site = Site::new(9, radicale.port, "").unwrap();
    let config = std::fs::read_to_string(site.config()).unwrap();
    let behind = config
        .replace(&format!("https://localhost:{}", site.portal), &format!("https://localhost:{port}"))
        .replace(
            &format!("[portal]\nlisten = [\"127.0.0.1:{}\"]", site.portal),
            &format!(
                "[portal]\nlisten = [\"127.0.0.1:{}\"]\ntls = false\ntrusted_proxies = [\"127.0.0.1\"]",
                site.portal
            ),
        )
        .replace(&format!("listen = [\"127.0.0.1:{}\"]", site.dav), "host = \"dav.localhost\"")
        .replace(&format!("listen = [\"127.0.0.1:{}\"]", site.drive), "host = \"files.localhost\"");
    assert!(behind.contains("tls = false") && behind.matches("host = ").count() == 2);
    std::fs::write(site.config(), behind).unwrap();
    site.account(ALICE).unwrap();
    let (_, secret) = site.app_password(ALICE, "calendars,contacts,files", &[]).unwrap();
    let server = site.spawn("log").unwrap();
    until("Postern", || server.said().contains("ready")).unwrap();
    let block = |name: &str| {
        format!(
            "server {{\n listen 127.0.0.1:{port} ssl;\n server_name {name};\n location / {{\n\
             proxy_pass http://postern;\n proxy_http_version 1.1;\n proxy_set_header Connection \"\";\n\
             proxy_set_header Host $http_host;\n proxy_set_header X-Forwarded-For 203.0.113.9;\n }}\n }}\n"
        )
    };
    let servers = format!(
        "upstream postern {{\n server 127.0.0.1:{};\n keepalive 1;\n }}\n{}{}",
        site.portal,
        block("localhost"),
        block("dav.localhost files.localhost")
    );
    let _nginx = nginx(&site, port, &servers);

    let ask = |host: &str, method: &str, more: &[&str]| {
        let mut curl = Command::new("curl");
        // nginx borrows a certificate that is for `localhost` alone: the names are not its affair here.
        curl.args(["--silent", "--insecure", "--include", "--request", method]).args(more);
        run(curl.arg(format!("https://{host}:{port}/"))).unwrap().1
    };
    let password = format!("alice:{secret}");
    for _ in 0..3 {
        let calendars = ask("dav.localhost", "PROPFIND", &["--user", &password, "--header", "Depth: 0"]);
        assert!(calendars.starts_with("HTTP/1.1 207"), "{calendars}\n{}", server.said());
        let portal = ask("localhost", "GET", &["--location"]);
        assert!(portal.contains("<title>Sign in"), "{portal}");
    }
    // A place that is named whole, by the host and the port that people see.
    let there = format!("Destination: https://files.localhost:{port}/there/");
    for (method, path, more) in
        [("MKCOL", "/here/", ""), ("COPY", "/here/", &*there), ("PROPFIND", "/there/", "Depth: 0")]
    {
        let mut curl = Command::new("curl");
        curl.args(["--silent", "--insecure", "--include", "--user", &password, "--request", method]);
        let said = run(curl.args(["--header", more]).arg(format!("https://files.localhost:{port}{path}"))).unwrap().1;
        assert!(said.starts_with("HTTP/1.1 20"), "{method}: {said}");
    }
    let audit = site.cli(&["audit", "list", "--json"], "").unwrap().out;
    assert!(audit.contains("\"from\":\"203.0.113.9\""), "{audit}");
    // Past nginx, in the clear, the door is shut.
    let mut curl = Command::new("curl");
    curl.args(["--silent", "--include", "--interface", "127.0.0.2", "--user", &password]);
    curl.args(["--header", "Host: dav.localhost"]).arg(format!("http://127.0.0.1:{}/", site.portal));
    let past = run(&mut curl).unwrap().1;
    assert!(past.starts_with("HTTP/1.1 403"), "{past}");
}
