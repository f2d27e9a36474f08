//! Executes a command on a keeper.

use std::{collections::HashMap, time::Duration};

use authority::{
    Account, AccountId, AppName, AppPassword, AppPasswordId, AppPasswordRequest, ChosenBy, Credential, Cutoff, Entry,
    Label, LockMode, Login, Networks, Pin, PinnedBy, Scope, Scopes, SealedEntry, Secret, Standing, State, Stranger,
    Timestamp,
};
use keeper::{
    AddAccount, AdminError, AuditVerdict, FreshMandate, IssueError, Keeper, Listed, RotationError, SessionInfo,
    StoreError, Which,
};
use serde_json::{Value, json};

use super::{Command, Outcome};
use crate::{
    backup::{self, BackupError},
    canary::Canary,
    config::{Config, Service},
    terminal::date,
};

/// Who asks, as the kernel saw it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Uid(pub(crate) u32);

enum No {
    Refused(String),
    Unavailable(String),
}

impl From<StoreError> for No {
    fn from(error: StoreError) -> Self {
        Self::Unavailable(error.to_string())
    }
}

impl From<BackupError> for No {
    fn from(error: BackupError) -> Self {
        match error {
            BackupError::Data(error) => Self::Unavailable(error.to_string()),
            other => Self::Refused(other.to_string()),
        }
    }
}

impl From<AdminError> for No {
    fn from(error: AdminError) -> Self {
        match error {
            AdminError::Store(error) => error.into(),
            AdminError::Busy => Self::Unavailable(error.to_string()),
            other => Self::Refused(other.to_string()),
        }
    }
}

impl From<IssueError> for No {
    fn from(error: IssueError) -> Self {
        match error {
            IssueError::Store(error) => error.into(),
            other => Self::Refused(other.to_string()),
        }
    }
}

impl From<RotationError> for No {
    fn from(error: RotationError) -> Self {
        match error {
            RotationError::OldKeyLives(end) => Self::Refused(format!(
                "the server key before this one is good until {}: wait for that, or use --compromised if others may know a key",
                date(end)
            )),
            RotationError::NotKept => Self::Refused(error.to_string()),
            other => Self::Unavailable(other.to_string()),
        }
    }
}

/// Executes one command and tells what came of it.
pub(crate) async fn execute(keeper: &Keeper, config: &Config, canary: &Canary, uid: Uid, command: Command) -> Outcome {
    match run(keeper, config, canary, uid, command).await {
        Ok(answer) => Outcome::Done { answer },
        Err(No::Refused(why)) => Outcome::Refused { why },
        Err(No::Unavailable(why)) => Outcome::Unavailable { why },
    }
}

fn read<T: std::str::FromStr<Err: std::fmt::Display>>(text: &str) -> Result<T, No> {
    text.parse().map_err(|error: T::Err| No::Refused(error.to_string()))
}

fn login(keeper: &Keeper, text: &str) -> Result<Login, No> {
    Login::from_client(text, &keeper.site().domain).map_err(|error| No::Refused(error.to_string()))
}

