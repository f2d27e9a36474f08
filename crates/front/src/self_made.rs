//! A private CA and a server certificate under it, for trials and for sites
//! that have no other: made once, renewed in time, in four files.
//!
//! The CA is what people trust by hand, so it lives long and its key is used
//! for nothing but this. Clients accept the server's certificate for the names
//! it was made for, `localhost`, 127.0.0.1 and ::1.

use std::{
    fs::{self, File, OpenOptions, Permissions},
    io::{self, Write},
    net::IpAddr,
    os::unix::fs::{OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
    time::Duration,
};

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, PKCS_ECDSA_P256_SHA256, date_time_ymd,
};
use rustls_pki_types::ServerName;
use thiserror::Error;
use x509_parser::{certificate::X509Certificate, extensions::ParsedExtension};

use crate::{
    CertificateFacts, Tls, TlsError,
    certificate::{describe, parse, read_chain},
};

const DAY: i64 = 24 * 60 * 60;
/// Ten years.
const CA_LIFE: i64 = 3650 * DAY;
/// The longest that browsers accept is 398 days; an hour of it lies in the past.
const SERVER_LIFE: i64 = 397 * DAY;
/// With less than this left, a certificate is made anew.
const RENEW_BEFORE: i64 = 30 * DAY;
/// Clients whose clocks are behind accept it at once.
const CLOCKS_DIFFER: i64 = 60 * 60;

/// Part of every certificate.
const THIS_MACHINE: [&str; 3] = ["localhost", "127.0.0.1", "::1"];

/// Where things are, and what was done.
#[derive(Clone, Debug)]
pub struct SelfMade {
    /// The CA's certificate, `ca.pem`: what clients are told to trust.
    pub ca: PathBuf,
    /// The server's certificate, `server.pem`.
    pub certificate: PathBuf,
    /// The server's key, `server-key.pem`, mode 0600.
    pub key: PathBuf,
    /// True if the CA was made by this call, so that people have to trust it.
    pub new_ca: bool,
    /// True if the server's certificate was made by this call: [`Tls::reload`].
    pub new_certificate: bool,
}

/// Why there is no certificate.
#[derive(Debug, Error)]
pub enum SelfMadeError {
    /// The folder or a file in it.
    #[error("cannot write {}: {source}; check that Postern's user owns the folder and that it is not full", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A name cannot stand in a certificate.
    #[error("`{0}` cannot stand in a certificate: use a DNS name in its ASCII form (`xn--...`) or an IP address")]
    Name(String),
    /// The CA cannot sign, and people may trust it: no new one is made in silence.
    #[error(
        "the server's certificate has to be made anew, and the CA cannot sign it: {why}; \
         restore {} from a backup, or remove {} to get a new CA, which everybody must trust anew",
        key.display(),
        ca.display()
    )]
    Authority {
        /// What is wrong with it.
        why: String,
        /// The CA's certificate.
        ca: PathBuf,
        /// The CA's key.
        key: PathBuf,
    },
    /// Making keys or signing failed.
    #[error("cannot make a certificate: {0}; this is a defect, please report it")]
    Making(#[from] rcgen::Error),
}

