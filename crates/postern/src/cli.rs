//! The command line: a contract, see `docs/configuration.md` for what it acts on.

use std::{ffi::OsStr, path::PathBuf, str::FromStr};

use authority::{AppName, AppPasswordId, Label, LockMode, Login, Scopes};
use clap::{
    Arg, Args, Command, Parser, Subcommand,
    builder::{PossibleValue, TypedValueParser},
};
use ipnet::IpNet;

use crate::{
    apps::shipped_ids,
    config::{Lasting, network},
};

/// The authority and gateway for app-specific passwords.
///
/// One account behind a second factor; a password of its own for every app.
#[derive(Debug, Parser)]
#[command(
    name = "postern",
    version,
    after_help = "EXIT STATUS: 0 done, 1 refused or not found, 2 usage or configuration, 3 the store or the server cannot be reached"
)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) everywhere: Everywhere,
    #[command(subcommand)]
    pub(crate) verb: Verb,
}

/// What every command takes.
#[derive(Debug, Args)]
pub(crate) struct Everywhere {
    /// The configuration [default: ./postern.toml, then /etc/postern/postern.toml]
    #[arg(long, global = true, value_name = "FILE", env = "POSTERN_CONFIG")]
    pub(crate) config: Option<PathBuf>,
    /// Print JSON, for programs
    #[arg(long, global = true)]
    pub(crate) json: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Write a configuration to start from
    #[command(
        after_help = "EXAMPLES:\n  postern init\n  postern init --dir /etc/postern --domain example.org --url https://id.example.org"
    )]
    Init {
        /// Where to write postern.toml and make the data folder
        #[arg(long, default_value = ".")]
        dir: PathBuf,
        /// The domain of your accounts
        #[arg(long, default_value = "localhost")]
        domain: String,
        /// The portal's address, as people will type it
        #[arg(long, default_value = "https://localhost:8443")]
        url: String,
    },
    /// Serve: portal, doors and drive
    #[command(
        after_help = "SIGTERM and Ctrl-C let connections say goodbye, then stop. SIGHUP reads certificates again."
    )]
    Serve,
    /// Check everything, try to get past Postern, and say what to do
    #[command(
        after_help = "EXAMPLES:\n  postern doctor\n  postern doctor --json | jq '.[] | select(.verdict != \"ok\")'\n\nIt changes nothing, and lets a server that runs send its canary out. Exit status 1 if something failed; a warning is no failure."
    )]
    Doctor,
    /// People's accounts
    #[command(subcommand)]
    Account(Account),
    /// Passwords made for one app each
    #[command(subcommand)]
    AppPassword(AppPassword),
    /// Apps that are known, and how each says who it is
    #[command(subcommand)]
    App(App),
    /// Connections that are signed in now
    #[command(subcommand)]
    Session(Session),
    /// How far the site has moved over to app passwords
    #[command(subcommand)]
    Cutoff(Cutoff),
    /// What happened, sealed against rewriting
    #[command(subcommand)]
    Audit(Audit),
    /// The key under which app passwords and second factors are kept
    #[command(subcommand)]
    Key(Key),
    /// Write all that is kept, and the keys, into a new folder; also while serving
    #[command(
        after_help = "EXAMPLE:\n  postern backup /var/backups/postern-$(date +%F)\n\nThe folder holds the keys: keep it as safe as the site. Not in it: the drive's files, which any file backup takes, and data/revocations, which must never be put back."
    )]
    Backup {
        /// A folder that is not there yet
        folder: PathBuf,
    },
    /// Put a backup in place of a store that is gone; nothing revoked since comes back
    #[command(
        after_help = "EXAMPLE:\n  systemctl stop postern\n  mv data/postern.db* /somewhere/else/\n  postern restore /var/backups/postern-2026-03-03\n\nAccounts of which the password, the second factor or the standing has changed since the backup was made are suspended, and listed: reset or resume them."
    )]
    Restore {
        /// What `postern backup` made; without one, the store stays as it is
        #[arg(required_unless_present = "without_revocations")]
        folder: Option<PathBuf>,
        /// data/revocations is lost: suspend every account until it is resumed
        #[arg(long)]
        without_revocations: bool,
    },
    /// Print completions for a shell
    #[command(after_help = "EXAMPLE:\n  postern completions bash > /etc/bash_completion.d/postern")]
    Completions {
        /// Which one
        shell: clap_complete::Shell,
    },
    /// Write the manual pages
    #[command(after_help = "EXAMPLE:\n  postern man --dir /usr/local/share/man/man1")]
    Man {
        /// Where to
        #[arg(long, default_value = ".")]
        dir: PathBuf,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum Account {
    /// Add an account; without --password-stdin its owner chooses, with a one-time code
    #[command(
        after_help = "EXAMPLES:\n  postern account add alice@example.org\n  pass show alice | postern account add alice@example.org --password-stdin --totp --json"
    )]
    Add {
        /// Its canonical login
        login: Login,
        /// Another name that it may sign in with; may be repeated
        #[arg(long, value_name = "LOGIN")]
        alias: Vec<Login>,
        /// Read the primary password from standard input
        #[arg(long)]
        password_stdin: bool,
        /// Make a second factor as well, and recovery codes
        #[arg(long, requires = "password_stdin")]
        totp: bool,
    },
    /// List all accounts
    #[command(after_help = "EXAMPLE:\n  postern account list --json | jq -r '.[].login'")]
    List,
    /// Show an account, its app passwords and sessions
    #[command(after_help = "EXAMPLE:\n  postern account show alice@example.org")]
    Show {
        /// Its login, or an alias
        login: String,
    },
    /// Stop everything of an account, and keep it
    #[command(
        after_help = "EXAMPLE:\n  postern account suspend alice@example.org\n\nIts sessions are over when this returns."
    )]
    Suspend {
        /// Its login, or an alias
        login: String,
    },
    /// Let a suspended account go on
    #[command(after_help = "EXAMPLE:\n  postern account resume alice@example.org")]
    Resume {
        /// Its login, or an alias
        login: String,
    },
    /// Take all factors away, revoke all app passwords, offer a new set-up
    #[command(
        after_help = "EXAMPLE:\n  postern account reset alice@example.org\n\nGive the code to its owner in person, or by a way that no app password opens."
    )]
    Reset {
        /// Its login, or an alias
        login: String,
    },
    /// Remove an account and all that belongs to it, its audit excepted
    #[command(after_help = "EXAMPLE:\n  postern account remove alice@example.org")]
    Remove {
        /// Its login, or an alias
        login: String,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum AppPassword {
    /// Make an app password; it is printed once
    #[command(
        after_help = "EXAMPLES:\n  postern app-password create alice@example.org --label Laptop --app thunderbird --scope mail,calendars\n  postern app-password create alice@example.org --label Scanner --app scanner --scope mail:send --network 192.0.2.0/24 --expires 90d"
    )]
    Create {
        /// Whose
        login: String,
        /// A name to know it by
        #[arg(long)]
        label: Label,
        /// The app it is for: see `postern app list`, or any name of your own
        #[arg(long, value_parser = Apps, hide_possible_values = true)]
        app: AppName,
        /// What it opens: mail, mail:send, calendars, contacts, files, with commas
        #[arg(long, value_name = "SCOPES")]
        scope: Scopes,
        /// A network that it is held to; may be repeated
        #[arg(long, value_name = "CIDR", value_parser = network)]
        network: Vec<IpNet>,
        /// When it ends by itself: 90d, 12h
        #[arg(long, value_name = "TIME")]
        expires: Option<Lasting>,
        /// Whether it works in one app only: lock, watch or off
        #[arg(long)]
        lock: Option<LockMode>,
    },
    /// List an account's app passwords
    #[command(after_help = "EXAMPLE:\n  postern app-password list alice@example.org")]
    List {
        /// Whose
        login: String,
    },
    /// Show one
    #[command(after_help = "EXAMPLE:\n  postern app-password show kigxz4kgqbygv32s")]
    Show {
        /// Its id
        id: AppPasswordId,
    },
    /// Revoke one: its sessions are over when this returns
    #[command(after_help = "EXAMPLE:\n  postern app-password revoke kigxz4kgqbygv32s")]
    Revoke {
        /// Its id
        id: AppPasswordId,
    },
    /// Revoke all of an account
    #[command(after_help = "EXAMPLE:\n  postern app-password revoke-all alice@example.org")]
    RevokeAll {
        /// Whose
        login: String,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum App {
    /// List all apps of the catalogue
    #[command(after_help = "EXAMPLE:\n  postern app list --json | jq -r '.[].app'")]
    List,
    /// Show one: what it says of itself at each door, and how that is known
    #[command(after_help = "EXAMPLE:\n  postern app show thunderbird")]
    Show {
        /// Its short name, or one that people use
        #[arg(value_parser = Apps, hide_possible_values = true)]
        app: AppName,
    },
    /// List new forms of apps that enough accounts' passwords have taken
    #[command(after_help = "EXAMPLE:\n  postern app learnt --json | jq -r '.[].client'")]
    Learnt,
    /// Take back what was learnt of an app; passwords keep what they know
    #[command(after_help = "EXAMPLE:\n  postern app forget thunderbird")]
    Forget {
        /// Its short name, or one that people use
        #[arg(value_parser = Apps, hide_possible_values = true)]
        app: AppName,
    },
}

/// Any name; shells complete those that come with Postern.
#[derive(Clone)]
struct Apps;

impl TypedValueParser for Apps {
    type Value = AppName;

    fn parse_ref(&self, command: &Command, argument: Option<&Arg>, value: &OsStr) -> Result<AppName, clap::Error> {
        AppName::from_str.parse_ref(command, argument, value)
    }

    fn possible_values(&self) -> Option<Box<dyn Iterator<Item = PossibleValue> + '_>> {
        Some(Box::new(shipped_ids().map(PossibleValue::new)))
    }
}

