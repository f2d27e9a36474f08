//! What every store has to keep: one function per promise of [`keeper::Store`].
//!
//! Each gets an empty store whose audit is sealed with [`key`].

#![expect(clippy::unwrap_used, reason = "a store that fails here fails its test")]
#![expect(missing_docs, reason = "a promise is named in full")]

mod accounts;
mod app_lock;
mod app_passwords;
mod audit;
mod factors;
mod journal;
mod notices;
mod races;

pub use accounts::*;
pub use app_lock::*;
pub use app_passwords::*;
pub use audit::*;
pub use factors::*;
pub use journal::*;
pub use notices::*;
pub use races::*;

use authority::{
    Account, AppPassword, AppPasswordId, AuditKey, Entry, Event, Lesson, Use, app_lock::Was, audit::FactorsBy,
    audit::Verifier,
};
use keeper::{Added, Issued, Learned, Store};

use crate::{by_admin, digest, new_account};

/// Makes one test per promise. `open` returns an `Arc<dyn Store>` over an empty
/// store, and whatever has to live as long as that.
#[macro_export]
macro_rules! contract_suite {
    ($open:path) => {
        $crate::contract_suite! { $open:
            an_account_is_found_by_each_of_its_names
            a_name_belongs_to_one_account
            accounts_come_in_the_order_of_their_logins
            a_change_of_standing_is_made_once
            a_removed_account_leaves_only_its_audit
            a_new_primary_password_revokes_what_is_alive
            who_signed_in_before_a_reset_changes_no_factor_after_it
            who_chose_a_factor_is_kept_with_it
            a_second_factor_takes_the_place_of_another
            a_reset_takes_all_factors_away
            a_set_up_code_works_once_and_in_time
            a_second_factor_is_enrolled_where_there_is_none
            a_totp_step_is_spent_with_all_before_it
            a_recovery_code_is_spent_once
            new_recovery_codes_replace_the_old
            recovery_codes_are_voided_by_their_digests
            secrets_are_voided_with_all_that_stands_on_them
            a_seed_is_sealed_anew_unless_it_has_changed
            an_app_password_reads_back_as_it_was_issued
            a_rehashed_password_is_found_under_its_new_digest_alone
            app_passwords_come_newest_first_with_their_uses
            the_limit_counts_what_is_alive
            nothing_is_issued_to_an_account_that_may_not
            revocation_is_final
            only_the_owner_s_passwords_are_revoked
            revoke_all_ends_what_is_alive
            the_first_use_makes_a_password_active
            a_first_use_that_comes_too_late_changes_nothing
            a_pin_is_kept_with_the_use_that_made_it
            of_two_lessons_on_the_same_state_one_is_kept
            a_password_keeps_so_many_pins
            strangers_are_told_once_and_are_so_many
            an_app_is_allowed_by_its_owner_once_it_was_refused
            a_password_that_learns_anew_waits_again
            a_form_is_the_app_s_once_enough_owners_have_it
            where_an_account_has_come_from_is_known_by_network
            uses_never_go_back_in_time
            refusals_of_one_kind_are_one_line
            strangers_refusals_belong_to_nobody
            the_newest_time_covers_all_that_is_recorded
            the_log_is_read_in_pages
            a_line_of_its_own_is_recorded
            the_chain_holds_whoever_writes_at_once
            owners_are_told_with_the_line_that_says_it
            one_act_is_one_notice
            a_mail_is_due_until_it_is_settled
            a_flood_is_ten_mails_and_one_for_the_rest
            what_is_to_be_mailed_together_is_closed_when_it_is_due
            an_account_keeps_so_many_notices
            a_notice_is_dismissed_by_its_owner_alone
            whoever_writes_at_once_a_flood_stays_one
            sixty_four_at_once_stay_within_the_limit
            of_many_revocations_one_is_the_first
            a_first_use_and_a_revocation_agree_on_who_came_first
            a_code_shown_twice_at_once_is_taken_once
            a_login_wanted_by_many_goes_to_one
            factors_are_set_by_one_of_many
            nothing_survives_a_reset_that_raced_it
        }
    };
    ($open:path: $($promise:ident)*) => {
        $(
            #[tokio::test(flavor = "multi_thread")]
            async fn $promise() {
                let (store, _kept) = $open().await;
                $crate::contract::$promise(store).await;
            }
        )*
    };
}

/// The key of the chain in these tests.
pub fn key() -> AuditKey {
    AuditKey::new([0x4b; 32])
}

/// The whole log, its chain verified.
async fn log(store: &dyn Store) -> Vec<Entry> {
    let key = key();
    let mut verifier = Verifier::new(&key);
    let lines = store.audit(0, usize::MAX).await.unwrap();
    lines.iter().for_each(|line| verifier.check(line).unwrap());
    lines.iter().map(|line| serde_json::from_str(&line.text).unwrap()).collect()
}

/// The lines behind the first `known`.
async fn logged_since(store: &dyn Store, known: usize) -> Vec<Entry> {
    log(store).await.split_off(known)
}

fn added(account: &Account) -> Entry {
    by_admin(account, 0, Event::AccountAdded { login: account.login.to_string(), factors: FactorsBy::Administrator })
}

fn issued(account: &Account, password: &AppPassword) -> Entry {
    let event = Event::AppPasswordIssued {
        id: password.id,
        label: password.label.to_string(),
        app: password.app.to_string(),
        scopes: password.scopes.to_string(),
    };
    by_admin(account, 0, event)
}

fn revoked(account: &Account, password: &AppPassword, secs: u64) -> Entry {
    by_admin(account, secs, Event::AppPasswordRevoked { id: password.id })
}

fn first_used(account: &Account, password: &AppPassword, secs: u64) -> Entry {
    by_admin(account, secs, Event::AppPasswordFirstUsed { id: password.id })
}

/// A first use, of a password that waits for it and has no pins. True if it is kept.
async fn first_use(store: &dyn Store, password: AppPasswordId, used: &Use, entry: &Entry) -> bool {
    let was = Was { first_used: None, pins: 0 };
    let lesson = Lesson { password, was, pin: None, form_of: None, events: vec![entry.event.clone()] };
    store.learn(&lesson, used, std::slice::from_ref(entry)).await.unwrap() == Learned::Done
}

async fn add(store: &dyn Store, account: &Account) {
    assert_eq!(store.add_account(&new_account(account.clone()), &added(account)).await.unwrap(), Added::Done);
}

/// Issues it with the digest of its label.
async fn issue(store: &dyn Store, account: &Account, password: &AppPassword) {
    let entry = issued(account, password);
    let digest = digest(password.label.as_str());
    assert_eq!(store.issue(password, &digest, usize::MAX, &entry).await.unwrap(), Issued::Done);
}
