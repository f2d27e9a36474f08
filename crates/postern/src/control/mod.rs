//! What the command line asks of a site, running or not: one list of commands,
//! executed by one function.
//!
//! A running server executes them behind its control socket; with none running
//! the command line takes the store's lock and executes them itself.

mod execute;
pub(crate) mod socket;

use serde::{Deserialize, Serialize};
use serde_json::Value;

pub(crate) use execute::{Uid, execute};

/// One request. Texts are parsed where they are executed.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "command", rename_all = "kebab-case")]
pub(crate) enum Command {
    AccountAdd {
        login: String,
        aliases: Vec<String>,
        password: Option<Typed>,
        totp: bool,
    },
    AccountList,
    AccountShow {
        login: String,
    },
    AccountSuspend {
        login: String,
    },
    AccountResume {
        login: String,
    },
    AccountReset {
        login: String,
    },
    AccountRemove {
        login: String,
    },
    AppLearnt,
    AppForget {
        app: String,
    },
    AppPasswordCreate {
        login: String,
        label: String,
        app: String,
        scopes: String,
        networks: Vec<String>,
        expires_in: Option<u64>,
        lock: Option<String>,
    },
    AppPasswordList {
        login: String,
    },
    AppPasswordShow {
        id: String,
    },
    AppPasswordRevoke {
        id: String,
    },
    AppPasswordRevokeAll {
        login: String,
    },
    SessionList {
        login: Option<String>,
    },
    SessionEnd {
        login: String,
        id: Option<u64>,
    },
    CutoffStatus,
    AuditList {
        after: u64,
        limit: usize,
    },
    AuditVerify,
    KeyRotate {
        retire_after: u64,
        compromised: bool,
    },
    Backup,
    /// Send the canary out now.
    Canary,
}

/// A secret on its way through the socket; prints as nothing, wipes itself.
#[derive(Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Typed(String);

impl Typed {
    pub(crate) fn new(text: String) -> Self {
        Self(text)
    }

    pub(crate) fn into_secret(mut self) -> authority::Secret {
        authority::Secret::new(std::mem::take(&mut self.0))
    }
}

impl Drop for Typed {
    fn drop(&mut self) {
        zeroize::Zeroize::zeroize(&mut self.0);
    }
}

impl std::fmt::Debug for Typed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Typed([redacted])")
    }
}

/// What came of it.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "kebab-case")]
pub(crate) enum Outcome {
    /// The answer, as `--json` prints it.
    Done {
        /// An object or a list.
        answer: Value,
    },
    /// Refused or not found: exit status 1.
    Refused {
        /// What happened, then what to do.
        why: String,
    },
    /// The store cannot be reached: exit status 3.
    Unavailable {
        /// What happened, then what to do.
        why: String,
    },
}
