//! Whether anything lets in whom it should refuse: hourly, and when `doctor`
//! asks, the canary's secrets are tried at every door, at every server behind,
//! and wherever the domain's own records send an app. One yes is an alarm.
//!
//! **To add a protocol:** a variant of `place::Speaks`, and a function in
//! `attempt.rs`.

mod attempt;
mod http;
mod place;
mod published;
mod wire;

use std::{
    collections::BTreeMap,
    io,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use authority::{Event, Secret};
use futures_util::{StreamExt, stream};
use keeper::{CanaryError, CanarySecrets, Keeper};
use serde_json::{Value, json};
use tokio::sync::watch;

use crate::config::Config;
pub(crate) use place::Also;
use place::Place;

/// The first time, when doors and servers have had the time to come up.
const FIRST: Duration = Duration::from_secs(60);
/// Tried at once. Each waits most of its time for a refusal.
const AT_ONCE: usize = 8;
/// More than that many published names are not a site's.
const PLACES: usize = 100;

/// The canary of this process.
#[derive(Default)]
pub(crate) struct Canary {
    /// Made when they are first needed. Held while it is out: one at a time.
    secrets: tokio::sync::Mutex<Option<CanarySecrets>>,
    last: Mutex<Option<Report>>,
}

/// What became of it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Report {
    /// When it came back, in Unix seconds.
    pub(crate) at: i64,
    /// Places that refused whatever they were asked.
    pub(crate) refused: usize,
    /// Places that said neither yes nor no, with the reason.
    pub(crate) silent: Vec<(String, String)>,
    /// Places that let it in, and with what; also before, if they were silent now.
    pub(crate) let_in: BTreeMap<String, &'static str>,
}

impl Report {
    pub(crate) fn to_json(&self) -> Value {
        let let_in = self.let_in.iter().map(|(place, with)| json!({ "place": place, "with": with }));
        let silent = self.silent.iter().map(|(place, why)| json!({ "place": place, "why": why }));
        json!({
            "refused": self.refused,
            "let_in": let_in.collect::<Vec<_>>(),
            "no_answer": silent.collect::<Vec<_>>(),
        })
    }
}

/// What one place said to all that was tried.
enum Said {
    No,
    Yes(&'static str),
    Nothing(io::Error),
}

impl Canary {
    /// What became of it the last time.
    pub(crate) fn last(&self) -> Option<Report> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Sends it out again and again.
    pub(crate) async fn watch(self: Arc<Self>, keeper: Arc<Keeper>, current: watch::Receiver<Arc<Config>>) {
        let every = current.borrow().canary.every.0;
        tokio::time::sleep(FIRST.min(every)).await;
        loop {
            let config = current.borrow().clone();
            if let Err(error) = self.run(&keeper, &config).await {
                tracing::error!(%error, "the canary could not be sent out: it is not known whether there is a back door");
            }
            tokio::time::sleep(config.canary.every.0).await;
        }
    }

    /// Sends it out, and tells what came of it.
    pub(crate) async fn run(&self, keeper: &Keeper, config: &Config) -> Result<Report, CanaryError> {
        let mut held = self.secrets.lock().await;
        let secrets = match held.take() {
            // Dead, say since a server key was compromised, it would be refused everywhere.
            Some(secrets) if keeper.is_alive(&secrets).await.is_ok() => secrets,
            _ => keeper.release_canary().await?,
        };
        let secrets: &CanarySecrets = held.insert(secrets);
        let places = places(config).await;
        let mut said = stream::iter(places)
            .map(|place| async move {
                let said = ask(&place, secrets).await;
                (place.to_string(), said)
            })
            .buffer_unordered(AT_ONCE);
        let before = self.last().unwrap_or_default().let_in;
        let mut report = Report { at: keeper.now().as_secs(), ..Report::default() };
        let mut gone = Vec::new();
        while let Some((place, said)) = said.next().await {
            match said {
                Said::No => {
                    report.refused += 1;
                    gone.extend(before.contains_key(&place).then_some(place));
                }
                Said::Yes(with) => _ = report.let_in.insert(place, with),
                Said::Nothing(why) => {
                    if let Some(with) = before.get(&place) {
                        report.let_in.insert(place.clone(), with);
                    }
                    report.silent.push((place, why.to_string()));
                }
            }
        }
        report.silent.sort();
        tell(keeper, &before, &report, gone).await?;
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Some(report.clone());
        Ok(report)
    }
}

/// One line however much was tried; each back door has its own, in the log every
/// time, in the audit when it is found and when it is gone.
async fn tell(
    keeper: &Keeper,
    before: &BTreeMap<String, &'static str>,
    report: &Report,
    gone: Vec<String>,
) -> Result<(), CanaryError> {
    for (place, with) in &report.let_in {
        tracing::error!(%place, %with, "BACK DOOR: this place let the canary in; whoever reaches it needs no app password");
        if !before.contains_key(place) {
            let event = Event::BackDoorFound { place: place.clone(), with: (*with).to_owned() };
            keeper.record_canary(event).await?;
        }
    }
    for place in gone {
        tracing::info!(%place, "this back door is closed");
        keeper.record_canary(Event::BackDoorGone { place }).await?;
    }
    let (refused, silent, let_in) = (report.refused, report.silent.len(), report.let_in.len());
    tracing::info!(refused, no_answer = silent, let_in, "the canary is back");
    Ok(())
}

async fn places(config: &Config) -> Vec<Place> {
    let mut places = place::configured(config);
    let (domain, resolver) = (config.domain.as_str(), config.canary.resolver);
    if config.canary.published && (resolver.is_some() || !published::is_reserved(domain)) {
        match published::places(domain, resolver).await {
            Ok(found) => places.extend(found),
            Err(error) => tracing::warn!(%error, "the canary cannot look up what the domain publishes"),
        }
    }
    let mut each: Vec<Place> = Vec::new();
    for place in places {
        if each.len() < PLACES && !each.iter().any(|other| other.is_same(&place)) {
            each.push(place);
        }
    }
    each
}

async fn ask(place: &Place, secrets: &CanarySecrets) -> Said {
    let login = secrets.login.as_str();
    let tries: [(&Secret, &'static str); 3] = [
        (&secrets.primary, "its primary password"),
        (&secrets.revoked, "a revoked app password"),
        (&secrets.wrong_scope, "an app password for something else"),
    ];
    let mut outcome = Said::No;
    for (secret, with) in tries {
        match attempt::attempt(place, login, secret).await {
            Ok(true) => return Said::Yes(with),
            Ok(false) => {}
            Err(why) => outcome = Said::Nothing(why),
        }
    }
    outcome
}
