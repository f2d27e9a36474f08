//! The binary: configuration, command line, control socket, wiring. The only
//! crate that knows all the others.
//!
//! **What it is not.** It decides nothing about who comes in, and no other crate
//! knows it: what can be done to a site is `control::Command`, how it is typed
//! is `cli`.
//!
//! **To add a command:** its verb in `cli.rs`, its variant of `control::Command`,
//! its arm in `control/execute.rs`, its line in `main.rs`.

mod apps;
mod audit_copy;
mod backup;
mod canary;
mod cli;
mod config;
mod confine;
mod control;
mod data;
mod doctor;
mod endpoints;
mod init;
mod key_files;
mod metrics;
mod monitor;
mod outbox;
mod pages;
mod privileges;
mod rules;
mod serve;
mod site;
mod supervisor;
mod terminal;

use std::{
    io::{IsTerminal, Read},
    path::{Path, PathBuf},
    process::ExitCode,
    time::Duration,
};

use clap::{CommandFactory, Parser};
use front::Passed;
use store::{IfLost, postgres, sqlite::OpenError};
use tokio::runtime::Runtime;
use zeroize::Zeroizing;

use crate::{
    backup::BackupError,
    canary::Canary,
    cli::{Account, App, AppPassword, Audit, Cli, Cutoff, Key, Session, Verb},
    config::Config,
    control::{Command, Outcome, Typed},
    data::DataError,
    init::InitError,
    serve::ServeError,
};

/// A command waits this long for another one to finish with the store.
const PATIENCE: Duration = Duration::from_secs(5);

/// How a command ends, when not well: what to print, and the exit status.
struct Failure {
    status: u8,
    why: String,
}

impl Failure {
    fn refused(why: impl ToString) -> Self {
        Self { status: 1, why: why.to_string() }
    }

    fn usage(why: impl ToString) -> Self {
        Self { status: 2, why: why.to_string() }
    }

    fn unreachable(why: impl ToString) -> Self {
        Self { status: 3, why: why.to_string() }
    }

    fn tell(self) -> ExitCode {
        tell(&self.why);
        ExitCode::from(self.status)
    }
}

fn main() -> ExitCode {
    match run(Cli::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.tell(),
    }
}

fn wait<T>(what: impl Future<Output = T>) -> Result<T, Failure> {
    let runtime = Runtime::new();
    let runtime = runtime.map_err(|error| Failure::unreachable(format!("the runtime cannot start: {error}")))?;
    Ok(runtime.block_on(what))
}

/// What holds for the whole process is done before the runtime brings threads.
fn serve(file: PathBuf) -> Result<(), Failure> {
    tracing_subscriber::fmt()
        .with_env_filter(tracing_subscriber::EnvFilter::try_from_env("POSTERN_LOG").unwrap_or_else(|_| "info".into()))
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .with_target(false)
        .init();
    let mut passed = Passed::take_over().map_err(Failure::usage)?;
    let config = Config::read(&file).map_err(Failure::usage)?;
    data::make_folder(&config.data).map_err(Failure::unreachable)?;
    privileges::drop(&config, &mut passed).map_err(Failure::refused)?;
    confine::confine(&config, &file).tell();
    wait(serve::serve(file, config, passed))?.map_err(|error| match error {
        ServeError::Config(_) | ServeError::Tls(_) | ServeError::Passed(_) => Failure::usage(error),
        ServeError::Data(_) | ServeError::Rules(_) | ServeError::Replaced => Failure::unreachable(error),
        _ => Failure::refused(error),
    })
}

fn tell(why: &str) {
    use std::io::Write;
    let _ = writeln!(std::io::stderr(), "postern: {why}");
}

