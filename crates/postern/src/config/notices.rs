//! `[notices]`: the server that takes mail to owners.

use std::path::PathBuf;

use notices::{RelayUrl, Sender};
use serde::Deserialize;

use super::{PasswordFile, values::text};

/// How owners are told by mail.
#[derive(Debug, Deserialize)]
#[serde(try_from = "Raw")]
pub(crate) struct Notices {
    pub(crate) smtp: RelayUrl,
    pub(crate) from: Sender,
    pub(crate) login: Option<(String, PasswordFile)>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Raw {
    #[serde(deserialize_with = "text")]
    smtp: RelayUrl,
    #[serde(deserialize_with = "text")]
    from: Sender,
    login: Option<String>,
    password_file: Option<PathBuf>,
}

impl TryFrom<Raw> for Notices {
    type Error = &'static str;

    fn try_from(raw: Raw) -> Result<Self, Self::Error> {
        let Raw { smtp, from, login, password_file } = raw;
        let login = match (login, password_file) {
            (Some(login), Some(file)) => Some((login, PasswordFile(file))),
            (None, None) => None,
            _ => return Err("login and password_file go together: write both, or none"),
        };
        if login.is_some() && !smtp.keeps_secrets() {
            return Err("the password would cross the network in the clear: write smtp+starttls:// or smtps://");
        }
        Ok(Self { smtp, from, login })
    }
}
