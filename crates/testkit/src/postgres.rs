//! A real PostgreSQL of our own, for tests.

use std::{
    fs::{self, Permissions},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Child, ChildStdin, Command, Output, Stdio},
    sync::{
        Mutex, OnceLock, PoisonError,
        atomic::{AtomicU32, Ordering},
    },
    thread,
    time::Duration,
};

/// A server on a Unix socket in a folder of its own; nothing of it is left when
/// this value is gone, or the program has ended in whatever way.
#[derive(Debug)]
pub struct Postgres {
    folder: PathBuf,
    server: Mutex<Child>,
    databases: AtomicU32,
    /// Closed with us, and with the program.
    _watched: ChildStdin,
}

/// Waits until nobody holds its input any more, and tidies up.
const WATCHER: &str = r#"cat >/dev/null; p=$(head -n 1 "$0/data/postmaster.pid" 2>/dev/null) && kill -INT "$p"
while [ -n "$p" ] && kill -0 "$p" 2>/dev/null; do sleep 0.1; done; rm -rf "$0""#;

impl Postgres {
    /// The one that all tests of a program share.
    pub fn shared() -> &'static Self {
        static SHARED: OnceLock<Postgres> = OnceLock::new();
        SHARED.get_or_init(|| Self::start(&[]))
    }

    /// Starts one with these settings, `name=value`.
    ///
    /// # Panics
    /// Where Debian's `postgresql` is not installed, or does not start.
    pub fn start(settings: &[&str]) -> Self {
        let folder = tempfile::Builder::new().permissions(Permissions::from_mode(0o755)).tempdir();
        let folder = folder.expect("a folder").keep();
        let mut watcher = Command::new("sh");
        let watcher = watcher.args(["-c", WATCHER]).arg(&folder).stdin(Stdio::piped()).spawn();
        let watched = watcher.expect("a shell").stdin.take().expect("its input");
        let data = folder.join("data");
        fs::create_dir(&data).expect("a folder");
        // It refuses to run as root.
        if is_root() {
            said(Command::new("chown").args(["-R", "postgres:postgres"]).arg(&folder));
        }
        let mut init = as_its_user(&binary("initdb"));
        init.args(["--auth=trust", "--username=postern", "--no-sync", "--encoding=UTF8", "--locale=C", "--pgdata"]);
        said(init.arg(&data));
        let server = Mutex::new(Self::run(&folder, settings));
        let postgres = Self { folder, server, databases: AtomicU32::new(0), _watched: watched };
        postgres.wait();
        postgres
    }

    fn run(folder: &Path, settings: &[&str]) -> Child {
        let mut server = as_its_user(&binary("postgres"));
        // Everything it holds may be lost with the test; the processes under test
        // are what is killed.
        let own = ["listen_addresses=", "fsync=off", "full_page_writes=off", "max_connections=200"];
        server.arg("-D").arg(folder.join("data")).arg("-k").arg(folder);
        for setting in own.iter().chain(settings) {
            server.args(["-c", setting]);
        }
        let log = fs::File::create(folder.join("log")).expect("a log");
        server.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log).spawn().expect("PostgreSQL starts")
    }

    fn wait(&self) {
        let is_ready = || {
            let mut ready = Command::new(binary("pg_isready"));
            ready.args(["-q", "-t", "1", "-h"]).arg(&self.folder);
            ready.status().is_ok_and(|status| status.success())
        };
        // It has no way to tell but to be asked.
        let became_ready = (0..600).any(|_| {
            thread::park_timeout(Duration::from_millis(50));
            is_ready()
        });
        assert!(became_ready, "no PostgreSQL: {}", fs::read_to_string(self.folder.join("log")).unwrap_or_default());
    }

    /// A new database: the URL of it.
    pub fn database(&self) -> String {
        let name = format!("postern{}", self.databases.fetch_add(1, Ordering::Relaxed));
        self.sql("postgres", &format!("CREATE DATABASE {name}"));
        self.url(&name)
    }

    /// The URL of a database.
    pub fn url(&self, name: &str) -> String {
        format!("postgres://postern@/{name}?host={}", self.folder.display())
    }

    /// What a shell at the database would answer, one row a line.
    ///
    /// # Panics
    /// Where the server does not.
    pub fn sql(&self, database: &str, sql: &str) -> String {
        let mut psql = Command::new(binary("psql"));
        psql.args(["--no-psqlrc", "--quiet", "--tuples-only", "--no-align", "--set=ON_ERROR_STOP=1"]);
        psql.args(["--username=postern", "--dbname", database, "--command", sql]).arg("--host").arg(&self.folder);
        String::from_utf8(said(&mut psql).stdout).expect("text").trim_end().to_owned()
    }

    /// Stops the server, at once and with all its connections.
    pub fn stop(&self) {
        let mut server = self.server.lock().unwrap_or_else(PoisonError::into_inner);
        said(Command::new("kill").arg("-INT").arg(server.id().to_string()));
        server.wait().expect("it was started here");
    }

    /// Starts it again.
    pub fn start_again(&self) {
        *self.server.lock().unwrap_or_else(PoisonError::into_inner) = Self::run(&self.folder, &[]);
        self.wait();
    }

    /// Lets it speak TLS on a port of 127.0.0.1, with this certificate and key.
    pub fn serve_tls(&self, port: u16, certificate: &str, key: &str) {
        self.stop();
        for (name, pem) in [("server.crt", certificate), ("server.key", key)] {
            let path = self.folder.join("data").join(name);
            fs::write(&path, pem).expect("a file");
            fs::set_permissions(&path, Permissions::from_mode(0o600)).expect("its mode");
            if is_root() {
                said(Command::new("chown").arg("postgres:postgres").arg(&path));
            }
        }
        let settings = ["ssl=on", "listen_addresses=127.0.0.1", &format!("port={port}")];
        *self.server.lock().unwrap_or_else(PoisonError::into_inner) = Self::run(&self.folder, &settings);
        // The socket has the port in its name.
        let (own, usual) = (format!(".s.PGSQL.{port}"), self.folder.join(".s.PGSQL.5432"));
        std::os::unix::fs::symlink(own, usual).expect("a link");
        self.wait();
    }

    /// Where its socket lies.
    pub fn folder(&self) -> &Path {
        &self.folder
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        self.stop();
    }
}

fn is_root() -> bool {
    fs::metadata("/proc/self").is_ok_and(|own| std::os::unix::fs::MetadataExt::uid(&own) == 0)
}

fn as_its_user(program: &Path) -> Command {
    let mut command = Command::new(if is_root() { Path::new("setpriv") } else { program });
    if is_root() {
        command.args(["--reuid=postgres", "--regid=postgres", "--clear-groups"]).arg(program);
    }
    command.current_dir("/");
    command
}

/// Debian keeps the programs of each version in a folder of its own.
fn binary(name: &str) -> PathBuf {
    let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let newest = versions.map(|version| version.path().join("bin").join(name)).filter(|path| path.exists()).max();
    newest.unwrap_or_else(|| name.into())
}

fn said(command: &mut Command) -> Output {
    let output = command.output().expect("it can be started");
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    output
}
