//! A keeper over SQLite, in this process, as `postern serve` sets it up.

use std::{
    fs::Permissions,
    net::{IpAddr, Ipv4Addr},
    os::unix::fs::PermissionsExt,
    path::Path,
    sync::Arc,
};

use authority::{
    AppName, AppPasswordRequest, AppPasswordRules, AuditKey, Catalogue, Client, Cutoff, Domain, Door, Label, LockMode,
    Login, Networks, Protocol, Secret,
};
use keeper::{
    AddAccount, FreshMandate, HashCost, Keeper, Keys, ServerKey, SignIn, SignInAttempt, Site, Store, SystemClock,
};
use rand_core::UnwrapErr;
use store::sqlite;
use tempfile::TempDir;

use crate::Outcome;

/// The key under which secrets are hashed.
pub(crate) const SERVER_KEY: [u8; 32] = [7; 32];

/// The address that everybody comes from.
pub(crate) const HOME: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 7));

/// A data folder beside this program: what is measured includes the disk, and
/// `/tmp` is none on many machines. It is gone when this is dropped.
pub(crate) fn folder() -> Outcome<TempDir> {
    let program = std::env::current_exe()?;
    let beside = program.parent().unwrap_or(Path::new("."));
    Ok(tempfile::Builder::new().prefix("bench-").permissions(Permissions::from_mode(0o700)).tempdir_in(beside)?)
}

/// The audit chain's key.
pub(crate) fn audit_key() -> AuditKey {
    AuditKey::new([8; 32])
}

/// Opens the keeper over what is in the folder: its cache is empty.
pub(crate) async fn open(folder: &Path) -> Outcome<Keeper> {
    open_over(Box::new(sqlite::open(folder, audit_key())?)).await
}

/// Opens the keeper over this store.
pub(crate) async fn open_over(store: Box<dyn Store>) -> Outcome<Keeper> {
    let site = Site {
        domain: Domain::parse("example.org")?,
        issuer: "Example".into(),
        cutoff: Cutoff::Enforced,
        // Ten thousand sessions under one, where revoking is measured.
        rules: AppPasswordRules { sessions: usize::MAX, ..AppPasswordRules::default() },
        hash_cost: HashCost::default(),
        apps: Catalogue::default(),
    };
    let keys = Keys::new(ServerKey::new(SERVER_KEY), audit_key());
    Ok(Keeper::new(site, store, keys, Box::new(SystemClock), Box::new(UnwrapErr(getrandom::SysRng))).await?)
}

/// The login of an account.
pub(crate) fn login(number: u64) -> String {
    format!("user{number}@example.org")
}

/// Adds an account that may have app passwords, and lets us act on it.
pub(crate) async fn account(keeper: &Keeper, number: u64) -> Outcome<FreshMandate> {
    let login = Login::parse(&login(number))?;
    let new = AddAccount { login: login.clone(), aliases: vec![], primary: None, totp: true };
    keeper.add_account(0, new).await?;
    Ok(keeper.administer(0, &login).await?.1)
}

/// A password as most are: for mail, calendars and contacts, in the owner's network.
pub(crate) fn request() -> Outcome<AppPasswordRequest> {
    Ok(AppPasswordRequest {
        label: Label::parse("Laptop at home")?,
        app: AppName::parse("thunderbird")?,
        scopes: "mail,calendars,contacts".parse()?,
        networks: "192.0.2.0/24".parse::<Networks>()?,
        expires_in: None,
        lock: LockMode::Lock,
    })
}

/// The door that asks.
pub(crate) fn door() -> Outcome<Door> {
    Ok(Door { name: Arc::from("imap"), protocol: Protocol::Imap, needs: "mail".parse()? })
}

/// Signs in, and must be let in; the session is over when this returns.
pub(crate) async fn sign_in(keeper: &Keeper, login: &str, secret: &Secret, door: &Door) -> Outcome<()> {
    match keeper
        .sign_in(SignInAttempt { login, acting_as: None, secret, door, from: HOME, client: Client::Unseen })
        .await
    {
        SignIn::Admitted(..) => Ok(()),
        other => Err(format!("{login} was to be let in: {other:?}").into()),
    }
}