#[derive(Debug, Subcommand)]
pub(crate) enum Session {
    /// List them
    #[command(after_help = "EXAMPLES:\n  postern session list\n  postern session list alice@example.org --json")]
    List {
        /// Only this account's
        login: Option<String>,
    },
    /// End one, or all of an account; the passwords stay good
    #[command(
        after_help = "EXAMPLES:\n  postern session end alice@example.org\n  postern session end alice@example.org 42"
    )]
    End {
        /// Whose
        login: String,
        /// Which: see `session list`; all of the account's if left out
        id: Option<u64>,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum Cutoff {
    /// Show it
    #[command(after_help = "EXAMPLE:\n  postern cutoff status")]
    Status,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Audit {
    /// List what happened
    #[command(after_help = "EXAMPLES:\n  postern audit list\n  postern audit list --after 100 --limit 1000 --json")]
    List {
        /// Only lines behind this one
        #[arg(long, default_value_t = 0, value_name = "SEQ")]
        after: u64,
        /// At most so many
        #[arg(long, default_value_t = 100)]
        limit: usize,
    },
    /// Check that no line was changed, removed or added without the key
    #[command(
        after_help = "EXAMPLE:\n  postern audit verify\n\nKeep the head that it prints on another machine: lines cut off the end show there."
    )]
    Verify,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Key {
    /// Make a new server key; the old one stays good for a while. Also while serving
    #[command(
        after_help = "EXAMPLES:\n  postern key rotate\n  postern key rotate --retire-after 30d\n  postern key rotate --compromised\n\nApp passwords move over to the new key when they are used. What is left under the old one when it retires ends: app passwords that were not used, and recovery codes that were not renewed."
    )]
    Rotate {
        /// What was made under the old key is good for so long
        #[arg(long, default_value = "90d", value_name = "TIME")]
        retire_after: Lasting,
        /// Others may know the key: revoke all app passwords, void all codes, have second factors set up anew
        #[arg(long, conflicts_with = "retire_after")]
        compromised: bool,
    },
}
