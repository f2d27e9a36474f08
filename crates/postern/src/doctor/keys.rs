//! The server key before the current one.

use keeper::Retiring;

use super::Finding;
use crate::{config::Config, key_files, terminal::date};

/// Tells of it while it lives.
pub(super) fn examine(config: &Config) -> Option<Finding> {
    match key_files::read_old(&config.data) {
        Ok(None) => None,
        Ok(Some((_, Retiring::At(end)))) => {
            let found = format!(
                "the one before the current one is good until {}; app passwords that are not used and recovery codes that are not renewed by then end with it",
                date(end)
            );
            Some(Finding::ok("server key", found))
        }
        Ok(Some((_, Retiring::Now))) => Some(Finding::fail(
            "server key",
            "a key that others may know was replaced, and what stood on it is not all revoked yet",
            "run `postern key rotate --compromised` again: it goes on where it broke off",
        )),
        Err(error) => Some(Finding::failed("server key", &error)),
    }
}
