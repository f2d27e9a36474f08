//! SASL, the server's side: PLAIN (RFC 4616) and LOGIN (draft-murchison-sasl-login).
//!
//! What comes out is [`Credentials`]: syntax checked, nothing decided. Whether
//! an account exists, and whether an [`authzid`](Credentials::authzid) is
//! acceptable, is for the caller to say.

use std::fmt;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use thiserror::Error;
use zeroize::{Zeroize, Zeroizing};

/// How a name and a password came.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Mechanism {
    /// SASL PLAIN: one message of UTF-8, `authzid NUL authcid NUL password`.
    Plain,
    /// SASL LOGIN: two answers to two prompts.
    Login,
    /// The protocol's own command: LOGIN of IMAP, USER and PASS of POP3.
    Command,
    /// HTTP Basic (RFC 7617).
    Basic,
}

impl Mechanism {
    /// The SASL mechanism of this name, in any case, if we speak it.
    #[must_use]
    pub fn sasl(name: &[u8]) -> Option<Self> {
        if name.eq_ignore_ascii_case(b"PLAIN") {
            Some(Self::Plain)
        } else if name.eq_ignore_ascii_case(b"LOGIN") {
            Some(Self::Login)
        } else {
            None
        }
    }

    /// The name as SASL and logs write it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Plain => "PLAIN",
            Self::Login => "LOGIN",
            Self::Command => "command",
            Self::Basic => "Basic",
        }
    }
}

/// A name and a password as a client gave them: well-formed, and no more.
///
/// The names are not empty and hold no control character: TAB, CR, LF and NUL
/// would end a field in the protocols, headers and logs they are written to.
/// The password is not empty and holds no NUL; anything else in it is kept as
/// received (ASVS 5, 6.2.8). Neither is compared with anything here.
#[derive(Clone)]
pub struct Credentials {
    /// Who is signing in.
    pub authcid: String,
    /// Whom to act as, if the client named anybody, itself included.
    pub authzid: Option<String>,
    /// What was given as the password.
    pub password: Zeroizing<String>,
    /// How they came.
    pub mechanism: Mechanism,
}

impl Credentials {
    /// Checks the syntax of a name and a password.
    ///
    /// # Errors
    /// When the name is empty or holds a control character, or the password is
    /// empty or holds NUL.
    pub fn new(authcid: String, password: Zeroizing<String>, mechanism: Mechanism) -> Result<Self, SaslError> {
        Ok(Self { authcid: name(authcid)?, authzid: None, password: checked(password)?, mechanism })
    }

    /// True when the client asks to act under a name that is not, letter for
    /// letter, its own. Such a request is to be refused unless the caller knows
    /// both names for the same account.
    #[must_use]
    pub fn acts_for_another(&self) -> bool {
        self.authzid.as_ref().is_some_and(|authzid| *authzid != self.authcid)
    }

    /// Reads a decoded PLAIN message (RFC 4616).
    fn plain(message: Zeroizing<Vec<u8>>) -> Result<Self, SaslError> {
        let text = std::str::from_utf8(&message).map_err(|_| SaslError::Syntax)?;
        let mut fields = text.split('\0');
        let (Some(authzid), Some(authcid), Some(password), None) =
            (fields.next(), fields.next(), fields.next(), fields.next())
        else {
            return Err(SaslError::Syntax);
        };
        let mut credentials = Self::new(authcid.into(), Zeroizing::new(password.into()), Mechanism::Plain)?;
        if !authzid.is_empty() {
            credentials.authzid = Some(name(authzid.into())?);
        }
        Ok(credentials)
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The name too: people paste their password into the field for it.
        f.debug_struct("Credentials").field("mechanism", &self.mechanism).finish_non_exhaustive()
    }
}

