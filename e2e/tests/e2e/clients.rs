//! Real clients, unmodified, with nothing but a user name and an app password.

use std::process::Command;

use e2e::{Postern, run};

use crate::World;

const ALICE: &str = "alice@example.org";

fn succeeds(world: &World, command: &mut Command) -> String {
    let (status, said) = run(command).unwrap();
    assert_eq!(status, Some(0), "{command:?}\n{said}\nPostern said:\n{}", world.postern.said());
    said
}

fn world(scopes: &str) -> (World, String) {
    let world = World::start();
    world.postern.account(ALICE).unwrap();
    let (_, secret) = world.postern.app_password(ALICE, scopes, &[]).unwrap();
    (world, secret)
}

#[test]
fn mbsync_mutt_curl_and_imaplib_read_mail() {
    let (world, secret) = world("mail");
    world.dovecot.deliver(ALICE, "Tea at four").unwrap();
    let postern = &world.postern;
    let ca = postern.ca().display().to_string();

    let mail = postern.path("mail/");
    std::fs::create_dir(&mail).unwrap();
    let config = format!(
        "IMAPAccount a\nHost localhost\nPort {}\nUser alice\nPass {secret}\nSSLType IMAPS\nCertificateFile {ca}\n\n\
         IMAPStore far\nAccount a\n\nMaildirStore near\nPath {mail}\nInbox {mail}INBOX\n\n\
         Channel c\nFar :far:\nNear :near:\nPatterns INBOX\nCreate Near\nSyncState *\n",
        postern.imap,
        mail = mail.display()
    );
    let file = postern.write("mbsyncrc", &config).unwrap();
    succeeds(&world, Command::new("mbsync").arg("--config").arg(file).arg("--all"));
    let synced: Vec<_> = ["new", "cur"]
        .iter()
        .flat_map(|part| std::fs::read_dir(mail.join("INBOX").join(part)).unwrap())
        .map(|entry| std::fs::read_to_string(entry.unwrap().path()).unwrap())
        .collect();
    assert!(synced.len() == 1 && synced[0].contains("Tea at four"), "{synced:?}");

    let mut curl = Command::new("curl");
    curl.args(["--silent", "--show-error", "--ssl-reqd", "--cacert", &ca, "--user", &format!("{ALICE}:{secret}")]);
    curl.arg(format!("imap://localhost:{}/INBOX;MAILINDEX=1", postern.imap_starttls));
    assert!(succeeds(&world, &mut curl).contains("Tea at four"));

    let python = "import imaplib,ssl,sys\n\
        m=imaplib.IMAP4_SSL('localhost',int(sys.argv[1]),ssl_context=ssl.create_default_context(cafile=sys.argv[2]))\n\
        m.login('alice@example.org',sys.argv[3]); m.select('INBOX')\n\
        print(m.fetch('1','(BODY[HEADER.FIELDS (SUBJECT)])')); m.logout()\n";
    let mut imaplib = Command::new("python3");
    imaplib.args(["-c", python, &postern.imap.to_string(), &ca, &secret]);
    assert!(succeeds(&world, &mut imaplib).contains("Tea at four"));

    let muttrc = format!(
        "set folder=\"imaps://localhost:{}/\"\nset spoolfile=\"+INBOX\"\nset imap_user=\"alice\"\nset imap_pass=\"{secret}\"\n\
         set certificate_file=\"{ca}\"\nset ssl_verify_host=yes\nset header_cache=\"\"\n\
         push \"<save-message>{}<enter><quit>\"\nset quit=yes\nset confirmappend=no\nset confirmcreate=no\nset delete=no\n",
        postern.imap,
        postern.path("saved.mbox").display()
    );
    let file = postern.write("muttrc", &muttrc).unwrap();
    let mut mutt = Command::new("script");
    mutt.env("TERM", "xterm").env("HOME", postern.path(""));
    mutt.args(["--quiet", "--return", "--command", &format!("mutt -n -F {}", file.display()), "/dev/null"]);
    succeeds(&world, &mut mutt);
    assert!(std::fs::read_to_string(postern.path("saved.mbox")).unwrap().contains("Tea at four"));
}

#[test]
fn vdirsyncer_syncs_calendars_and_contacts() {
    let (world, secret) = world("calendars,contacts");
    let postern = &world.postern;
    let side = |name: &str, kind: &str, extension: &str| {
        format!(
            "[pair {name}]\na = \"{name}_near\"\nb = \"{name}_far\"\ncollections = [\"from a\"]\n\
             [storage {name}_near]\ntype = \"filesystem\"\npath = \"{}\"\nfileext = \"{extension}\"\n\
             [storage {name}_far]\ntype = \"{kind}\"\nurl = \"https://localhost:{}/\"\nusername = \"alice\"\n\
             password = \"{secret}\"\nverify = \"{}\"\n",
            postern.path(&format!("vdir/{name}")).display(),
            postern.dav,
            postern.ca().display()
        )
    };
    let status = format!("[general]\nstatus_path = \"{}\"\n", postern.path("vdir/status").display());
    let config = [status, side("events", "caldav", ".ics"), side("people", "carddav", ".vcf")].concat();
    postern.write("vdir/events/home/one.ics", "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//x//y//EN\r\nBEGIN:VEVENT\r\nUID:one\r\nDTSTAMP:20260303T140500Z\r\nDTSTART:20260304T090000Z\r\nSUMMARY:Tea\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n").unwrap();
    postern
        .write(
            "vdir/people/friends/bob.vcf",
            "BEGIN:VCARD\r\nVERSION:3.0\r\nUID:bob\r\nFN:Bob\r\nN:;Bob;;;\r\nEND:VCARD\r\n",
        )
        .unwrap();
    let file = postern.write("vdir/config", &config).unwrap();
    let discover = format!("yes | vdirsyncer --config {} discover", file.display());
    succeeds(&world, Command::new("sh").arg("-c").arg(discover));
    succeeds(&world, Command::new("vdirsyncer").arg("--config").arg(&file).arg("sync"));

    // What went up comes down elsewhere.
    let elsewhere = config
        .replace("/vdir/events", "/elsewhere/events")
        .replace("/vdir/people", "/elsewhere/people")
        .replace("/vdir/status", "/elsewhere/status");
    postern.write("elsewhere/events/home/.keep", "").unwrap();
    postern.write("elsewhere/people/friends/.keep", "").unwrap();
    let file = postern.write("elsewhere/config", &elsewhere).unwrap();
    let discover = format!("yes | vdirsyncer --config {} discover", file.display());
    succeeds(&world, Command::new("sh").arg("-c").arg(discover));
    succeeds(&world, Command::new("vdirsyncer").arg("--config").arg(&file).arg("sync"));
    let found = |folder: &str| std::fs::read_dir(postern.path(folder)).unwrap().count();
    assert_eq!((found("elsewhere/events/home"), found("elsewhere/people/friends")), (2, 2));
}

