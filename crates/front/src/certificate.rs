//! Reading certificates and keys from files, and what a certificate says.

use std::{
    fs, io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    path::{Path, PathBuf},
};

use rustls_pki_types::{
    CertificateDer, PrivateKeyDer,
    pem::{Error as PemError, PemObject},
};
use thiserror::Error;
use x509_parser::prelude::{FromDer, GeneralName, X509Certificate};

/// Why a certificate or key cannot be used.
#[derive(Debug, Error)]
pub enum TlsError {
    /// The system refused the file.
    #[error("cannot read {}: {source}; check the path and that Postern's user may read it", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The file holds no certificate.
    #[error(
        "no certificate in {}: it should hold the server's certificate and the chain to its CA, \
         in PEM (`-----BEGIN CERTIFICATE-----`)",
        path.display()
    )]
    NoCertificate {
        /// The file.
        path: PathBuf,
    },
    /// The file holds no private key.
    #[error(
        "no private key in {}: it should hold one in PEM, without a passphrase \
         (`openssl pkey -in OLD -out NEW` takes a passphrase off)",
        path.display()
    )]
    NoKey {
        /// The file.
        path: PathBuf,
    },
    /// Something is there and cannot be understood.
    #[error("cannot understand {}: {reason}; fetch or make it anew", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What the reader of it said.
        reason: String,
    },
    /// Certificate and key belong to different pairs.
    #[error(
        "the key in {} does not belong to the certificate in {}: \
         name the key that the certificate was issued for",
        key.display(),
        certificate.display()
    )]
    KeyMismatch {
        /// The certificate's file.
        certificate: PathBuf,
        /// The key's file.
        key: PathBuf,
    },
}

/// What a certificate says about itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertificateFacts {
    /// The DNS names and IP addresses it is for (subjectAltName; RFC 9525
    /// leaves the common name out of account).
    pub names: Vec<String>,
    /// First second of its validity, Unix time.
    pub not_before: i64,
    /// Last second of its validity, Unix time.
    pub not_after: i64,
}

impl CertificateFacts {
    /// True if a client that connects to `name`, a DNS name or an IP address,
    /// finds it in the certificate (RFC 9525 section 6.3: a wildcard stands for
    /// the whole leftmost label).
    #[must_use]
    pub fn covers(&self, name: &str) -> bool {
        let name = name.trim_end_matches('.');
        if let Ok(address) = name.parse::<IpAddr>() {
            return self.names.iter().any(|own| own.parse() == Ok(address));
        }
        let parent = name.split_once('.').map(|(_, parent)| parent);
        self.names.iter().any(|own| {
            own.eq_ignore_ascii_case(name)
                || own
                    .strip_prefix("*.")
                    .is_some_and(|suffix| parent.is_some_and(|parent| parent.eq_ignore_ascii_case(suffix)))
        })
    }

    /// True if clients refuse it at `now` (Unix seconds), because it is expired
    /// or not valid yet.
    #[must_use]
    pub fn is_out_of_date(&self, now: i64) -> bool {
        !(self.not_before..=self.not_after).contains(&now)
    }
}

/// What the first certificate in a PEM file says.
///
/// # Errors
/// Unreadable, empty, malformed.
pub fn describe(path: &Path) -> Result<CertificateFacts, TlsError> {
    facts(&read_chain(path)?[0], path)
}

/// Never empty.
pub(crate) fn read_chain(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let pem = read(path)?;
    let chain =
        CertificateDer::pem_slice_iter(&pem).collect::<Result<Vec<_>, _>>().map_err(|error| malformed(path, &error))?;
    if chain.is_empty() {
        return Err(TlsError::NoCertificate { path: path.to_owned() });
    }
    Ok(chain)
}

pub(crate) fn read_key(path: &Path) -> Result<PrivateKeyDer<'static>, TlsError> {
    match PrivateKeyDer::from_pem_slice(&read(path)?) {
        Ok(key) => Ok(key),
        Err(PemError::NoItemsFound) => Err(TlsError::NoKey { path: path.to_owned() }),
        Err(error) => Err(malformed(path, &error)),
    }
}

pub(crate) fn facts(certificate: &CertificateDer<'_>, path: &Path) -> Result<CertificateFacts, TlsError> {
    let certificate = parse(certificate, path)?;
    let validity = certificate.validity();
    let names = match certificate.subject_alternative_name() {
        Ok(Some(names)) => names.value.general_names.iter().filter_map(name).collect(),
        Ok(None) => Vec::new(),
        Err(error) => return Err(malformed(path, &error)),
    };
    Ok(CertificateFacts {
        names,
        not_before: validity.not_before.timestamp(),
        not_after: validity.not_after.timestamp(),
    })
}

pub(crate) fn parse<'a>(certificate: &'a CertificateDer<'_>, path: &Path) -> Result<X509Certificate<'a>, TlsError> {
    match X509Certificate::from_der(certificate) {
        Ok((_, certificate)) => Ok(certificate),
        Err(error) => Err(malformed(path, &error)),
    }
}

fn name(name: &GeneralName<'_>) -> Option<String> {
    match name {
        GeneralName::DNSName(name) => Some((*name).to_owned()),
        GeneralName::IPAddress(octets) => <[u8; 4]>::try_from(*octets)
            .map(|octets| IpAddr::V4(Ipv4Addr::from(octets)))
            .or_else(|_| <[u8; 16]>::try_from(*octets).map(|o| IpAddr::V6(Ipv6Addr::from(o))))
            .ok()
            .map(|address| address.to_string()),
        _ => None,
    }
}

pub(crate) fn malformed(path: &Path, reason: &dyn ToString) -> TlsError {
    TlsError::Malformed { path: path.to_owned(), reason: reason.to_string() }
}

fn read(path: &Path) -> Result<Vec<u8>, TlsError> {
    fs::read(path).map_err(|source| TlsError::Unreadable { path: path.to_owned(), source })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wildcard_stands_for_one_label() {
        let facts = CertificateFacts {
            names: ["mail.example.org", "*.example.net", "192.0.2.1", "2001:db8::1"].map(String::from).to_vec(),
            not_before: 0,
            not_after: 0,
        };
        for name in ["mail.example.org", "MAIL.example.org.", "imap.example.net", "192.0.2.1", "2001:db8:0::1"] {
            assert!(facts.covers(name), "{name}");
        }
        for name in ["example.org", "example.net", "a.b.example.net", "192.0.2.2", ""] {
            assert!(!facts.covers(name), "{name}");
        }
    }
}
