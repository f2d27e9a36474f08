//! The square: a password made for each app and first used by it, in the hands of each
//! other one. `--full` runs all of them, else those that are among the packages of all
//! tests; either has to come out as docs/app-lock.md says. To write it there:
//!
//! ```sh
//! POSTERN_FULL=1 WRITE_TABLES=1 cargo test -p e2e --test e2e app_lock::square
//! ```

use std::{collections::VecDeque, fs, path::Path, process::Command, sync::Mutex, thread};

use e2e::run;
use tempfile::TempDir;

use super::{
    apps::{APPS, App, Use},
    table::{Came, Cells, Table, write},
    world::{At, Made, World},
};

/// So many sites at once: a refusal takes a second in which nothing is done.
const WORKERS: usize = 5;

/// One owner's row in each table.
struct Row<'w> {
    world: &'w World,
    node: Option<&'w Path>,
    owner: &'static App,
    others: &'w [&'static App],
    cells: Cells,
    faults: Vec<String>,
}

impl Row<'_> {
    fn row(&mut self, table: Table) {
        let mut password = self.password(table);
        let ways = self.owner.tls(table.owner_does());
        for tls in ways.iter().chain(ways) {
            self.own(At::Home(table.owner_does(), *tls), &password);
        }
        for (place, other) in self.others.iter().filter(|app| app.how(table.other_does()).is_some()).enumerate() {
            // It has just been in.
            let is_known = other.name == self.owner.name && table != Table::FirstSending;
            let came = if is_known { Came::In } else { self.other(table, other, place, &password) };
            if came != Came::Refused && !is_known {
                // That has learnt of another.
                password = self.password(table);
            }
            self.cells.insert((table, self.owner.name, other.name), came);
        }
    }

    /// A password that has shown its app, as it stands in a table.
    fn password(&mut self, table: Table) -> Made {
        let password = self.world.password(self.owner.made_for);
        for to in Use::ALL {
            // Who reads and sends has read before it sends.
            let first = to == table.owner_does() || (table == Table::Sending && to == Use::Reading);
            if self.owner.how(to).is_some() && first {
                self.own(At::Home(to, self.owner.tls(to)[0]), &password);
            }
        }
        password
    }

    fn own(&mut self, at: At, password: &Made) {
        let visited = self.world.visit(self.owner, at, password, self.node);
        if !visited.is_at_home() {
            let shown = self.world.show(password);
            self.faults.push(format!("{} {at:?}, with its own: {visited}\n{shown:#}", self.owner.name));
        }
    }

    /// From elsewhere first: at home it may be learnt.
    fn other(&mut self, table: Table, other: &App, place: usize, password: &Made) -> Came {
        let to = table.other_does();
        let tls = other.tls(to)[place % other.tls(to).len()];
        let pins = self.world.pins(password);
        for (at, came) in [(At::Elsewhere(to, tls), Came::In), (At::Home(to, tls), Came::InAtHome)] {
            let visited = self.world.visit(other, at, password, self.node);
            let name = format!("{} {at:?}, with that of {}", other.name, self.owner.name);
            match visited.was_let_in() {
                Some(true) => return came,
                Some(false) if self.world.pins(password) == pins => {}
                Some(false) => self.faults.push(format!("{name}: refused, and learnt")),
                None => self.faults.push(format!("{name}: neither in nor refused: {visited}")),
            }
        }
        Came::Refused
    }
}

#[test]
fn a_password_made_for_one_app_works_in_no_other() {
    let full = std::env::var_os("POSTERN_FULL").is_some();
    // Before its own first message takes as many sign-ins as all the rest.
    square(if full {
        &[Table::Reading, Table::Sending, Table::FirstSending]
    } else {
        &[Table::Reading, Table::Sending]
    });
}

#[test]
fn nor_for_its_calendars() {
    square(&[Table::Calendars]);
}

fn square(tables: &[Table]) {
    let full = std::env::var_os("POSTERN_FULL").is_some();
    let apps: Vec<&'static App> = APPS.iter().filter(|app| full || app.always).collect();
    let packages = full.then(node_packages);
    let node = packages.as_ref().map(TempDir::path);
    let queue: Mutex<VecDeque<&'static App>> = Mutex::new(apps.iter().copied().collect());
    let results = Mutex::new((Cells::new(), Vec::<String>::new()));
    thread::scope(|scope| {
        for _ in 0..WORKERS {
            scope.spawn(|| {
                let world = World::start();
                loop {
                    let next = queue.lock().unwrap().pop_front();
                    let Some(owner) = next else { return };
                    let mut row =
                        Row { world: &world, node, owner, others: &apps, cells: Cells::new(), faults: vec![] };
                    let tables = tables.iter().filter(|table| owner.how(table.owner_does()).is_some());
                    tables.for_each(|table| row.row(*table));
                    let mut results = results.lock().unwrap();
                    results.0.append(&mut row.cells);
                    results.1.append(&mut row.faults);
                }
            });
        }
    });
    let (cells, faults) = results.into_inner().unwrap();
    let found: Vec<_> = tables.iter().map(|table| table.markdown(&cells)).collect();
    assert!(faults.is_empty(), "{}\n\n{}", found.join("\n"), faults.join("\n\n"));
    if full && std::env::var_os("WRITE_TABLES").is_some() {
        write(tables, &cells);
    }
    for ((table, owner, other), came) in cells {
        let documented = table.documented(owner, other);
        assert_eq!(Some(came), documented, "{table:?}, {other} with the password of {owner}: docs/app-lock.md differs");
    }
}

/// Node's packages, as they are locked.
pub(super) fn node_packages() -> TempDir {
    let folder = tempfile::Builder::new().prefix("postern-node-").tempdir().unwrap();
    for (name, text) in [
        ("package.json", include_str!("node/package.json")),
        ("package-lock.json", include_str!("node/package-lock.json")),
        ("imapflow.mjs", include_str!("node/imapflow.mjs")),
        ("nodemailer.mjs", include_str!("node/nodemailer.mjs")),
    ] {
        fs::write(folder.path().join(name), text).unwrap();
    }
    let mut npm = Command::new("npm");
    npm.args(["ci", "--no-audit", "--no-fund", "--ignore-scripts"]).current_dir(folder.path());
    let (status, said) = run(&mut npm).unwrap();
    assert_eq!(status, Some(0), "{said}");
    folder
}
