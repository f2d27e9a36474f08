//! The drive behind its door, when a session ends.

use std::{path::Path, sync::Arc, time::Duration};

use authority::Protocol;
use front::Security;
use gateway::{HttpDoor, drive::Drive};
use http::StatusCode;
use tokio::time::{sleep, timeout};

use crate::{
    asking::{Client, ask, basic},
    world::{ALICE, PORTAL, Served, World, door},
};

const SOON: Duration = Duration::from_secs(30);
const LARGE: u64 = 256 << 20;

async fn until(what: impl Fn() -> bool) {
    let waiting = async {
        while !what() {
            sleep(Duration::from_millis(1)).await;
        }
    };
    timeout(SOON, waiting).await.expect("it comes");
}

fn begun(incoming: &Path) -> bool {
    std::fs::read_dir(incoming).unwrap().any(|entry| entry.unwrap().metadata().is_ok_and(|file| file.len() > 0))
}

/// A copy is made on a thread that does not end with its request.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_copy_that_is_under_way_does_not_outlast_its_password() {
    let world = World::new().await;
    let mandate = world.account(ALICE).await;
    let issued = world.password(&mandate, "files").await;
    let credentials = basic(ALICE, issued.secret.expose());
    let folder = tempfile::TempDir::new_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let (root, incoming) = (folder.path().join("drive"), folder.path().join("drive/.incoming"));
    let drive = Arc::new(Drive::new(root.clone(), 4 * LARGE, Box::new(testkit::Seeded::new(1))).unwrap());
    let files = HttpDoor::drive(world.keeper.clone(), door("drive", Protocol::Http, "files"), drive, PORTAL);
    let files = Served::new(files, Security::None);
    assert_eq!(ask(files.address, "MKCOL /d", &credentials).await.status, StatusCode::CREATED);
    let alices = std::fs::read_dir(&root).unwrap().map(|entry| entry.unwrap().path()).find(|path| *path != incoming);
    let alices = alices.expect("her folder");
    std::fs::File::create(alices.join("large")).unwrap().set_len(LARGE).unwrap();

    let mut client = Client::connect(files.address).await;
    client.request("COPY /large", &format!("{credentials}Destination: /copy\r\n")).await;
    until(|| begun(&incoming)).await;
    let _ended = world.keeper.revoke(&mandate, issued.password.id).await.unwrap();
    if client.answer().await.is_some() {
        eprintln!("not run: this disk copies {LARGE} octets faster than anybody could end it");
        return;
    }
    until(|| std::fs::read_dir(&incoming).unwrap().next().is_none()).await;
    assert!(!alices.join("copy").exists(), "it was put in its place by nobody's leave");
    until(|| world.keeper.sessions(None).is_empty()).await;
}
