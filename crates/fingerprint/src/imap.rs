//! How an IMAP client speaks.

use crate::{
    Declared,
    spoken::SignIn,
    tag::Tags,
    words::{Words, word},
};

/// What was seen of an IMAP client, up to the first command that touches mail.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Dialogue {
    tags: Tags,
    before: Words,
    sign_in: Option<SignIn>,
    after: Words,
    pub(crate) declared: Declared,
}

/// The form of an argument. Its text is not kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Argument {
    /// A word without quotes.
    Atom,
    /// A word without quotes that stands for many: `*`.
    Wildcard,
    /// `""`.
    Empty,
    /// Quoted, though it need not be.
    Quoted,
    /// Quoted, as it has to be: most clients would.
    MustBeQuoted,
    /// Quoted, and it stands for many: `"*"`.
    QuotedWildcard,
    /// A literal.
    Literal,
    /// `(...)`.
    List,
}

impl Argument {
    /// `~` stands for any.
    pub(crate) fn letter(self) -> char {
        match self {
            Self::Atom => 'a',
            Self::Wildcard => 'w',
            Self::Empty => 'e',
            Self::Quoted => 'q',
            Self::MustBeQuoted => '~',
            Self::QuotedWildcard => 'W',
            Self::Literal => 'l',
            Self::List => 'p',
        }
    }
}

impl Dialogue {
    /// A command before the sign-in.
    pub fn before(&mut self, tag: &[u8], verb: &[u8]) {
        self.tags.see(tag);
        if !of_the_port(verb) {
            self.before.push(&word(verb));
        }
    }

    /// The command that signs in.
    pub fn signs_in(&mut self, tag: &[u8], sign_in: SignIn) {
        self.tags.see(tag);
        self.sign_in = Some(sign_in);
    }

    /// A command after the sign-in that touches no mail.
    pub fn after(&mut self, tag: &[u8], verb: &[u8]) {
        self.tags.see(tag);
        if !of_the_port(verb) {
            self.after.push(&word(verb));
        }
    }

    /// The first command after it that does, and the form of its first arguments.
    pub fn first(&mut self, tag: &[u8], verb: &[u8], arguments: impl IntoIterator<Item = Argument>) {
        self.tags.see(tag);
        let forms: String = arguments.into_iter().take(4).map(Argument::letter).collect();
        self.after.push(&format!("{}.{forms}", word(verb)));
    }

    /// What it calls itself in ID.
    pub fn names_itself(&mut self, name: &[u8]) {
        self.declared.and(Declared::prose(name));
    }

    pub(crate) fn form(&self) -> String {
        let mut form = self.tags.to_string();
        for part in [self.before.as_str()].into_iter().filter(|part| !part.is_empty()) {
            form.push(',');
            form.push_str(part);
        }
        if let Some(sign_in) = &self.sign_in {
            form.push_str(&format!(",{sign_in}"));
        }
        form
    }

    pub(crate) fn opening(&self) -> &str {
        self.after.as_str()
    }
}

/// What is said or not with the greeting and the port: STARTTLS, and asking for
/// capabilities, which Evolution does once more after a sign-in over STARTTLS only.
fn of_the_port(verb: &[u8]) -> bool {
    [&b"CAPABILITY"[..], b"STARTTLS"].iter().any(|known| verb.eq_ignore_ascii_case(known))
}