/// Why an exchange yields no credentials. None of them says anything about an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum SaslError {
    /// The client sent `*`.
    #[error("authentication cancelled")]
    Cancelled,
    /// Not base64, or not in its one canonical form.
    #[error("invalid base64")]
    Base64,
    /// Not a message of this mechanism, or not UTF-8 where it has to be.
    #[error("malformed credentials")]
    Syntax,
    /// An empty name, or one with a control character in it.
    #[error("malformed user name")]
    Name,
    /// No password at all: some servers take that for an anonymous sign-in.
    #[error("empty password")]
    EmptyPassword,
}

/// An exchange that waits for the client's next line.
pub struct Exchange(Awaiting);

enum Awaiting {
    Message,
    Name,
    Password { authcid: String },
}

/// What a line from the client led to.
#[derive(Debug)]
pub enum Step {
    /// Send the [prompt](Exchange::prompt) and wait for another line.
    Ask(Exchange),
    /// The client has said everything.
    Done(Credentials),
}

impl Exchange {
    /// Starts an exchange; `None` for a [`Mechanism`] that is not SASL's.
    #[must_use]
    pub fn new(mechanism: Mechanism) -> Option<Self> {
        match mechanism {
            Mechanism::Plain => Some(Self(Awaiting::Message)),
            Mechanism::Login => Some(Self(Awaiting::Name)),
            Mechanism::Command | Mechanism::Basic => None,
        }
    }

    /// The challenge to send, base64.
    ///
    /// Thunderbird's LOGIN takes no other prompts than these two.
    #[must_use]
    pub fn prompt(&self) -> &'static str {
        match self.0 {
            Awaiting::Message => "",
            Awaiting::Name => "VXNlcm5hbWU6",
            Awaiting::Password { .. } => "UGFzc3dvcmQ6",
        }
    }

    /// Takes an initial response (RFC 4959, RFC 4954): `=` stands for an empty one.
    ///
    /// # Errors
    /// As [`respond`](Self::respond).
    pub fn initial(self, line: &[u8]) -> Result<Step, SaslError> {
        self.respond(if line == b"=" { b"" } else { line })
    }

    /// Takes the client's answer, a line without its end.
    ///
    /// # Errors
    /// When the exchange is over without credentials; the connection can go on.
    pub fn respond(self, line: &[u8]) -> Result<Step, SaslError> {
        if line == b"*" {
            return Err(SaslError::Cancelled);
        }
        let message = decode(line)?;
        match self.0 {
            Awaiting::Message => Credentials::plain(message).map(Step::Done),
            Awaiting::Name => {
                let authcid = name(text(message).as_str().to_owned())?;
                Ok(Step::Ask(Self(Awaiting::Password { authcid })))
            }
            Awaiting::Password { authcid } => {
                Credentials::new(authcid, text(message), Mechanism::Login).map(Step::Done)
            }
        }
    }
}

impl fmt::Debug for Exchange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            Awaiting::Message => "Exchange(PLAIN)",
            Awaiting::Name => "Exchange(LOGIN, name)",
            Awaiting::Password { .. } => "Exchange(LOGIN, password)",
        })
    }
}

/// Strict base64 (RFC 4648, canonical padding).
pub(crate) fn decode(line: &[u8]) -> Result<Zeroizing<Vec<u8>>, SaslError> {
    // Sized ahead: growing would leave copies behind.
    let mut message = Zeroizing::new(vec![0; base64::decoded_len_estimate(line.len())]);
    let length = BASE64_STANDARD.decode_slice(line, &mut message).map_err(|_| SaslError::Base64)?;
    message.truncate(length);
    Ok(message)
}

/// A PLAIN message that signs in as `authcid` and acts as `authzid`, in base64.
pub(crate) fn plain_message(authzid: &str, authcid: &str, password: &str) -> Zeroizing<String> {
    let mut message = Zeroizing::new(Vec::with_capacity(authzid.len() + authcid.len() + password.len() + 2));
    for (i, field) in [authzid, authcid, password].into_iter().enumerate() {
        if i > 0 {
            message.push(0);
        }
        message.extend_from_slice(field.as_bytes());
    }
    Zeroizing::new(BASE64_STANDARD.encode(&*message))
}

