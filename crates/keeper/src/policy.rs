//! The rules of the site that may change while it is served.

use std::sync::PoisonError;

use authority::{Actor, AppPasswordRules, Cutoff, Entry, Event};

use crate::{Keeper, StoreError};

/// What may change while serving.
#[derive(Clone, Copy, Debug)]
pub struct Policy {
    /// How far the site has moved over.
    pub cutoff: Cutoff,
    /// The rules for app passwords.
    pub rules: AppPasswordRules,
}

impl Keeper {
    /// The rules as they are now.
    pub fn policy(&self) -> Policy {
        // Only whole values are ever stored.
        *self.policy.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes down that a rule of the site changes: by whoever may write its
    /// configuration, which nobody can see from here.
    pub async fn record_rule(&self, rule: &str, from: &str, to: &str) -> Result<(), StoreError> {
        let event = Event::RuleChanged { rule: rule.to_owned(), from: from.to_owned(), to: to.to_owned() };
        self.store.record(&Entry { at: self.clock.now(), actor: Actor::Postern, account: None, event }).await
    }

    /// Decides by these rules from now on. Returns how many sessions it ended:
    /// where primary passwords open no door any more, none stands on one when this
    /// returns.
    pub fn govern(&self, policy: Policy) -> usize {
        *self.policy.write().unwrap_or_else(PoisonError::into_inner) = policy;
        // A session is entered before the rules are read for the last time: one that
        // was judged by the old ones is found here.
        match policy.cutoff {
            Cutoff::Enforced => self.registry.end_primary(),
            Cutoff::Observed => 0,
        }
    }
}