async fn run(keeper: &Keeper, config: &Config, canary: &Canary, Uid(uid): Uid, command: Command) -> Result<Value, No> {
    let account = async |name: &str| -> Result<(Account, FreshMandate), No> {
        Ok(keeper.administer(uid, &login(keeper, name)?).await?)
    };
    Ok(match command {
        Command::AccountAdd { login, aliases, password, totp } => {
            let request = AddAccount {
                login: read(&login)?,
                aliases: aliases.iter().map(|alias| read(alias)).collect::<Result<_, _>>()?,
                primary: password.map(super::Typed::into_secret),
                totp,
            };
            let added = keeper.add_account(uid, request).await?;
            let mut answer = json!({ "login": added.login.as_str(), "id": added.id });
            if let Some(uri) = added.totp_uri {
                answer["totp_uri"] = uri.expose().into();
                answer["recovery_codes"] = added.recovery_codes.iter().map(Secret::expose).collect();
            }
            if let Some(set_up) = added.set_up {
                add_set_up(&mut answer, config, &set_up);
            }
            answer
        }
        Command::AccountList => {
            let accounts = keeper.accounts().await?;
            accounts.iter().map(account_row).collect()
        }
        Command::AccountShow { login } => {
            let (account, mandate) = account(&login).await?;
            let mut answer = account_row(&account);
            if let Some(overview) = keeper.overview(&mandate).await? {
                answer["recovery_codes_left"] = overview.recovery_codes_left.into();
                answer["app_passwords"] = overview
                    .passwords
                    .iter()
                    .map(|(listed, state)| password_row(config, listed, *state, &account))
                    .collect();
            }
            answer["sessions"] = session_rows(keeper, config, Some(account.id)).await?;
            answer
        }
        Command::AccountSuspend { login } => set_standing(keeper, account(&login).await?, Standing::Suspended).await?,
        Command::AccountResume { login } => set_standing(keeper, account(&login).await?, Standing::Active).await?,
        Command::AccountReset { login } => {
            let (account, mandate) = account(&login).await?;
            let set_up = keeper.reset(&account, &mandate).await?;
            let mut answer = json!({ "login": account.login.as_str(), "id": account.id });
            add_set_up(&mut answer, config, &set_up);
            answer
        }
        Command::AccountRemove { login } => {
            let (account, mandate) = account(&login).await?;
            keeper.remove_account(&account, &mandate).await?;
            json!({ "login": account.login.as_str(), "id": account.id, "removed": true })
        }
        Command::AppLearnt => {
            let apps = keeper.apps();
            let mut learnt: Vec<_> = apps.learnt().map(|(app, form)| (app.as_str(), form.to_string())).collect();
            learnt.sort();
            learnt.iter().map(|(app, client)| json!({ "app": app, "client": client })).collect()
        }
        Command::AppForget { app } => {
            let app = read::<AppName>(&app)?;
            let apps = keeper.apps();
            let none = || No::Refused(format!("there is no app {app} in the catalogue: see `postern app list`"));
            let id = &apps.find(&app).ok_or_else(none)?.id;
            json!({ "app": id.as_str(), "forgotten": keeper.forget_forms(uid, id).await? })
        }
        Command::AppPasswordCreate { login, label, app, scopes, networks, expires_in, lock } => {
            let (account, mandate) = account(&login).await?;
            let scopes = read::<Scopes>(&scopes)?;
            has_a_door(config, &scopes)?;
            let request = AppPasswordRequest {
                label: read::<Label>(&label)?,
                app: read::<AppName>(&app)?,
                scopes,
                networks: read::<Networks>(&networks.join(","))?,
                expires_in: expires_in.map(Duration::from_secs),
                lock: lock.as_deref().map_or(Ok(config.app_passwords.lock), read::<LockMode>)?,
            };
            let issued = keeper.issue(&mandate, request).await?;
            json!({
                "id": issued.password.id,
                "secret": issued.secret.expose(),
                "app": issued.password.app.as_str(),
                "app_name": config.catalogue.shown(&issued.password.app),
                "label": issued.password.label.as_str(),
                "scopes": scope_list(&issued.password.scopes),
                "login": account.login.as_str(),
                "use_by": date(issued.password.use_by),
            })
        }
        Command::AppPasswordList { login } => {
            let (account, mandate) = account(&login).await?;
            let overview = keeper.overview(&mandate).await?.ok_or_else(|| gone(&account))?;
            overview.passwords.iter().map(|(listed, state)| password_row(config, listed, *state, &account)).collect()
        }
        Command::AppPasswordShow { id } => {
            let (account, mandate, id) = password_owner(keeper, uid, &id).await?;
            let overview = keeper.overview(&mandate).await?.ok_or_else(|| gone(&account))?;
            let found = overview.passwords.iter().find(|(listed, _)| listed.password.id == id);
            let (listed, state) = found.ok_or_else(|| gone(&account))?;
            let mut row = password_row(config, listed, *state, &account);
            row["locked_to"] = listed.password.pins.iter().map(|pin| pin_row(keeper, &listed.password, pin)).collect();
            let strangers = keeper.strangers(&mandate, id).await?;
            row["refused_apps"] = strangers.iter().map(|stranger| stranger_row(keeper, stranger)).collect();
            row
        }
        Command::AppPasswordRevoke { id } => {
            let (account, mandate, id) = password_owner(keeper, uid, &id).await?;
            match keeper.revoke(&mandate, id).await? {
                Some(ended) => {
                    json!({ "id": id, "login": account.login.as_str(), "revoked": true, "sessions_ended": ended })
                }
                None => return Err(No::Refused(format!("app password {id} was revoked before: nothing to do"))),
            }
        }
        Command::AppPasswordRevokeAll { login } => {
            let (account, mandate) = account(&login).await?;
            let revoked = keeper.revoke_all(&mandate).await?;
            json!({ "login": account.login.as_str(), "revoked": revoked })
        }
        Command::SessionList { login } => {
            let only = match login {
                Some(login) => Some(account(&login).await?.0.id),
                None => None,
            };
            session_rows(keeper, config, only).await?
        }
        Command::SessionEnd { login, id } => {
            let (account, mandate) = account(&login).await?;
            match (keeper.end_sessions(&mandate, &id.map_or(Which::All, Which::One)).await?, id) {
                (0, Some(id)) => {
                    return Err(No::Refused(format!("no session {id} of {login}: see `postern session list`")));
                }
                (ended, _) => json!({ "login": account.login.as_str(), "sessions_ended": ended }),
            }
        }
        Command::CutoffStatus => {
            let mode = match keeper.policy().cutoff {
                Cutoff::Enforced => "enforce",
                Cutoff::Observed => "observe",
            };
            let accounts = keeper.accounts().await?;
            let refused = accounts.iter().filter(|account| keeper.policy().cutoff.applies(account)).count();
            json!({ "mode": mode, "accounts": accounts.len(), "refused_at_doors": refused })
        }
        Command::AuditList { after, limit } => {
            let lines = keeper.audit(after, limit).await?;
            lines.iter().map(audit_row).collect()
        }
        Command::KeyRotate { compromised: true, .. } => {
            let voided = keeper.replace_compromised_key(uid).await?;
            json!({ "rotated": true, "revoked": voided.revoked, "accounts": voided.accounts })
        }
        Command::KeyRotate { retire_after, compromised: false } => {
            let rotated = keeper.rotate_key(uid, Duration::from_secs(retire_after)).await?;
            let until = date(rotated.old_key_until);
            json!({ "rotated": true, "old_key_until": until, "seeds_resealed": rotated.resealed })
        }
        Command::Backup => {
            keeper.record_backup(uid).await?;
            backup::make(keeper, config).await?
        }
        Command::Canary => {
            canary.run(keeper, config).await.map_err(|error| No::Unavailable(error.to_string()))?.to_json()
        }
        Command::AuditVerify => match keeper.verify_audit().await? {
            AuditVerdict::Whole { lines, head } => {
                json!({ "whole": true, "lines": lines, "head": data_encoding::HEXLOWER.encode(&head) })
            }
            AuditVerdict::Broken(broken) => return Err(No::Refused(broken.to_string())),
        },
    })
}