#[test]
fn litmus_finds_nothing_wrong_with_the_drive() {
    let (world, secret) = world("files");
    let postern = &world.postern;
    let folder = postern.path("litmus");
    std::fs::create_dir(&folder).unwrap();
    // litmus trusts only what the system trusts, so it comes in through a tunnel that ends TLS.
    let tunnel = Tunnel::to(postern, postern.drive);
    let mut litmus = Command::new("litmus");
    litmus.current_dir(&folder).env("TESTS", "basic copymove props locks http");
    litmus.arg("--keep-going").arg(format!("http://localhost:{}/", tunnel.port)).arg("alice").arg(&secret);
    let said = succeeds(&world, &mut litmus);
    for suite in ["basic", "copymove", "props", "locks", "http"] {
        let summary = said.lines().find(|line| line.contains(&format!("summary for `{suite}'")));
        assert!(summary.is_some_and(|line| line.contains(" 0 failed")), "{suite}: {said}");
    }
}

/// `socat` would do; openssl is there already, but speaks for one connection
/// only. So a small one: plain on this side, `openssl s_client` on the other.
struct Tunnel {
    port: u16,
}

impl Tunnel {
    fn to(postern: &Postern, port: u16) -> Self {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let (here, ca) = (listener.local_addr().unwrap().port(), postern.ca());
        std::thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let ca = ca.clone();
                std::thread::spawn(move || {
                    let mut openssl = Command::new("openssl");
                    openssl
                        .args(["s_client", "-quiet", "-verify_quiet", "-servername", "localhost", "-CAfile"])
                        .arg(ca);
                    openssl.arg("-connect").arg(format!("127.0.0.1:{port}"));
                    let (from, to) =
                        (std::os::fd::OwnedFd::from(client.try_clone().unwrap()), std::os::fd::OwnedFd::from(client));
                    let _ = openssl.stdin(from).stdout(to).stderr(std::process::Stdio::null()).status();
                });
            }
        });
        Self { port: here }
    }
}

#[test]
fn davfs2_mounts_the_drive() {
    let (world, secret) = world("files");
    let postern = &world.postern;
    let at = postern.path("mounted");
    std::fs::create_dir(&at).unwrap();
    let secrets =
        postern.write("davfs/secrets", &format!("https://localhost:{}/ alice {secret}\n", postern.drive)).unwrap();
    std::fs::set_permissions(&secrets, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    // The mounting program turns into another user before it reads these.
    let open = tempfile::Builder::new().prefix("postern-davfs-").tempdir().unwrap();
    std::fs::set_permissions(open.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let (ca, cache) = (open.path().join("ca.pem"), open.path().join("cache"));
    std::fs::copy(postern.ca(), &ca).unwrap();
    std::fs::create_dir(&cache).unwrap();
    std::fs::set_permissions(&cache, std::os::unix::fs::PermissionsExt::from_mode(0o777)).unwrap();
    let config = format!(
        "secrets {}\ntrust_ca_cert {}\ncache_dir {}\nask_auth 0\nuse_locks 1\ndelay_upload 0\n",
        secrets.display(),
        ca.display(),
        cache.display()
    );
    let config = postern.write("davfs/conf", &config).unwrap();
    let mut mount = Command::new("mount.davfs");
    mount
        .arg("-o")
        .arg(format!("conf={}", config.display()))
        .arg(format!("https://localhost:{}/", postern.drive))
        .arg(&at);
    let (status, said) = run(&mut mount).unwrap();
    if status != Some(0) && (said.contains("fuse") || said.contains("permitted") || said.contains("root")) {
        // Containers without /dev/fuse, and people who are not root, cannot mount anything.
        eprintln!("skipped: nothing can be mounted here: {said}");
        return;
    }
    assert_eq!(status, Some(0), "{said}\n{}", postern.said());
    let unmount = Unmount(&at);
    std::fs::write(at.join("note.txt"), "over davfs2").unwrap();
    drop(unmount);
    let mut curl = Command::new("curl");
    curl.args(["--silent", "--fail", "--cacert"]).arg(postern.ca()).arg("--user").arg(format!("alice:{secret}"));
    curl.arg(format!("https://localhost:{}/note.txt", postern.drive));
    assert_eq!(succeeds(&world, &mut curl), "over davfs2");
}

struct Unmount<'a>(&'a std::path::Path);

impl Drop for Unmount<'_> {
    fn drop(&mut self) {
        let _ = run(Command::new("umount").arg(self.0));
    }
}
