//! Debian's packages: which are missing, and how to get them.

use std::process::Command;

use crate::progress::quietly;

/// What the demo runs on.
pub(crate) const DEMO: &[&str] =
    &["ca-certificates", "curl", "dovecot-imapd", "isync", "openssl", "radicale", "vdirsyncer"];
/// What the tests run on top of that.
pub(crate) const TESTS: &[&str] =
    &["chromium", "chromium-driver", "davfs2", "faketime", "litmus", "mutt", "nginx-light", "python3"];

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
    quietly("reading Debian's package lists", Command::new("apt-get").args(["update", "-qq"]))?;
    let mut apt = Command::new("apt-get");
    // policy-rc.d would be better asked than the services: none of them is wanted running.
    apt.env("DEBIAN_FRONTEND", "noninteractive").env("RUNLEVEL", "1");
    apt.args(["install", "-y", "-qq", "--no-install-recommends"]).args(&missing);
    quietly(&format!("installing {list}"), &mut apt)
}

fn is_installed(package: &str) -> bool {
    let asked = Command::new("dpkg-query").args(["-W", "-f", "${Status}", package]).output();
    asked.is_ok_and(|output| String::from_utf8_lossy(&output.stdout).ends_with("ok installed"))
}
