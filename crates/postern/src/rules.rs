//! The rules by which a site decides, as its audit tells of their changes. The last that
//! were served are kept in the data folder: a change counts also when the server was
//! started anew for it.

use std::{collections::BTreeMap, io, path::PathBuf};

use authority::Cutoff;
use keeper::{Keeper, StoreError};

use crate::{config::Config, key_files::write_whole};

/// Why a change of rules does not come about.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NotTold {
    #[error("the audit cannot tell of the change of rules: {0}")]
    Store(#[from] StoreError),
    #[error("{} cannot be written: {source}: let Postern's user own it, or make room", path.display())]
    File { path: PathBuf, source: io::Error },
}

/// Each rule's value, by its name in the configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Rules(BTreeMap<String, String>);

impl Rules {
    /// As this configuration has them.
    pub(crate) fn of(config: &Config) -> Self {
        let cutoff = match config.cutoff.mode {
            Cutoff::Enforced => "enforce",
            Cutoff::Observed => "observe",
        };
        let passwords = &config.app_passwords;
        let limits = config.limits.of_a_listener();
        let rules = [
            ("cutoff.mode", cutoff.to_owned()),
            ("app_passwords.limit", passwords.limit.to_string()),
            ("app_passwords.first_use_within", format!("{}s", passwords.first_use_within.0.as_secs())),
            ("app_passwords.lock", passwords.lock.name().to_owned()),
            ("app_passwords.sessions", passwords.sessions.to_string()),
            ("limits.connections", limits.total.to_string()),
            ("limits.per_address", limits.per_address.to_string()),
        ];
        Self(rules.map(|(rule, value)| (rule.to_owned(), value)).into())
    }

    /// What is another one than before: the rule, its old value and its new one. One
    /// that an earlier version did not know has not changed.
    fn changed_from<'a>(&'a self, before: &'a Self) -> impl Iterator<Item = (&'a str, &'a str, &'a str)> {
        self.0.iter().filter_map(|(rule, value)| {
            let old = before.0.get(rule)?;
            (old != value).then_some((&**rule, &**old, &**value))
        })
    }

    /// The last that were served here. Without the file nothing is known of them.
    fn last(config: &Config) -> Option<Self> {
        let text = std::fs::read_to_string(file(config)).ok()?;
        let read = serde_json::from_str(&text);
        read.inspect_err(|error| tracing::warn!(%error, file = %file(config).display(), "it does not tell the last rules: a change since then is not in the audit")).ok().map(Self)
    }
}

fn file(config: &Config) -> PathBuf {
    config.data.join("rules.json")
}

/// Has the audit tell how these rules differ from the last that were served. Afterwards
/// they are those.
pub(crate) async fn tell(keeper: &Keeper, config: &Config, rules: &Rules) -> Result<(), NotTold> {
    let last = Rules::last(config);
    if last.as_ref() == Some(rules) {
        return Ok(());
    }
    for (rule, from, to) in last.iter().flat_map(|last| rules.changed_from(last)) {
        keeper.record_rule(rule, from, to).await?;
        tracing::info!(rule, from, to, "a rule was changed");
    }
    let (path, text) = (file(config), serde_json::json!(rules.0).to_string());
    write_whole(&path, text.as_bytes()).map_err(|source| NotTold::File { path, source })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_not_known_has_not_changed() {
        let rules = |list: &[(&str, &str)]| {
            Rules(list.iter().map(|(rule, value)| ((*rule).to_owned(), (*value).to_owned())).collect())
        };
        let before = rules(&[("cutoff.mode", "enforce"), ("gone", "1"), ("same", "2")]);
        let after = rules(&[("cutoff.mode", "observe"), ("new", "3"), ("same", "2")]);
        assert_eq!(after.changed_from(&before).collect::<Vec<_>>(), [("cutoff.mode", "enforce", "observe")]);
    }
}