/// A scope of the site's own that no door asks for is a slip of the pen, `male`
/// for `mail`, and would open nothing.
fn has_a_door(config: &Config, scopes: &Scopes) -> Result<(), No> {
    let asked = |scope: &Scope| {
        config.gateway.iter().any(|gateway| match &gateway.service {
            Service::Http(http) => http.scopes().contains(&scope),
            Service::Mailbox(..) | Service::Submission { .. } => false,
        })
    };
    match scopes.iter().find(|scope| matches!(scope, Scope::Custom(_)) && !asked(scope)) {
        Some(scope) => Err(No::Refused(format!(
            "no gateway asks for the scope {scope}: use mail, mail:send, calendars, contacts, files, or put it into a gateway's data"
        ))),
        None => Ok(()),
    }
}

async fn set_standing(
    keeper: &Keeper,
    (account, mandate): (Account, FreshMandate),
    standing: Standing,
) -> Result<Value, No> {
    keeper.set_standing(&account, &mandate, standing).await?;
    Ok(json!({ "login": account.login.as_str(), "id": account.id, "standing": standing_name(standing) }))
}

async fn password_owner(keeper: &Keeper, uid: u32, id: &str) -> Result<(Account, FreshMandate, AppPasswordId), No> {
    let id: AppPasswordId = read(id)?;
    let none = || No::Refused(format!("there is no app password {id}: see `postern app-password list LOGIN`"));
    let account = keeper.account_of(id).await?.ok_or_else(none)?;
    let (account, mandate) = keeper.administer(uid, &account.login).await?;
    Ok((account, mandate, id))
}

fn gone(account: &Account) -> No {
    No::Refused(format!("{} is not there any more", account.login))
}

fn add_set_up(answer: &mut Value, config: &Config, set_up: &keeper::SetUpCode) {
    answer["setup_url"] = format!("{}/set-up", config.url).into();
    answer["setup_code"] = set_up.code.expose().into();
    answer["expires"] = date(set_up.expires).into();
}

fn standing_name(standing: Standing) -> &'static str {
    match standing {
        Standing::Active => "active",
        Standing::Suspended => "suspended",
    }
}

fn account_row(account: &Account) -> Value {
    json!({
        "login": account.login.as_str(),
        "id": account.id,
        "aliases": account.aliases.iter().map(Login::as_str).collect::<Vec<_>>(),
        "standing": standing_name(account.standing),
        "primary_password": account.primary.is_some(),
        "second_factor": account.second_factor.is_some(),
        "known_to_administrator": known_to_administrator(account),
        "created": date(account.created),
    })
}