/// Makes what is missing in `folder`: `ca.pem` (mode 0644), `ca-key.pem`,
/// `server.pem` and `server-key.pem` (0600). Does nothing if all is well; makes
/// a new server certificate if fewer than 30 days are left, a name of `names`
/// is not in it, or the files do not fit together. Call it at the start and
/// daily. `now` is Unix seconds.
///
/// # Errors
/// The folder cannot be written, a name is unfit, or the CA's key is lost when
/// it is needed.
pub fn ensure(folder: &Path, domain: &str, names: &[String], now: i64) -> Result<SelfMade, SelfMadeError> {
    fs::create_dir_all(folder).map_err(|source| SelfMadeError::Write { path: folder.to_owned(), source })?;
    let mut made = SelfMade {
        ca: folder.join("ca.pem"),
        certificate: folder.join("server.pem"),
        key: folder.join("server-key.pem"),
        new_ca: false,
        new_certificate: false,
    };
    let ca_key = folder.join("ca-key.pem");
    let names = with_this_machine(names)?;

    // One that cannot be read is not outlived: people trust it, and it is never
    // replaced in silence.
    let ca = describe(&made.ca);
    if !made.ca.exists() || ca.is_ok_and(|ca| ends_soon(&ca, now)) {
        keep_aside(&[&made.ca, &ca_key])?;
        make_ca(domain, now, &made.ca, &ca_key)?;
        made.new_ca = true;
    }
    if !still_good(&made, &names, now).unwrap_or(false) {
        make_server(&made, &ca_key, &names, now)?;
        made.new_certificate = true;
    }
    Ok(made)
}

/// The names that go into the certificate, each once, as a client spells them.
fn with_this_machine(names: &[String]) -> Result<Vec<String>, SelfMadeError> {
    let mut all: Vec<String> = Vec::new();
    for name in names.iter().map(String::as_str).chain(THIS_MACHINE) {
        let host = name.strip_prefix("*.").unwrap_or(name);
        if ServerName::try_from(host).is_err() || (host != name && host.parse::<IpAddr>().is_ok()) {
            return Err(SelfMadeError::Name(name.to_owned()));
        }
        let name = match name.parse::<IpAddr>() {
            Ok(address) => address.to_string(),
            Err(_) => name.trim_end_matches('.').to_ascii_lowercase(),
        };
        if !all.contains(&name) {
            all.push(name);
        }
    }
    Ok(all)
}

/// A clock that stepped back makes nothing end: after a flat battery the right
/// time comes back, and the certificate is still there.
fn ends_soon(facts: &CertificateFacts, now: i64) -> bool {
    facts.not_after - now < RENEW_BEFORE
}

/// It was made while the clock ran ahead, if the clock is to be believed now:
/// the CA was made before this moment, and the certificate after it.
fn begins_later(facts: &CertificateFacts, ca_begins: i64, now: i64) -> bool {
    ca_begins <= now && now < facts.not_before
}

/// A clock that runs ahead may be all that is wrong with them: apps trust this CA.
fn keep_aside(files: &[&Path]) -> Result<(), SelfMadeError> {
    for path in files.iter().filter(|path| path.exists()) {
        let aside = path.with_extension("pem.old");
        fs::rename(path, &aside).map_err(|source| SelfMadeError::Write { path: aside.clone(), source })?;
    }
    Ok(())
}

/// Certificate and key fit together, the CA that clients trust made them, all
/// names are in it, and time is left.
fn still_good(made: &SelfMade, names: &[String], now: i64) -> Result<bool, TlsError> {
    // They fit together.
    Tls::load(&made.certificate, &made.key)?;
    let facts = describe(&made.certificate)?;
    let ca = read_chain(&made.ca)?;
    let server = read_chain(&made.certificate)?;
    let [ca, server] = [parse(&ca[0], &made.ca)?, parse(&server[0], &made.certificate)?];
    Ok(!ends_soon(&facts, now)
        && !begins_later(&facts, ca.validity().not_before.timestamp(), now)
        && issuer_key_id(&server).is_some_and(|id| Some(id) == key_id(&ca))
        && names.iter().all(|name| facts.names.contains(name)))
}

/// The id of the certificate's own key, a hash of it (RFC 5280 section 4.2.1.2).
fn key_id<'a>(certificate: &X509Certificate<'a>) -> Option<&'a [u8]> {
    certificate.iter_extensions().find_map(|extension| match extension.parsed_extension() {
        ParsedExtension::SubjectKeyIdentifier(id) => Some(id.0),
        _ => None,
    })
}

