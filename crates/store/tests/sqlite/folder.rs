//! What an administrator may find in the data folder.

use std::{
    fs::{self, Permissions},
    os::unix::fs::PermissionsExt,
};

use authority::{AuditKey, Event};
use keeper::{Store, StoreError};
use store::sqlite::{self, OpenError};
use tempfile::TempDir;
use testkit::{account, by_admin, contract};

use super::{folder, open, raw};

fn refused(folder: &TempDir) -> OpenError {
    sqlite::open(folder.path(), contract::key()).unwrap_err()
}

#[test]
fn one_server_per_folder() {
    let folder = folder();
    let first = open(&folder);
    let error = refused(&folder);
    assert!(matches!(error, OpenError::InUse { .. }));
    let text = error.to_string();
    let (path, pid) = (folder.path().join("postern.lock"), std::process::id());
    assert!(text.contains(path.to_str().unwrap()) && text.contains(&format!("process {pid}")), "{text}");
    drop(first);
    open(&folder);
}

#[test]
fn its_files_are_for_nobody_else() {
    let folder = folder();
    let mode = |name: &str| fs::metadata(folder.path().join(name)).unwrap().permissions().mode() & 0o777;
    let store = open(&folder);
    for name in ["postern.db", "postern.db-wal", "postern.db-shm", "postern.lock"] {
        assert_eq!(mode(name), 0o600, "{name}");
    }
    drop(store);
    // As a copied backup may come.
    fs::set_permissions(folder.path().join("postern.db"), Permissions::from_mode(0o644)).unwrap();
    open(&folder);
    assert_eq!(mode("postern.db"), 0o600);
}

#[test]
fn a_folder_open_to_others_is_refused() {
    let folder = folder();
    for mode in [0o750, 0o705, 0o701] {
        fs::set_permissions(folder.path(), Permissions::from_mode(mode)).unwrap();
        let error = refused(&folder);
        assert!(matches!(error, OpenError::Exposed { mode: found, .. } if found == mode), "{error}");
        assert!(error.to_string().contains("chmod 700"), "{error}");
    }
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0, "nothing was made in it");
}

#[test]
fn a_folder_that_is_none_is_named() {
    let folder = folder();
    let error = sqlite::open(&folder.path().join("gone"), contract::key()).unwrap_err().to_string();
    assert!(error.contains("/gone") && error.contains("postern init"), "{error}");
}

#[test]
fn a_database_of_a_newer_version_is_left_alone() {
    let folder = folder();
    drop(open(&folder));
    raw(&folder).execute("INSERT INTO migration (name, checksum) VALUES ('0002_later', x'00')", []).unwrap();
    let error = refused(&folder);
    assert!(matches!(&error, OpenError::Newer { newest, .. } if newest == "0002_later"), "{error}");
    assert!(error.to_string().contains("install that version"), "{error}");
}

#[test]
fn what_is_not_ours_is_left_alone() {
    let foreign = folder();
    raw(&foreign).execute_batch("CREATE TABLE precious (x)").unwrap();
    assert!(matches!(refused(&foreign), OpenError::Foreign { .. }));
    raw(&foreign).execute_batch("SELECT x FROM precious").unwrap();

    let garbage = folder();
    let path = garbage.path().join("postern.db");
    fs::write(&path, "no database at all ".repeat(1000)).unwrap();
    let error = refused(&garbage);
    assert!(matches!(error, OpenError::Database { cause: StoreError::Corrupt { .. }, .. }), "{error}");
    assert!(fs::read_to_string(&path).unwrap().starts_with("no database"));
}

#[tokio::test]
async fn another_key_does_not_go_on_with_the_chain() {
    let folder = folder();
    let alice = account("alice@example.org");
    for count in 1..=2 {
        // At one line and at two: the first is chained to nothing.
        open(&folder).record(&by_admin(&alice, 0, Event::SessionsEnded { count })).await.unwrap();
        let error = sqlite::open(folder.path(), AuditKey::new([0; 32])).unwrap_err();
        assert!(matches!(error, OpenError::AuditSeal { seq, .. } if seq == count as u64), "{error}");
    }
    open(&folder);
}
