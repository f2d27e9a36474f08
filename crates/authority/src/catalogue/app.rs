//! One app: who makes it, and how it says who it is.

use std::{fmt, str::FromStr};

use fingerprint::{Look, Signature};

use super::Product;
use crate::{AppName, Protocol, Scopes};

/// An app's short name: `thunderbird-android`. Stable, and typed at the command line.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AppId(Box<str>);

/// The text is no short name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no short name of an app: use 1 to 32 of a-z, 0-9 and -, and begin with a letter or digit")]
pub struct NotAnAppId(String);

impl FromStr for AppId {
    type Err = NotAnAppId;
    fn from_str(text: &str) -> Result<Self, NotAnAppId> {
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        let fits = (1..=32).contains(&text.len()) && text.chars().all(plain) && !text.starts_with('-');
        if fits { Ok(Self(text.into())) } else { Err(NotAnAppId(text.to_owned())) }
    }
}

impl AppId {
    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for AppId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// An entry of the catalogue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct App {
    /// Its short name.
    pub id: AppId,
    /// As people call it.
    pub name: AppName,
    /// What else people call it, or have called it.
    pub also: Vec<AppName>,
    /// Who makes it.
    pub publisher: String,
    /// Where it runs.
    pub platforms: Vec<Platform>,
    /// What it can use.
    pub opens: Scopes,
    /// How it says who it is, at each protocol that it speaks; one for each.
    pub doors: Vec<(Protocol, Says)>,
    /// How it looks where it may not say who it is.
    pub looks: Vec<Looks>,
    /// Apps that count as this one when they say who they are.
    pub kin: Vec<AppId>,
    /// What helps who sets it up, a sentence each.
    pub hints: Vec<String>,
}

impl App {
    /// True if it is known to speak this.
    pub fn speaks(&self, protocol: Protocol) -> bool {
        self.doors.iter().any(|(spoken, _)| *spoken == protocol)
    }

    /// How it says who it is there. Of a protocol that it is not known to speak,
    /// nothing is known.
    pub fn says(&self, protocol: Protocol) -> &Says {
        const UNKNOWN: &Says = &Says::Unknown { looked: None };
        self.doors.iter().find(|(spoken, _)| *spoken == protocol).map_or(UNKNOWN, |(_, says)| says)
    }

    /// True if it looks like what was seen. So may others: see [`Look`].
    pub fn looks_like(&self, seen: &Signature) -> bool {
        self.looks.iter().any(|looks| looks.look.is_of(seen))
    }
}

/// How an app says who it is at one protocol.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Says {
    /// Not known: what it says at its first use is all there is to go by.
    Unknown {
        /// Where it was looked for in vain.
        looked: Option<String>,
    },
    /// Known.
    Names {
        /// The names; none for an app that never says who it is.
        names: Vec<Name>,
        /// True if it says no others: a name that nobody knows is another app's.
        all: bool,
        /// Whether it says one of them each time.
        when: When,
        /// How that is known.
        source: Source,
    },
}

impl Says {
    /// The names that are known.
    pub fn names(&self) -> &[Name] {
        match self {
            Self::Unknown { .. } => &[],
            Self::Names { names, .. } => names,
        }
    }

    /// True if who is silent cannot be this app.
    pub fn is_always_said(&self) -> bool {
        matches!(self, Self::Names { when: When::Always, names, .. } if !names.is_empty())
    }
}

/// Whether an app says its name each time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// Each time: who is silent is another app.
    Always,
    /// It may be silent: it can be told to be, or some versions are.
    Sometimes,
}

/// A name that an app gives itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Name {
    /// As it writes it, without the version.
    pub text: String,
    /// What is compared.
    pub product: Product,
    /// True for a library's or a tool's name, which whatever is built on it says as
    /// well: it does not show that the client is another app.
    pub shared: bool,
    /// How it is known.
    pub source: Source,
}

/// One way in which an app looks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Looks {
    /// What of a signature does not change with its library.
    pub look: Look,
    /// How it is known.
    pub source: Source,
}

/// How something is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// The app itself said so, to us: which version.
    Seen(String),
    /// Its source code, its maker's pages, other people's logs: where.
    Public(String),
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Seen(version) => write!(f, "seen: {version}"),
            Self::Public(place) => write!(f, "public: {place}"),
        }
    }
}

macro_rules! words {
    ($(#[$doc:meta])* $type:ident, $($variant:ident = $word:literal, $shown:literal;)*) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum $type {
            $(#[doc = $shown] $variant,)*
        }

        impl $type {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$variant),*];

            /// The word in files.
            pub fn word(self) -> &'static str {
                match self { $(Self::$variant => $word),* }
            }

            /// As people read it.
            pub fn shown(self) -> &'static str {
                match self { $(Self::$variant => $shown),* }
            }
        }
    };
}

words!(
    /// Where an app runs.
    Platform,
    Linux = "linux", "Linux";
    Macos = "macos", "macOS";
    Windows = "windows", "Windows";
    Ios = "ios", "iOS";
    Android = "android", "Android";
    Web = "web", "Web";
    Device = "device", "Devices";
);
