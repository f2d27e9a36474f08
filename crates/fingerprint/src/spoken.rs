//! What the mail protocols have in common: a sign-in; and those of which no more
//! than that is seen, POP3 and ManageSieve.

use std::fmt;

use crate::{
    imap::Argument,
    words::{Words, word},
};

/// The form of the command that signs in, without what it holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SignIn {
    text: String,
}

impl SignIn {
    /// `LOGIN name password` of IMAP: the verb as it was written.
    #[must_use]
    pub fn login(verb: &[u8], name: Argument, password: Argument) -> Self {
        let forms: String = [name, password].map(Argument::letter).into_iter().collect();
        Self { text: format!("{}.{forms}", word(verb)) }
    }

    /// `AUTHENTICATE mechanism` or `AUTH mechanism`, as it was written.
    #[must_use]
    pub fn sasl(verb: &[u8], mechanism: &[u8], initial_response: bool) -> Self {
        let mut text = format!("{}.{}", word(verb), word(mechanism));
        if initial_response {
            text.push_str(".ir");
        }
        Self { text }
    }

    /// A command, of which [another](Self::then) is the second half: USER.
    #[must_use]
    pub fn command(verb: &[u8]) -> Self {
        Self { text: word(verb) }
    }

    /// The second half: PASS.
    pub fn then(&mut self, verb: &[u8]) {
        self.text.push('.');
        self.text.push_str(&word(verb));
    }

    /// The client said whom it acts as, be it itself.
    pub fn with_authzid(&mut self) {
        self.text.push_str(".z");
    }

    /// The form of a string that it was given in.
    pub fn given_in(&mut self, form: Argument) {
        self.text.push('.');
        self.text.push(form.letter());
    }
}

impl fmt::Display for SignIn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// What was seen of a client up to its sign-in, in a protocol in which no more is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Dialogue {
    before: Words,
    sign_in: Option<SignIn>,
}

impl Dialogue {
    /// A command before the sign-in. Asking for capabilities and for TLS depends on
    /// greeting and port, and does not count.
    pub fn before(&mut self, verb: &[u8]) {
        let known = [&b"CAPA"[..], b"CAPABILITY", b"STLS", b"STARTTLS"];
        if !known.iter().any(|known| verb.eq_ignore_ascii_case(known)) {
            self.before.push(&word(verb));
        }
    }

    /// The command that signs in.
    pub fn signs_in(&mut self, sign_in: SignIn) {
        self.sign_in = Some(sign_in);
    }

    pub(crate) fn form(&self) -> String {
        let mut form = self.before.as_str().to_owned();
        if let Some(sign_in) = &self.sign_in {
            if !form.is_empty() {
                form.push(',');
            }
            form.push_str(&sign_in.to_string());
        }
        form
    }
}
