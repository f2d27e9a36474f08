//! haproxy in front, which passes the bytes on and says who the client is by the PROXY
//! protocol, in both of its versions.

use std::{
    fs,
    io::{Read, Write},
    os::unix::net::UnixStream,
    process::Command,
};

use e2e::{Dovecot, Running, Site, free_port, run, until};

const ALICE: &str = "alice@example.org";

/// An haproxy that passes each port on to another in its own way.
fn haproxy(site: &Site, ways: &[(u16, u16, &str)]) -> Running {
    let mut config = format!(
        "global\n maxconn 100\n stats socket {}\ndefaults\n mode tcp\n timeout connect 5s\n \
         timeout client 60s\n timeout server 60s\n log stdout format raw local0\n option tcplog\n",
        site.path("haproxy.sock").display()
    );
    for (at, to, how) in ways {
        config += &format!("listen at-{at}\n bind 127.0.0.1:{at}\n server postern 127.0.0.1:{to} {how}\n");
    }
    let file = site.write("haproxy.cfg", &config).unwrap();
    let mut haproxy = Command::new("haproxy");
    // In the foreground, one process.
    let haproxy = Running::start(haproxy.arg("-db").arg("-f").arg(file), &site.path("haproxy.log")).unwrap();
    let answers = |port: &u16| std::net::TcpStream::connect(("127.0.0.1", *port)).is_ok();
    until("haproxy", || ways.iter().all(|(at, ..)| answers(at)))
        .unwrap_or_else(|late| panic!("{late}: {}", haproxy.said()));
    haproxy
}

#[test]
fn haproxy_says_who_the_client_is_in_both_versions() {
    let dovecot = Dovecot::start().unwrap();
    let site = Site::new(dovecot.port, 9, "").unwrap();
    let config = fs::read_to_string(site.config()).unwrap();
    let trusting = config
        .replace("service = \"imap\"\n", "service = \"imap\"\nproxy_protocol_from = [\"127.0.0.1\"]\n")
        .replace("[drive]\n", "[drive]\nproxy_protocol_from = [\"127.0.0.1\"]\n");
    assert_eq!(trusting.matches("proxy_protocol_from").count(), 2);
    site.write("postern.toml", &trusting).unwrap();
    site.account(ALICE).unwrap();
    let (_, secret) = site.app_password(ALICE, "mail,files", &[]).unwrap();
    let postern = site.serve().unwrap();

    let ports: Vec<u16> = (0..6).map(|_| free_port().unwrap()).collect();
    let &[v1, v2, starttls, tlvs, drive, silent] = ports.as_slice() else { panic!("six were asked for") };
    // Its health checks do TLS behind a header of their own: UNKNOWN, and LOCAL.
    let checked = "check inter 100ms check-ssl verify none check-send-proxy";
    let haproxy = haproxy(
        &postern,
        &[
            (v1, postern.imap, &format!("send-proxy {checked}")),
            (v2, postern.imap, &format!("send-proxy-v2 {checked}")),
            (starttls, postern.imap_starttls, "send-proxy"),
            (tlvs, postern.imap, "send-proxy-v2 proxy-v2-options crc32c,unique-id,authority"),
            (drive, postern.drive, "send-proxy-v2"),
            (silent, postern.imap, ""),
        ],
    );
    let curl = |url: &str, from: &str, more: &[&str]| {
        let mut curl = Command::new("curl");
        curl.args(["--silent", "--show-error", "--ipv4", "--ssl-reqd", "--interface", from, "--cacert"]);
        curl.arg(postern.ca()).args(["--user", &format!("alice:{secret}")]).args(more).arg(url);
        let (status, said) = run(&mut curl).unwrap();
        (status, format!("{said}\nPostern said:\n{}\nhaproxy said:\n{}", postern.said(), haproxy.said()))
    };
    for (i, (scheme, port)) in
        [("imaps", v1), ("imaps", v2), ("imap", starttls), ("imaps", tlvs)].into_iter().enumerate()
    {
        let from = format!("127.0.7.{}", i + 1);
        let (status, said) = curl(&format!("{scheme}://localhost:{port}/INBOX?ALL"), &from, &[]);
        assert_eq!(status, Some(0), "{scheme} {port}: {said}");
        // Dovecot has it from Postern.
        let log = || dovecot.log().contains(&format!("rip={from},")) || dovecot.log().contains(&format!("rip={from} "));
        until("Dovecot to see the client", log).unwrap_or_else(|late| panic!("{late}:\n{}", dovecot.log()));
    }
    let shown = || postern.cli(&["app-password", "list", ALICE, "--json"], "").unwrap().out;
    let file = postern.write("note.txt", "tea at four").unwrap();
    let at = format!("https://localhost:{drive}/note.txt");
    let (status, said) = curl(&at, "127.0.7.9", &["--fail", "--upload-file", file.to_str().unwrap()]);
    assert_eq!(status, Some(0), "{said}");
    until("the last use to be written", || shown().contains("127.0.7.9")).unwrap_or_else(|late| {
        panic!("{late}: {}", shown());
    });

    let healthy = || {
        let mut socket = UnixStream::connect(postern.path("haproxy.sock")).unwrap();
        socket.write_all(b"show stat\n").unwrap();
        let mut stats = String::new();
        socket.read_to_string(&mut stats).unwrap();
        stats.lines().filter(|line| line.contains(",postern,") && line.contains(",L6OK,")).count() == 2
    };
    until("the checks to pass", healthy).unwrap_or_else(|late| panic!("{late}: {}", haproxy.said()));

    // From there a header is demanded, whoever comes.
    for port in [silent, postern.imap] {
        let (status, said) = curl(&format!("imaps://localhost:{port}/INBOX"), "127.0.0.1", &[]);
        assert_ne!(status, Some(0), "{port}: {said}");
    }
    // From anywhere else it is a broken beginning: what a client says of itself is not believed.
    let (status, said) =
        curl(&format!("imaps://localhost:{}/INBOX", postern.imap), "127.0.7.1", &["--haproxy-protocol"]);
    assert_ne!(status, Some(0), "{said}");
    let (status, said) = curl(&format!("imaps://localhost:{}/INBOX", postern.imap), "127.0.7.1", &[]);
    assert_eq!(status, Some(0), "{said}");
    assert!(healthy(), "{}", haproxy.said());
}
