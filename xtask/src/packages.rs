//! Debian's packages: which are missing, and how to get them.

use std::{path::Path, process::Command};

use crate::progress::{quietly, tell};

/// What the demo runs on.
pub(crate) const DEMO: &[&str] = &[
    "ca-certificates",
    "curl",
    "dovecot-imapd",
    "dovecot-managesieved",
    "dovecot-pop3d",
    "isync",
    "openssl",
    "radicale",
    "vdirsyncer",
];
/// What the tests run on top of that.
pub(crate) const TESTS: &[&str] = &[
    "chromium",
    "chromium-driver",
    "davfs2",
    "faketime",
    "haproxy",
    "libsasl2-modules",
    "litmus",
    "msmtp",
    "mutt",
    "nginx-light",
    "postfix",
    "postgresql",
    "python3",
    "sieve-connect",
    "strace",
    "swaks",
    "xandikos",
];

/// What `--full` runs on top of that.
pub(crate) const FULL: &[&str] = &[
    "aerc",
    "alpine",
    "calcurse",
    "dbus",
    "fetchmail",
    "getmail6",
    "git-email",
    "imapfilter",
    "libauthen-sasl-perl",
    "libio-socket-ssl-perl",
    "libnss3-tools",
    "neomutt",
    "nodejs",
    "npm",
    "offlineimap3",
    "python3-httplib2",
    "s-nail",
    "sendemail",
    "thunderbird",
    "xauth",
    "xvfb",
];

/// Installs what is missing; without root it says what to type.
pub(crate) fn install(wanted: &[&str]) -> Result<(), String> {
    let missing: Vec<&str> = wanted.iter().copied().filter(|package| !is_installed(package)).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let list = missing.join(" ");
    if !rustix::process::geteuid().is_root() {
        return Err(format!(
            "these packages are missing, install them first:\n  sudo apt-get install --no-install-recommends {list}"
        ));
    }
    let install = || {
        let mut apt = Command::new("apt-get");
        apt.env("DEBIAN_FRONTEND", "noninteractive");
        apt.args(["install", "-y", "-qq", "--no-install-recommends"]).args(&missing);
        quietly(&format!("installing {list}"), &mut apt)
    };
    // Lists that are too old, or not there, name packages that are not.
    install().or_else(|_| {
        quietly("reading Debian's package lists", Command::new("apt-get").args(["update", "-qq"]))?;
        install()
    })?;
    if Path::new("/run/systemd/system").exists() {
        tell(
            "Debian may have started some of these as services. Nothing here needs that; to stop them:\n  \
             systemctl disable --now dovecot haproxy nginx postgresql radicale",
        );
    }
    Ok(())
}

fn is_installed(package: &str) -> bool {
    // Node's own packages bring it along, and do not go together with Debian's.
    if package == "npm" && Path::new("/usr/bin/npm").exists() {
        return true;
    }
    let asked = Command::new("dpkg-query").args(["-W", "-f", "${Status}", package]).output();
    asked.is_ok_and(|output| String::from_utf8_lossy(&output.stdout).ends_with("ok installed"))
}
