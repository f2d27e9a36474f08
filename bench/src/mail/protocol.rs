//! The protocols of mail, as far as a sign-in and an idle session go.

use base64::{Engine, prelude::BASE64_STANDARD};
use clap::ValueEnum;

/// Which.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Protocol {
    Imap,
    Pop3,
    Sieve,
    Submission,
}

/// What is said, and how the line begins that has to be heard then.
pub(super) type Step = (String, &'static str);

impl Protocol {
    /// Those beside IMAP.
    pub(super) const OTHERS: [Self; 3] = [Self::Pop3, Self::Sieve, Self::Submission];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Imap => "IMAP",
            Self::Pop3 => "POP3",
            Self::Sieve => "ManageSieve",
            Self::Submission => "submission",
        }
    }

    /// What an app password for it opens.
    pub(super) fn scope(self) -> &'static str {
        if self == Self::Submission { "mail:send" } else { "mail" }
    }

    /// A door for it, in Postern's configuration.
    pub(super) fn gateway(self, port: u16, upstream: u16) -> String {
        let (service, scheme) = match self {
            Self::Imap => ("imap", "imap"),
            Self::Pop3 => ("pop3", "pop3"),
            Self::Sieve => ("sieve", "sieve"),
            Self::Submission => ("submission", "smtp"),
        };
        let handover = match self {
            Self::Submission => "{ kind = \"xclient\" }",
            _ => "{ kind = \"master-user\", login = \"postern\", password_file = \"master.pw\" }",
        };
        format!(
            "\n[[gateway]]\nservice = \"{service}\"\nname = \"measured\"\nlisten = [\"127.0.0.1:{port}\"]\n\
             upstream = \"{scheme}://127.0.0.1:{upstream}\"\nhandover = {handover}\n"
        )
    }

    /// How the last line of a greeting begins.
    pub(super) fn greeting(self) -> &'static str {
        match self {
            Self::Imap => "* OK",
            Self::Pop3 => "+OK",
            Self::Sieve => "OK",
            Self::Submission => "220 ",
        }
    }

    /// As common apps do it.
    pub(super) fn sign_in(self, login: &str, password: &str) -> Vec<Step> {
        let message = || BASE64_STANDARD.encode(format!("\0{login}\0{password}"));
        match self {
            Self::Imap => vec![(format!("a LOGIN {login} {password}\r\n"), "a OK")],
            Self::Pop3 => vec![(format!("USER {login}\r\n"), "+OK"), (format!("PASS {password}\r\n"), "+OK")],
            Self::Sieve => vec![(format!("AUTHENTICATE \"PLAIN\" \"{}\"\r\n", message()), "OK")],
            Self::Submission => {
                vec![("EHLO laptop\r\n".into(), "250 "), (format!("AUTH PLAIN {}\r\n", message()), "235")]
            }
        }
    }

    /// What a client says before it says nothing for long.
    pub(super) fn idle(self) -> Vec<Step> {
        match self {
            Self::Imap => vec![("b SELECT INBOX\r\n".into(), "b OK"), ("c IDLE\r\n".into(), "+")],
            Self::Pop3 => vec![("NOOP\r\n".into(), "+OK")],
            Self::Sieve => vec![("NOOP\r\n".into(), "OK")],
            Self::Submission => vec![("NOOP\r\n".into(), "250 ")],
        }
    }

    pub(super) fn goodbye(self) -> &'static str {
        match self {
            Self::Imap => "z LOGOUT\r\n",
            Self::Sieve => "LOGOUT\r\n",
            Self::Pop3 | Self::Submission => "QUIT\r\n",
        }
    }

    /// True if the line says no, where one was to begin with `wanted`.
    pub(super) fn refuses(self, line: &str, wanted: &str) -> bool {
        let first = |text: &str| text.split(' ').next().map(str::to_owned);
        match self {
            Self::Imap => line.starts_with("* BYE") || !wanted.starts_with('*') && first(line) == first(wanted),
            Self::Pop3 => line.starts_with("-ERR"),
            Self::Sieve => line.starts_with("NO") || line.starts_with("BYE"),
            Self::Submission => line.starts_with(['4', '5']),
        }
    }
}
