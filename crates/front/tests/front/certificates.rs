use std::{fs, os::unix::fs::PermissionsExt, path::Path};

use front::{Tls, describe, self_made};

use crate::site::NOW;

const DAY: i64 = 24 * 60 * 60;

fn ensure(folder: &Path, names: &[&str], now: i64) -> self_made::SelfMade {
    let names: Vec<_> = names.iter().map(ToString::to_string).collect();
    self_made::ensure(folder, "example.org", &names, now).unwrap()
}

fn contents(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let mut all: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap())
        .map(|entry| (entry.file_name().into_string().unwrap(), fs::read(entry.path()).unwrap()))
        .collect();
    all.sort();
    all
}

#[test]
fn four_files_are_made_once() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path().join("tls");
    let made = ensure(&folder, &["mail.example.org", "*.example.net"], NOW);
    assert!(made.new_ca && made.new_certificate);
    let modes: Vec<_> = contents(&folder)
        .into_iter()
        .map(|(name, _)| {
            let mode = fs::metadata(folder.join(&name)).unwrap().permissions().mode() & 0o777;
            (name, mode)
        })
        .collect();
    let expected = [("ca-key.pem", 0o600), ("ca.pem", 0o644), ("server-key.pem", 0o600), ("server.pem", 0o600)];
    assert_eq!(modes, expected.map(|(name, mode)| (name.to_owned(), mode)));

    let facts = describe(&made.certificate).unwrap();
    for name in ["mail.example.org", "imap.example.net", "localhost", "127.0.0.1", "::1"] {
        assert!(facts.covers(name), "{name} in {:?}", facts.names);
    }
    assert!(facts.not_before < NOW);
    assert_eq!(facts.not_after, NOW + 397 * DAY);
    assert_eq!(describe(&made.ca).unwrap().not_after, NOW + 3650 * DAY);

    let before = contents(&folder);
    let again = ensure(&folder, &["mail.example.org", "*.example.net"], NOW + 300 * DAY);
    assert!(!again.new_ca && !again.new_certificate);
    assert_eq!(contents(&folder), before);
}

#[test]
fn the_server_certificate_is_renewed_in_time_and_the_ca_kept() {
    let folder = tempfile::tempdir().unwrap();
    ensure(folder.path(), &[], NOW);
    assert!(!ensure(folder.path(), &[], NOW + 366 * DAY).new_certificate);
    let renewed = ensure(folder.path(), &[], NOW + 368 * DAY);
    assert!(renewed.new_certificate && !renewed.new_ca);
    Tls::load(&renewed.certificate, &renewed.key).unwrap();

    // Near its end the CA goes too; no certificate outlives the one that signed it.
    let late = ensure(folder.path(), &[], NOW + 3600 * DAY);
    assert!(late.new_certificate && !late.new_ca);
    assert_eq!(describe(&late.certificate).unwrap().not_after, describe(&late.ca).unwrap().not_after);
    assert!(ensure(folder.path(), &[], NOW + 3625 * DAY).new_ca);
}

#[test]
fn a_clock_that_stepped_back_ends_nothing() {
    let folder = tempfile::tempdir().unwrap();
    ensure(folder.path(), &[], NOW);
    let back = ensure(folder.path(), &[], 0);
    assert!(!back.new_ca && !back.new_certificate);
}

#[test]
fn a_clock_that_ran_ahead_costs_no_certificate_for_good() {
    // Eleven months ahead, and right again.
    let folder = tempfile::tempdir().unwrap();
    ensure(folder.path(), &[], NOW);
    ensure(folder.path(), &[], NOW + 380 * DAY);
    let right = ensure(folder.path(), &[], NOW + DAY);
    assert!(right.new_certificate && !right.new_ca);
    assert!(describe(&right.certificate).unwrap().not_before < NOW + DAY);

    // Ten years ahead: the CA that apps trust can be put back.
    let before = fs::read(&right.ca).unwrap();
    assert!(ensure(folder.path(), &[], NOW + 3649 * DAY).new_ca);
    for name in ["ca", "ca-key"] {
        let aside = folder.path().join(format!("{name}.pem.old"));
        fs::rename(aside, folder.path().join(format!("{name}.pem"))).unwrap();
    }
    let back = ensure(folder.path(), &[], NOW + 2 * DAY);
    assert!(back.new_certificate && !back.new_ca);
    assert_eq!(fs::read(&back.ca).unwrap(), before);
}

