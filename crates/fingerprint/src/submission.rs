//! How a client submits mail, and what its first message looks like.

use crate::{Declared, spoken::SignIn, words::word};

/// What was seen of a client that submits mail, up to the end of its first
/// message's header.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Dialogue {
    hello: Option<String>,
    sign_in: Option<SignIn>,
    mail: Option<String>,
    header: String,
    message_id: Option<char>,
    is_redirected: bool,
    pub(crate) declared: Declared,
}

/// The opening of a client whose first message somebody else wrote, and its user sends
/// on as it is ("bounce", "redirect"). Its fields and its User-Agent are those of the
/// author's program. No header has this for its letters: none begins with `R`.
pub(crate) const REDIRECTED: &str = "Resent";

/// Fields that a program writes into each message, and how they are written most
/// often. A letter each; what is written otherwise is in lower case.
const FIELDS: [(&str, char); 10] = [
    ("Date", 'D'),
    ("From", 'F'),
    ("To", 'T'),
    ("Subject", 'S'),
    ("Message-ID", 'I'),
    ("MIME-Version", 'V'),
    ("Content-Type", 'C'),
    ("Content-Transfer-Encoding", 'E'),
    ("User-Agent", 'U'),
    ("X-Mailer", 'X'),
];

impl Dialogue {
    /// EHLO or HELO, and the *kind* of name behind it: names and addresses are the
    /// place's, not the program's.
    pub fn greets(&mut self, verb: &[u8], name: &[u8]) {
        let name = name.trim_ascii();
        let kind = if name.starts_with(b"[") {
            "addr"
        } else if name.get(..9).is_some_and(|head| head.eq_ignore_ascii_case(b"localhost")) {
            "local"
        } else {
            "name"
        };
        self.hello = Some(format!("{}.{kind}", word(verb)));
    }

    /// The command that signs in.
    pub fn signs_in(&mut self, sign_in: SignIn) {
        self.sign_in = Some(sign_in);
    }

    /// The first MAIL. Whether its parameters hold BODY, SMTPUTF8 or a wish for a
    /// receipt depends on the message, SIZE on the program.
    pub fn mails<'a>(&mut self, verb: &[u8], parameters: impl IntoIterator<Item = &'a [u8]>) {
        if self.mail.is_some() {
            return;
        }
        let mut mail = word(verb);
        for parameter in parameters {
            let name = parameter.split(|octet| *octet == b'=').next().unwrap_or_default();
            if name.eq_ignore_ascii_case(b"SIZE") {
                mail.push('.');
                mail.push_str(&word(name));
                break;
            }
        }
        self.mail = Some(mail);
    }

    /// A field of the first message's header: its name as it was written.
    pub fn field(&mut self, name: &[u8], value: &[u8]) {
        // RFC 5322, 3.6.6: above the author's fields; Sylpheed writes them below.
        if [&b"Resent-From"[..], b"Resent-Date"].iter().any(|known| name.eq_ignore_ascii_case(known)) {
            self.is_redirected = true;
            self.declared = Declared::default();
        }
        if self.is_redirected {
            return;
        }
        if [&b"User-Agent"[..], b"X-Mailer"].iter().any(|known| name.eq_ignore_ascii_case(known)) {
            // Not `user_agent`: Thunderbird of old wrote that of a browser, others prose.
            self.declared.and(Declared::user_agent(value));
        }
        if name.eq_ignore_ascii_case(b"Message-ID") {
            self.message_id.get_or_insert(kind_of_id(value));
        }
        let known = FIELDS.iter().find(|(known, _)| name.eq_ignore_ascii_case(known.as_bytes()));
        if let Some((usual, letter)) = known {
            let letter = if name == usual.as_bytes() { *letter } else { letter.to_ascii_lowercase() };
            if !self.header.contains(letter) {
                self.header.push(letter);
            }
        }
    }

    pub(crate) fn form(&self) -> String {
        let sign_in = self.sign_in.as_ref().map(ToString::to_string);
        let parts = [self.hello.clone(), sign_in, self.mail.clone()];
        parts.into_iter().flatten().collect::<Vec<_>>().join(",")
    }

    pub(crate) fn opening(&self) -> String {
        if self.is_redirected {
            return REDIRECTED.to_owned();
        }
        let kind = self.message_id.map(|kind| format!(".{kind}")).unwrap_or_default();
        format!("{}{kind}", self.header)
    }
}

/// How a Message-ID begins: a UUID (in either case), a date with the time of day, a
/// long hexadecimal number, or anything else.
fn kind_of_id(value: &[u8]) -> char {
    let id = value.trim_ascii();
    let id = id.strip_prefix(b"<").unwrap_or(id);
    let run = |is: fn(&u8) -> bool| id.iter().take_while(|octet| is(octet)).count();
    let is_uuid = id.len() >= 36
        && [8, 13, 18, 23].iter().all(|at| id[*at] == b'-')
        && id[..36].iter().filter(|octet| octet.is_ascii_hexdigit()).count() == 32;
    if is_uuid {
        // All its letters are digits in one UUID of a million.
        if id[..36].iter().any(u8::is_ascii_uppercase) { 'U' } else { 'u' }
    } else if run(u8::is_ascii_digit) == 14 {
        'd'
    } else if run(u8::is_ascii_hexdigit) >= 32 {
        'h'
    } else {
        'x'
    }
}
