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
const WORKERS: usize = 3;

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
    fn run(&mut self, full: bool) {
        let mut password = self.password();
        if self.owner.reads.is_some() {
            self.at_home(Use::Reading, &password);
            self.all_others(Table::Reading, &password);
            if full {
                self.before_its_own_first_message();
            }
            // As it is with nobody in between.
            password = self.password();
            self.own(self.in_its_first_way(Use::Reading), &password);
        }
        if self.owner.sends.is_some() {
            self.at_home(Use::Sending, &password);
            self.all_others(Table::Sending, &password);
        }
    }

    fn password(&self) -> Made {
        self.world.password(self.owner.made_for)
    }

    fn in_its_first_way(&self, to: Use) -> At {
        At::Home(to, self.owner.tls[0])
    }

    /// The app itself, twice in each kind of TLS.
    fn at_home(&mut self, to: Use, password: &Made) {
        for tls in self.owner.tls.iter().chain(self.owner.tls) {
            self.own(At::Home(to, *tls), password);
        }
        let table = if to == Use::Reading { Table::Reading } else { Table::Sending };
        self.cells.insert((table, self.owner.name, self.owner.name), Came::In);
    }

    fn own(&mut self, at: At, password: &Made) {
        let visited = self.world.visit(self.owner, at, password, self.node);
        if !visited.is_at_home() {
            let shown = self.world.show(password);
            self.faults.push(format!("{} {at:?}, with its own: {visited}\n{shown:#}", self.owner.name));
        }
    }

    fn all_others(&mut self, table: Table, password: &Made) {
        let pins = self.world.pins(password);
        let mut all_refused = true;
        for (place, other) in self.others(table).enumerate() {
            if other.name == self.owner.name {
                continue;
            }
            let tls = other.tls[place % other.tls.len()];
            let came = self.other(other, At::Home(table.other_does(), tls), password);
            all_refused &= came == Came::Refused;
            self.cells.insert((table, self.owner.name, other.name), came);
        }
        if all_refused && self.world.pins(password) != pins {
            self.faults.push(format!("{}: its password learnt of who was refused", self.owner.name));
        }
    }

    fn others(&self, table: Table) -> impl Iterator<Item = &'static App> + use<> {
        let others: Vec<_> = self.others.iter().copied().filter(|app| app.how(table.other_does()).is_some()).collect();
        others.into_iter()
    }

    fn other(&mut self, other: &'static App, at: At, password: &Made) -> Came {
        let visited = self.world.visit(other, at, password, self.node);
        let name = format!("{} {at:?}, with that of {}", other.name, self.owner.name);
        match visited.was_let_in() {
            Some(false) => Came::Refused,
            Some(true) => {
                eprintln!("let in: {name}: {:#}", self.world.show(password));
                Came::In
            }
            None => {
                self.faults.push(format!("{name}: neither in nor refused: {visited}"));
                Came::Refused
            }
        }
    }

    /// Who comes to send before the owner's app has ever sent: that, and a thief.
    fn before_its_own_first_message(&mut self) {
        let mut password = self.password();
        self.own(self.in_its_first_way(Use::Reading), &password);
        for (place, other) in self.others(Table::FirstSending).enumerate() {
            let tls = other.tls[place % other.tls.len()];
            let mut came = Came::Refused;
            for (at, what) in [(At::Elsewhere(tls), Came::In), (At::Home(Use::Sending, tls), Came::InAtHome)] {
                if came == Came::Refused && self.other(other, at, &password) == Came::In {
                    came = what;
                }
            }
            if came != Came::Refused {
                // That is the app that sends now.
                password = self.password();
                self.own(self.in_its_first_way(Use::Reading), &password);
            }
            self.cells.insert((Table::FirstSending, self.owner.name, other.name), came);
        }
    }
}

#[test]
fn a_password_made_for_one_app_works_in_no_other() {
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
                    row.run(full);
                    let mut results = results.lock().unwrap();
                    results.0.append(&mut row.cells);
                    results.1.append(&mut row.faults);
                }
            });
        }
    });
    let (cells, faults) = results.into_inner().unwrap();
    assert!(faults.is_empty(), "{}", faults.join("\n\n"));
    if full && std::env::var_os("WRITE_TABLES").is_some() {
        write(&cells);
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