/// The id of the key that signed it (RFC 5280 section 4.2.1.1).
fn issuer_key_id<'a>(certificate: &X509Certificate<'a>) -> Option<&'a [u8]> {
    certificate.iter_extensions().find_map(|extension| match extension.parsed_extension() {
        ParsedExtension::AuthorityKeyIdentifier(id) => Some(id.key_identifier.as_ref()?.0),
        _ => None,
    })
}

fn make_ca(domain: &str, now: i64, ca: &Path, ca_key: &Path) -> Result<(), SelfMadeError> {
    let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
    let mut params = CertificateParams::default();
    params.distinguished_name = common_name(&format!("Postern private CA for {domain}"));
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    valid(&mut params, now, now + CA_LIFE);
    // The key first: without ca.pem nobody trusts it, and both are made anew.
    write(ca_key, &key.serialize_pem(), 0o600)?;
    write(ca, &params.self_signed(&key)?.pem(), 0o644)
}

fn make_server(made: &SelfMade, ca_key: &Path, names: &[String], now: i64) -> Result<(), SelfMadeError> {
    let lost = |why: String| SelfMadeError::Authority { why, ca: made.ca.clone(), key: ca_key.to_owned() };
    let pem = fs::read_to_string(ca_key).map_err(|error| lost(error.to_string()))?;
    let ca_key = KeyPair::from_pem(&pem).map_err(|error| lost(error.to_string()))?;
    let chain = read_chain(&made.ca).map_err(|error| lost(error.to_string()))?;
    let ca = parse(&chain[0], &made.ca).map_err(|error| lost(error.to_string()))?;
    if ca.public_key().subject_public_key.data != ca_key.public_key_raw() {
        return Err(lost("its key belongs to another certificate".to_owned()));
    }
    let ca_ends = ca.validity().not_after.timestamp();

    let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
    let mut params = CertificateParams::new(names)?;
    params.distinguished_name = common_name("Postern");
    params.is_ca = IsCa::ExplicitNoCa;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    // Python 3.13 refuses a certificate without it (VERIFY_X509_STRICT).
    params.use_authority_key_identifier_extension = true;
    valid(&mut params, now, ca_ends.min(now + SERVER_LIFE));
    let certificate = params.signed_by(&key, &Issuer::from_ca_cert_der(&chain[0], ca_key)?)?;
    // A crash in between leaves a pair that does not fit: made anew next time.
    write(&made.key, &key.serialize_pem(), 0o600)?;
    write(&made.certificate, &certificate.pem(), 0o600)
}

fn common_name(name: &str) -> DistinguishedName {
    let mut distinguished = DistinguishedName::new();
    distinguished.push(DnType::CommonName, name);
    distinguished
}

fn valid(params: &mut CertificateParams, now: i64, until: i64) {
    let at = |moment: i64| date_time_ymd(1970, 1, 1) + Duration::from_secs(u64::try_from(moment).unwrap_or(0));
    params.not_before = at(now - CLOCKS_DIFFER);
    params.not_after = at(until);
}

/// Whole or not at all: a reader, or a crash, never meets half a file.
fn write(path: &Path, pem: &str, mode: u32) -> Result<(), SelfMadeError> {
    // Two processes at once do not write the same one.
    let new = path.with_extension(format!("new-{}", std::process::id()));
    let written = || -> io::Result<()> {
        let _ = fs::remove_file(&new);
        let mut file = OpenOptions::new().write(true).create_new(true).mode(mode & 0o600).open(&new)?;
        file.write_all(pem.as_bytes())?;
        // What the umask took away.
        file.set_permissions(Permissions::from_mode(mode))?;
        file.sync_all()?;
        fs::rename(&new, path)?;
        // The new name, too, outlives a power cut.
        File::open(path.parent().unwrap_or(Path::new(".")))?.sync_all()
    };
    written().map_err(|source| {
        let _ = fs::remove_file(&new);
        SelfMadeError::Write { path: path.to_owned(), source }
    })
}