fn run(cli: Cli) -> Result<(), Failure> {
    let Cli { everywhere, verb } = cli;
    let json = everywhere.json;
    let config = || Config::read(&everywhere.config.clone().unwrap_or_else(default_config)).map_err(Failure::usage);
    let mut hint = None;
    let (command, columns): (Command, &[&str]) = match verb {
        Verb::Init { dir, domain, url } => {
            let written = init::init(&dir, &domain, &url).map_err(|error| match error {
                InitError::Domain(_) | InitError::Url(_) | InitError::Plain => Failure::usage(error),
                _ => Failure::refused(error),
            })?;
            let next = format!(
                "wrote {0}\nnext: edit it, then `postern doctor --config {0}` and `postern serve --config {0}`",
                written.display()
            );
            let answer = serde_json::json!({ "config": written });
            if json {
                terminal::print(&answer, true, &[])
            } else {
                terminal::line(&next)
            }
            return Ok(());
        }
        Verb::Serve => return serve(everywhere.config.unwrap_or_else(default_config)),
        Verb::Doctor => {
            let findings = wait(doctor::examine(&everywhere.config.clone().unwrap_or_else(default_config)))?;
            let well = findings.iter().all(doctor::Finding::is_bearable);
            terminal::print(&serde_json::json!(findings), json, &["check", "verdict", "found", "remedy"]);
            return if well { Ok(()) } else { Err(Failure::refused("not all is well: see the remedies")) };
        }
        Verb::Backup { folder } => {
            backup::untaken(&folder).map_err(Failure::refused)?;
            let mut answer = done(wait(ask(&config()?, Command::Backup))??)?;
            let made = PathBuf::from(answer["backup"].as_str().unwrap_or_default());
            backup::bring(&made, &folder).map_err(Failure::refused)?;
            answer["backup"] = serde_json::json!(folder);
            terminal::print(&answer, json, &[]);
            return Ok(());
        }
        Verb::Restore { folder, without_revocations } => {
            let if_lost = if without_revocations { IfLost::BeginAnew } else { IfLost::Refuse };
            let restored = match folder {
                Some(folder) => wait(backup::restore(&config()?, &folder, if_lost))?,
                None => wait(backup::do_without_revocations(&config()?))?,
            };
            let answer = restored.map_err(|error| match error {
                BackupError::Data(DataError::Folder(OpenError::NotEmpty { .. }))
                | BackupError::Data(DataError::Database(postgres::OpenError::NotEmpty { .. })) => {
                    Failure::refused(error)
                }
                BackupError::Data(_) | BackupError::Lost(_) => Failure::unreachable(error),
                _ => Failure::refused(error),
            })?;
            terminal::print(&answer, json, &[]);
            return Ok(());
        }
        Verb::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "postern", &mut script);
            terminal::line(String::from_utf8_lossy(&script).trim_end());
            return Ok(());
        }
        Verb::Man { dir } => {
            return clap_mangen::generate_to(Cli::command(), &dir)
                .map_err(|error| Failure::refused(format!("cannot write to {}: {error}", dir.display())));
        }
        Verb::Account(Account::Add { login, alias, password_stdin, totp }) => {
            let password = if password_stdin { Some(read_password()?) } else { None };
            let aliases = alias.iter().map(ToString::to_string).collect();
            (Command::AccountAdd { login: login.to_string(), aliases, password, totp }, &[])
        }
        Verb::Account(Account::List) => {
            (Command::AccountList, &["login", "standing", "second_factor", "aliases", "created"])
        }
        Verb::Account(Account::Show { login }) => (Command::AccountShow { login }, &[]),
        Verb::Account(Account::Suspend { login }) => (Command::AccountSuspend { login }, &[]),
        Verb::Account(Account::Resume { login }) => (Command::AccountResume { login }, &[]),
        Verb::Account(Account::Reset { login }) => (Command::AccountReset { login }, &[]),
        Verb::Account(Account::Remove { login }) => (Command::AccountRemove { login }, &[]),
        Verb::App(App::Learnt) => (Command::AppLearnt, &["app", "client"]),
        Verb::App(App::Forget { app }) => (Command::AppForget { app: app.to_string() }, &[]),
        Verb::App(App::List) => return tell_apps(None, everywhere.config.as_deref(), json),
        Verb::App(App::Show { app }) => return tell_apps(Some(&app), everywhere.config.as_deref(), json),
        Verb::AppPassword(AppPassword::Create { login, label, app, scope, network, expires, lock }) => {
            hint = apps::near_miss(&config()?.catalogue, &app);
            let create = Command::AppPasswordCreate {
                login,
                label: label.to_string(),
                app: app.to_string(),
                scopes: scope.to_string(),
                networks: network.iter().map(ToString::to_string).collect(),
                expires_in: expires.map(|lasting| lasting.0.as_secs()),
                lock: lock.map(|lock| lock.name().to_owned()),
            };
            (create, &[])
        }
        Verb::AppPassword(AppPassword::List { login }) => {
            (Command::AppPasswordList { login }, &["id", "label", "app_name", "scopes", "state", "created", "uses"])
        }
        Verb::AppPassword(AppPassword::Show { id }) => (Command::AppPasswordShow { id: id.to_string() }, &[]),
        Verb::AppPassword(AppPassword::Revoke { id }) => (Command::AppPasswordRevoke { id: id.to_string() }, &[]),
        Verb::AppPassword(AppPassword::RevokeAll { login }) => (Command::AppPasswordRevokeAll { login }, &[]),
        Verb::Session(Session::List { login }) => {
            (Command::SessionList { login }, &["id", "login", "label", "app_name", "door", "from", "since"])
        }
        Verb::Session(Session::End { login, id }) => (Command::SessionEnd { login, id }, &[]),
        Verb::Cutoff(Cutoff::Status) => (Command::CutoffStatus, &[]),
        Verb::Audit(Audit::List { after, limit }) => {
            (Command::AuditList { after, limit }, &["seq", "time", "by", "account", "event", "details"])
        }
        Verb::Key(Key::Rotate { retire_after, compromised }) => {
            (Command::KeyRotate { retire_after: retire_after.0.as_secs(), compromised }, &[])
        }
        Verb::Audit(Audit::Verify) => (Command::AuditVerify, &[]),
    };
    let answer = done(wait(ask(&config()?, command))??)?;
    terminal::print(&answer, json, columns);
    hint.iter().for_each(|hint| tell(hint));
    Ok(())
}