/// UTF-8, or else Latin-1: LOGIN, IMAP's LOGIN and Basic never said which.
pub(crate) fn text(mut octets: Zeroizing<Vec<u8>>) -> Zeroizing<String> {
    match String::from_utf8(std::mem::take(&mut *octets)) {
        Ok(text) => Zeroizing::new(text),
        Err(not_utf8) => {
            let octets = Zeroizing::new(not_utf8.into_bytes());
            // Latin-1 needs at most two octets of UTF-8 each.
            let mut text = Zeroizing::new(String::with_capacity(octets.len() * 2));
            text.extend(octets.iter().map(|&octet| char::from(octet)));
            text
        }
    }
}

/// A name that can be written to any line protocol, header or log.
pub(crate) fn name(mut name: String) -> Result<String, SaslError> {
    if name.is_empty() || name.chars().any(char::is_control) {
        // Perhaps a password in the wrong field.
        name.zeroize();
        return Err(SaslError::Name);
    }
    Ok(name)
}

fn checked(password: Zeroizing<String>) -> Result<Zeroizing<String>, SaslError> {
    if password.is_empty() {
        return Err(SaslError::EmptyPassword);
    }
    if password.contains('\0') {
        return Err(SaslError::Syntax);
    }
    Ok(password)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain(message: &[u8]) -> Result<Credentials, SaslError> {
        let line = BASE64_STANDARD.encode(message);
        match Exchange::new(Mechanism::Plain).unwrap().respond(line.as_bytes())? {
            Step::Done(credentials) => Ok(credentials),
            Step::Ask(_) => panic!("PLAIN is one message"),
        }
    }

    fn login(user: &[u8], password: &[u8]) -> Result<Credentials, SaslError> {
        let exchange = Exchange::new(Mechanism::Login).unwrap();
        assert_eq!(exchange.prompt(), "VXNlcm5hbWU6");
        let Step::Ask(exchange) = exchange.respond(BASE64_STANDARD.encode(user).as_bytes())? else {
            panic!("LOGIN asks twice")
        };
        assert_eq!(exchange.prompt(), "UGFzc3dvcmQ6");
        match exchange.respond(BASE64_STANDARD.encode(password).as_bytes())? {
            Step::Done(credentials) => Ok(credentials),
            Step::Ask(_) => panic!("LOGIN asks twice"),
        }
    }

    #[test]
    fn plain_reads_the_three_fields() {
        let table: [(&str, Option<&str>, &str, &str, bool); 5] = [
            ("\0alice\0secret", None, "alice", "secret", false),
            ("alice\0alice\0secret", Some("alice"), "alice", "secret", false),
            ("bob\0alice\0secret", Some("bob"), "alice", "secret", true),
            ("\0alice@example.org\0 pass word\r\n", None, "alice@example.org", " pass word\r\n", false),
            ("\0ålice\0pässwörd", None, "ålice", "pässwörd", false),
        ];
        for (message, authzid, authcid, password, another) in table {
            let got = plain(message.as_bytes()).unwrap();
            assert_eq!(got.authzid.as_deref(), authzid, "{message:?}");
            assert_eq!(got.authcid, authcid);
            assert_eq!(got.password.as_str(), password);
            assert_eq!(got.acts_for_another(), another, "{message:?}");
            assert_eq!(got.mechanism, Mechanism::Plain);
        }
    }

    #[test]
    fn plain_refuses_what_is_malformed() {
        let table: [(&[u8], SaslError); 14] = [
            (b"", SaslError::Syntax),
            (b"alice", SaslError::Syntax),
            (b"\0alice", SaslError::Syntax),
            (b"\0alice\0secret\0more", SaslError::Syntax),
            (b"\0alice\0sec\xe9ret", SaslError::Syntax),
            (b"\0\xe5lice\0secret", SaslError::Syntax),
            (b"\0\0secret", SaslError::Name),
            (b"\0al\tice\0secret", SaslError::Name),
            (b"\0al\rice\0secret", SaslError::Name),
            (b"\0alice\n\0secret", SaslError::Name),
            (b"bo\nb\0alice\0secret", SaslError::Name),
            (b"\0al\x7fice\0secret", SaslError::Name),
            (b"\0alice\0", SaslError::EmptyPassword),
            (b"alice\0alice\0", SaslError::EmptyPassword),
        ];
        for (message, error) in table {
            assert_eq!(plain(message).unwrap_err(), error, "{:?}", message.escape_ascii().to_string());
        }
    }

    #[test]
    fn login_takes_utf8_and_latin1() {
        for (user, password, want) in [
            (&b"alice"[..], &b"secret"[..], "secret"),
            (b"alice", "pässwörd".as_bytes(), "pässwörd"),
            (b"alice", b"p\xe4ssw\xf6rd", "pässwörd"),
        ] {
            let got = login(user, password).unwrap();
            assert_eq!(got.authcid, "alice");
            assert_eq!(got.password.as_str(), want);
            assert!(got.authzid.is_none());
        }
        assert_eq!(login(b"\xe5lice", b"x").unwrap().authcid, "ålice");
    }

    #[test]
    fn login_refuses_what_is_malformed() {
        let table: [(&[u8], &[u8], SaslError); 6] = [
            (b"", b"secret", SaslError::Name),
            (b"al\0ice", b"secret", SaslError::Name),
            (b"al\tice", b"secret", SaslError::Name),
            (b"alice\r\n", b"secret", SaslError::Name),
            (b"alice", b"", SaslError::EmptyPassword),
            (b"alice", b"sec\0ret", SaslError::Syntax),
        ];
        for (user, password, error) in table {
            assert_eq!(login(user, password).unwrap_err(), error, "{:?}", user.escape_ascii().to_string());
        }
    }

    #[test]
    fn star_cancels_and_bad_base64_is_told_apart() {
        for mechanism in [Mechanism::Plain, Mechanism::Login] {
            for (line, error) in [
                (&b"*"[..], SaslError::Cancelled),
                (b"!!!!", SaslError::Base64),
                (b"AGFsaWNl*", SaslError::Base64),
                (b"AGFsaWNlAHg", SaslError::Base64),
                (b"AGFs aWNl", SaslError::Base64),
                (b"=", SaslError::Base64),
            ] {
                let got = Exchange::new(mechanism).unwrap().respond(line).unwrap_err();
                assert_eq!(got, error, "{}", line.escape_ascii());
            }
        }
    }

    #[test]
    fn an_initial_response_of_equals_is_empty_and_not_absent() {
        let plain = Exchange::new(Mechanism::Plain).unwrap().initial(b"=");
        assert_eq!(plain.unwrap_err(), SaslError::Syntax);
        let login = Exchange::new(Mechanism::Login).unwrap().initial(b"=");
        assert_eq!(login.unwrap_err(), SaslError::Name);
    }

    #[test]
    fn nothing_of_the_credentials_is_printed() {
        let credentials = plain(b"\0alice\0hunter2").unwrap();
        let printed = format!("{credentials:?} {credentials:#?}");
        assert!(!printed.contains("hunter2") && !printed.contains("alice"), "{printed}");
    }

    #[test]
    fn our_own_message_reads_back() {
        let line = plain_message("alice@example.org", "postern", "master");
        let Ok(Step::Done(got)) = Exchange::new(Mechanism::Plain).unwrap().respond(line.as_bytes()) else {
            panic!("not PLAIN")
        };
        assert_eq!(got.authzid.as_deref(), Some("alice@example.org"));
        assert_eq!((got.authcid.as_str(), got.password.as_str()), ("postern", "master"));
    }
}