/// Factors that their owner has not chosen anew yet.
fn known_to_administrator(account: &Account) -> Vec<&'static str> {
    let primary = account.primary.as_ref().map(|it| ("primary password", it.chosen_by));
    let second = account.second_factor.as_ref().map(|it| ("second factor", it.chosen_by));
    let known = [primary, second].into_iter().flatten().filter(|(_, by)| *by == ChosenBy::Administrator);
    known.map(|(factor, _)| factor).collect()
}

fn scope_list(scopes: &Scopes) -> Vec<String> {
    scopes.iter().map(ToString::to_string).collect()
}

fn password_row(config: &Config, listed: &Listed, state: State, account: &Account) -> Value {
    let password = &listed.password;
    let optional = |at: Option<Timestamp>| at.map(date);
    json!({
        "id": password.id,
        "login": account.login.as_str(),
        "label": password.label.as_str(),
        "app": password.app.as_str(),
        "app_name": config.catalogue.shown(&password.app),
        "scopes": scope_list(&password.scopes),
        "state": state.name(),
        "lock": password.lock.name(),
        "networks": password.networks.to_string(),
        "created": date(password.created),
        "use_by": date(password.use_by),
        "expires": optional(password.expires),
        "first_used": optional(password.first_used),
        "revoked": optional(password.revoked),
        "uses": listed.uses.iter().map(|used| json!({
            "door": &*used.door, "at": date(used.at), "from": used.from,
        })).collect::<Vec<_>>(),
    })
}

fn pin_row(keeper: &Keeper, password: &AppPassword, pin: &Pin) -> Value {
    json!({
        "app": keeper.app_of(password, pin),
        "protocol": pin.signature.protocol().name(),
        "since": date(pin.since),
        "from": pin.from,
        "by": match pin.by {
            PinnedBy::FirstUse => "first use",
            PinnedBy::Drift => "a new form of the app",
            PinnedBy::Owner => "the owner",
        },
        "client": pin.signature.to_string(),
    })
}

fn stranger_row(keeper: &Keeper, stranger: &Stranger) -> Value {
    json!({
        "app": keeper.name_of(&stranger.signature),
        "door": &*stranger.door,
        "from": stranger.from,
        "at": date(stranger.at),
        "client": stranger.signature.to_string(),
    })
}

/// The entry as it is sealed, and what people look for in it.
fn audit_row(line: &SealedEntry) -> Value {
    // An entry of a later version still prints, as the text it is.
    let entry: Value = serde_json::from_str(&line.text).unwrap_or_else(|_| line.text.clone().into());
    let time = serde_json::from_str::<Entry>(&line.text).map(|entry| date(entry.at)).unwrap_or_default();
    let heading = ["at", "actor", "account", "event"];
    // Times are kept as numbers; people read dates.
    let told = |(key, value): (&String, &Value)| match value.as_i64().filter(|_| key.ends_with("_until")) {
        Some(millis) => date(Timestamp::from_millis(millis)).into(),
        None => value.clone(),
    };
    let details: Vec<Value> =
        entry.as_object().into_iter().flatten().filter(|(key, _)| !heading.contains(&&***key)).map(told).collect();
    json!({
        "seq": line.seq,
        "time": time,
        "by": entry["actor"],
        "account": entry["account"],
        "event": entry["event"],
        "details": details,
        "entry": entry,
    })
}

async fn session_rows(keeper: &Keeper, config: &Config, only: Option<AccountId>) -> Result<Value, No> {
    let sessions = keeper.sessions(only);
    let passwords = keeper.passwords_of(&sessions).await?;
    Ok(sessions.iter().map(|session| session_row(config, session, &passwords)).collect())
}

fn session_row(config: &Config, session: &SessionInfo, passwords: &HashMap<AppPasswordId, AppPassword>) -> Value {
    let password = match session.credential {
        Credential::AppPassword(id) => passwords.get(&id),
        Credential::Primary => None,
    };
    json!({
        "id": session.id,
        "login": session.login.as_str(),
        "label": password.map(|password| password.label.as_str()),
        "app": password.map(|password| password.app.as_str()),
        "app_name": password.map(|password| config.catalogue.shown(&password.app)),
        "door": &*session.door,
        "from": session.from,
        "since": date(session.since),
        "app_password": match session.credential {
            Credential::AppPassword(id) => Some(id),
            Credential::Primary => None,
        },
    })
}