/// The catalogue: of the site, or where there is none, what comes with Postern.
fn tell_apps(one: Option<&authority::AppName>, config: Option<&Path>, json: bool) -> Result<(), Failure> {
    let file = config.map_or_else(default_config, Path::to_owned);
    let catalogue = if config.is_some() || file.exists() {
        Config::read(&file).map_err(Failure::usage)?.catalogue
    } else {
        apps::shipped().map_err(Failure::usage)?
    };
    match one {
        None => {
            let columns = ["app", "name", "platforms", "opens", "known_at"];
            terminal::print(&apps::list(&catalogue), json, &columns);
        }
        Some(app) => {
            let none = || {
                Failure::refused(format!("there is no app {:?} in the catalogue: see `postern app list`", app.as_str()))
            };
            terminal::print(&apps::show(catalogue.find(app).ok_or_else(none)?), json, &[]);
        }
    }
    Ok(())
}

/// The answer, if there is one.
fn done(outcome: Outcome) -> Result<serde_json::Value, Failure> {
    match outcome {
        Outcome::Done { answer } => Ok(answer),
        Outcome::Refused { why } => Err(Failure::refused(why)),
        Outcome::Unavailable { why } => Err(Failure::unreachable(why)),
    }
}

/// Through the control socket where a server runs, else in its place.
async fn ask(config: &Config, command: Command) -> Result<Outcome, Failure> {
    let socket = control::socket::path(config);
    let patience = tokio::time::Instant::now() + PATIENCE;
    loop {
        let asked = control::socket::ask(&socket, &command).await;
        if let Some(outcome) = asked.map_err(|error| Failure::unreachable(format!("{}: {error}", socket.display())))? {
            return Ok(outcome);
        }
        match data::open(config).await {
            Ok(keeper) => {
                let uid = control::Uid(rustix::process::getuid().as_raw());
                return Ok(control::execute(&keeper, config, &Canary::default(), uid, command).await);
            }
            // Another command, or a server that is about to open its socket.
            Err(DataError::Folder(OpenError::InUse { .. })) if tokio::time::Instant::now() < patience => {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            Err(error) => return Err(Failure::unreachable(error)),
        }
    }
}

fn default_config() -> PathBuf {
    let here = PathBuf::from("postern.toml");
    if here.exists() { here } else { PathBuf::from("/etc/postern/postern.toml") }
}

/// From a prompt that does not echo, or from what is piped in; its line end is
/// the pipe's, not the password's.
fn read_password() -> Result<Typed, Failure> {
    let unreadable = |error| Failure::usage(format!("the password cannot be read: {error}"));
    if std::io::stdin().is_terminal() {
        return rpassword::prompt_password("Primary password: ").map(Typed::new).map_err(unreadable);
    }
    let mut text = Zeroizing::new(String::new());
    std::io::stdin().read_to_string(&mut text).map_err(unreadable)?;
    let line = text.strip_suffix('\n').map_or(&**text, |line| line.strip_suffix('\r').unwrap_or(line));
    Ok(Typed::new(line.to_owned()))
}
