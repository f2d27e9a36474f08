//! The portal behind somebody's own web server: nginx ends TLS, Postern listens
//! on a Unix socket and believes what nginx says of the client.

use std::process::Command;

use e2e::{PRIMARY, Running, Site, free_port, run, until};

const ALICE: &str = "alice@example.org";

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

    let folder = site.path("nginx");
    std::fs::create_dir(&folder).unwrap();
    let user = if rustix::process::geteuid().is_root() { "user root;\n" } else { "" };
    let nginx_conf = format!(
        "{user}daemon off;\npid {here}/pid;\nerror_log stderr;\nevents {{}}\nhttp {{\n access_log off;\n\
         client_body_temp_path {here}/a;\n proxy_temp_path {here}/b;\n fastcgi_temp_path {here}/c;\n\
         uwsgi_temp_path {here}/d;\n scgi_temp_path {here}/e;\n server {{\n listen 127.0.0.1:{port} ssl;\n\
         ssl_certificate {site}/data/tls/server.pem;\n ssl_certificate_key {site}/data/tls/server-key.pem;\n\
         location / {{\n proxy_pass http://unix:{site}/portal.sock;\n proxy_set_header Host $http_host;\n\
         proxy_set_header X-Forwarded-For 203.0.113.9;\n }}\n }}\n}}\n",
        here = folder.display(),
        site = site.path("").display(),
    );
    let file = site.write("nginx/conf", &nginx_conf).unwrap();
    let mut nginx = Command::new("nginx");
    nginx.arg("-e").arg("stderr").arg("-c").arg(&file);
    let nginx = Running::start(&mut nginx, &site.path("nginx/log")).unwrap();
    until("nginx", || std::net::TcpStream::connect(("127.0.0.1", port)).is_ok())
        .unwrap_or_else(|late| panic!("{late}: {}", nginx.said()));

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
