//! What an earlier version has left is brought up to this one.

use authority::{Event, audit::Verifier, notice::Kind};
use keeper::{Issued, Store};
use testkit::{account, app_password, by_admin, contract, digest, new_account, used};

use super::Site;

/// What each migration behind the first made, newest first.
const MADE: [(u8, &str); 2] = [
    (3, "DROP TABLE notice;"),
    (2, "DROP TABLE form; DROP TABLE form_taken; DROP TABLE stranger; DROP TABLE pin; DROP TABLE signature;"),
];

#[tokio::test]
async fn a_database_of_an_earlier_version_keeps_all_that_it_has() {
    let alice = account("alice@example.org");
    for left in [2, 1] {
        let site = Site::new();
        let (laptop, phone) = (app_password(&alice, "Laptop"), app_password(&alice, "Phone"));
        let issue = async |store: &dyn Store, password| {
            let event = Event::AppPasswordIssued {
                id: app_password(&alice, password).id,
                label: password.into(),
                app: "thunderbird".into(),
                scopes: "mail".into(),
            };
            let (entry, made) = (by_admin(&alice, 1, event), app_password(&alice, password));
            assert_eq!(store.issue(&made, &digest(password), 10, &entry).await.unwrap(), Issued::Done);
        };
        {
            let store = site.open(1).await;
            let entry = by_admin(&alice, 0, Event::AccountResumed);
            let _ = store.add_account(&new_account(alice.clone()), &entry).await.unwrap();
            issue(&*store, "Laptop").await;
        }
        for (number, tables) in MADE.iter().filter(|(number, _)| *number > left) {
            site.sql(&format!("{tables} DELETE FROM migration WHERE number = {number}"));
        }
        assert!(site.sql("SELECT max(number) FROM migration").contains(&left.to_string()));

        let store = site.open(2).await;
        assert_eq!(store.account(alice.id).await.unwrap(), Some(alice.clone()));
        assert_eq!(store.app_password(laptop.id).await.unwrap().unwrap().password, laptop);
        assert_eq!(store.notices_of(alice.id).await.unwrap(), [], "it made none");
        issue(&*store, "Phone").await;
        let told = store.notices_of(alice.id).await.unwrap();
        assert_eq!(told.iter().map(|notice| notice.kind).collect::<Vec<_>>(), [Kind::PasswordMade]);
        assert_eq!(store.due_notices(used("", 1).at, 10).await.unwrap(), told);
        assert_eq!(store.app_password(phone.id).await.unwrap().unwrap().password, phone);
        let key = contract::key();
        let mut verifier = Verifier::new(&key);
        let lines = store.audit(0, usize::MAX).await.unwrap();
        lines.iter().for_each(|line| verifier.check(line).unwrap());
        assert_eq!(lines.len(), 3);
        drop(store);
        // And it is not brought up twice.
        assert_eq!(site.open(3).await.notices_of(alice.id).await.unwrap(), told);
    }
}