#[test]
fn what_does_not_fit_is_made_anew() {
    let folder = tempfile::tempdir().unwrap();
    let made = ensure(folder.path(), &["a.example.org"], NOW);

    let widened = ensure(folder.path(), &["a.example.org", "B.example.org"], NOW);
    assert!(widened.new_certificate && !widened.new_ca);
    assert!(describe(&widened.certificate).unwrap().covers("b.example.org"));
    assert!(!ensure(folder.path(), &["b.example.org"], NOW).new_certificate);

    // As after a crash between the two renames.
    let other = tempfile::tempdir().unwrap();
    let foreign = ensure(other.path(), &["b.example.org"], NOW);
    fs::copy(&foreign.key, &made.key).unwrap();
    assert!(ensure(folder.path(), &["b.example.org"], NOW).new_certificate);
    Tls::load(&made.certificate, &made.key).unwrap();

    // A pair that fits, made by a CA that nobody here trusts.
    fs::copy(&foreign.key, &made.key).unwrap();
    fs::copy(&foreign.certificate, &made.certificate).unwrap();
    assert!(ensure(folder.path(), &["b.example.org"], NOW).new_certificate);

    fs::write(&made.certificate, "").unwrap();
    assert!(ensure(folder.path(), &["b.example.org"], NOW).new_certificate);
}

#[test]
fn a_ca_that_people_trust_is_not_replaced_in_silence() {
    let folder = tempfile::tempdir().unwrap();
    let made = ensure(folder.path(), &[], NOW);
    let ca = fs::read(&made.ca).unwrap();
    let ca_key = folder.path().join("ca-key.pem");

    // Kept elsewhere, it is not missed until it is needed.
    fs::remove_file(&ca_key).unwrap();
    assert!(!ensure(folder.path(), &[], NOW).new_certificate);
    let ensure = |now| self_made::ensure(folder.path(), "example.org", &[], now);
    let error = ensure(NOW + 380 * DAY).unwrap_err().to_string();
    assert!(error.contains("ca-key.pem from a backup"), "{error}");

    fs::copy(&made.key, &ca_key).unwrap();
    let error = ensure(NOW + 380 * DAY).unwrap_err().to_string();
    assert!(error.contains("belongs to another certificate"), "{error}");

    fs::write(&made.ca, "damaged").unwrap();
    ensure(NOW).unwrap_err();
    fs::write(&made.ca, ca).unwrap();
    ensure(NOW).unwrap();
}

#[test]
fn a_name_that_cannot_stand_in_a_certificate_is_named() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["", "mail example.org", "bücher.example", "*.127.0.0.1", "*.*.example.org", "-"] {
        let error = self_made::ensure(folder.path(), "example.org", &[name.to_owned()], NOW).unwrap_err().to_string();
        assert!(error.contains(&format!("`{name}` cannot stand")), "{error}");
    }
}

#[test]
fn every_error_of_a_certificate_says_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let made = ensure(folder.path(), &[], NOW);
    let other = tempfile::tempdir().unwrap();
    let foreign = ensure(other.path(), &[], NOW);
    let absent = folder.path().join("absent.pem");
    let nonsense = folder.path().join("nonsense.pem");
    fs::write(
        &nonsense,
        "-----BEGIN CERTIFICATE-----\nbm9uc2Vuc2U=\n-----END CERTIFICATE-----\n\
         -----BEGIN PRIVATE KEY-----\nbm9uc2Vuc2U=\n-----END PRIVATE KEY-----\n",
    )
    .unwrap();
    for (certificate, key, what, action) in [
        (&absent, &made.key, "cannot read", "check the path"),
        (&made.certificate, &absent, "cannot read", "check the path"),
        (&made.key, &made.key, "no certificate in", "-----BEGIN CERTIFICATE-----"),
        (&made.certificate, &made.certificate, "no private key in", "without a passphrase"),
        (&nonsense, &made.key, "cannot understand", "make it anew"),
        (&made.certificate, &nonsense, "cannot understand", "make it anew"),
        (&made.certificate, &foreign.key, "does not belong to", "name the key"),
    ] {
        let error = Tls::load(certificate, key).unwrap_err().to_string();
        assert!(error.contains(what) && error.contains(action), "{error}");
        assert!(!error.contains("bm9uc2Vuc2U"), "{error}");
    }
}

#[test]
fn an_expired_certificate_is_loaded_and_told() {
    let folder = tempfile::tempdir().unwrap();
    let made = ensure(folder.path(), &[], NOW);
    let facts = &Tls::load(&made.certificate, &made.key).unwrap().facts()[0];
    assert!(!facts.is_out_of_date(NOW));
    assert!(facts.is_out_of_date(NOW + 398 * DAY));
    assert!(facts.is_out_of_date(NOW - DAY));
}
