//! What `/metrics` shows: numbers of this process, read when somebody asks.
//!
//! Every label is a name from the configuration or a word of ours: whoever comes,
//! there are no more series than doors, listeners and reasons, and nothing in
//! them says who came or from where. What each means is in `docs/monitoring.md`.

use std::{fmt, sync::Arc, time::Duration};

use authority::Reason;
use front::Listening;
use keeper::{DoorTally, JournalState, Keeper};
use notices::Counts;
use prometheus_client::{
    encoding::text::encode,
    metrics::{counter::Counter, family::Family, gauge::Gauge, info::Info},
    registry::{Registry, Unit},
};

use crate::canary::Report;

/// Asked for in the text format of OpenMetrics 1.0, which Prometheus reads.
pub(crate) const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

type Labels = Vec<(&'static str, String)>;
type Number = Gauge<f64, std::sync::atomic::AtomicU64>;

/// What was found out before it is told.
pub(crate) struct Reading {
    pub(crate) doors: Vec<Arc<str>>,
    pub(crate) tallies: Vec<DoorTally>,
    pub(crate) sessions: Vec<(Arc<str>, usize)>,
    pub(crate) listening: Vec<Listening>,
    pub(crate) journal: JournalState,
    /// How long the store took to read and to begin to write; `None`: it failed.
    pub(crate) store: Option<Duration>,
    pub(crate) certificate_until: i64,
    pub(crate) canary: Option<Report>,
    pub(crate) audit_copy: Option<bool>,
    pub(crate) mails: Counts,
    /// `None`: no mail is sent, or the store did not say.
    pub(crate) mails_waiting: Option<u64>,
}

impl Reading {
    pub(crate) fn of(keeper: &Keeper, doors: &[Arc<str>], listening: &[Listening]) -> Self {
        let counts = keeper.session_counts();
        let sessions = doors.iter().map(|door| (door.clone(), counts.get(door).copied().unwrap_or(0)));
        Self {
            doors: doors.to_vec(),
            tallies: keeper.tallies(),
            sessions: sessions.collect(),
            listening: listening.to_vec(),
            journal: keeper.journal_state(),
            store: None,
            certificate_until: 0,
            canary: None,
            audit_copy: None,
            mails: Counts::default(),
            mails_waiting: None,
        }
    }

    /// The text.
    pub(crate) fn text(&self) -> Result<String, fmt::Error> {
        let mut registry = Registry::with_prefix("postern");
        registry.register("build", "This version.", Info::new(vec![("version", env!("CARGO_PKG_VERSION"))]));
        self.sign_ins(&mut registry);
        self.connections(&mut registry);
        self.store(&mut registry);
        moment(
            &mut registry,
            "certificate_expiry_timestamp",
            "When the first of the certificates ends.",
            self.certificate_until,
        );
        self.canary(&mut registry);
        if let Some(is_up) = self.audit_copy {
            let up = if is_up { 1.0 } else { 0.0 };
            number(&mut registry, "audit_copy_up", "1 if the audit could be copied the last time.", up);
        }
        self.mails(&mut registry);
        let mut text = String::new();
        encode(&mut text, &registry)?;
        Ok(text)
    }

    fn sign_ins(&self, registry: &mut Registry) {
        let (sign_ins, handovers) = (Family::<Labels, Counter>::default(), Family::<Labels, Counter>::default());
        let lessons = Family::<Labels, Counter>::default();
        for door in &self.doors {
            let tally = self.tallies.iter().find(|tally| tally.door == *door).cloned();
            let tally = tally.unwrap_or_else(|| DoorTally::nobody(door.clone()));
            let count = |outcome: &str, reason: &str, count: u64| {
                let labels =
                    vec![("door", door.to_string()), ("outcome", outcome.to_owned()), ("reason", reason.to_owned())];
                sign_ins.get_or_create(&labels).inc_by(count);
            };
            count("admitted", "", tally.admitted);
            count("unavailable", "", tally.unavailable);
            for (reason, refused) in tally.refused {
                let outcome = if reason == Reason::TooManySessions { "put-off" } else { "refused" };
                count(outcome, reason.name(), refused);
            }
            handovers.get_or_create(&vec![("door", door.to_string())]).inc_by(tally.not_handed_over);
            for (lesson, count) in tally.app_lock {
                let labels = vec![("door", door.to_string()), ("outcome", lesson.name().to_owned())];
                lessons.get_or_create(&labels).inc_by(count);
            }
        }
        registry.register("app_lock", "Clients that the app lock has let in and learnt of, or only watched.", lessons);
        registry.register("sign_ins", "Sign-ins at doors, by what came of them.", sign_ins);
        registry.register("handover_failures", "Sessions or requests that the server behind did not take.", handovers);

        let live = Family::<Labels, Gauge>::default();
        for (door, count) in &self.sessions {
            live.get_or_create(&vec![("door", door.to_string())]).set(i64::try_from(*count).unwrap_or(i64::MAX));
        }
        registry.register("live_sessions", "Sessions that are signed in now.", live);
    }

    fn connections(&self, registry: &mut Registry) {
        let (open, came) = (Family::<Labels, Gauge>::default(), Family::<Labels, Counter>::default());
        for listening in &self.listening {
            let at = vec![("listener", listening.name.clone()), ("address", listening.address.to_string())];
            let counts = listening.counts();
            open.get_or_create(&at).set(i64::try_from(counts.open).unwrap_or(i64::MAX));
            for (outcome, count) in [
                ("accepted", counts.accepted),
                ("turned-away-full", counts.full),
                ("turned-away-address", counts.crowded),
                ("failed-handshake", counts.failed),
                ("evicted", counts.evicted),
            ] {
                let labels = [&at[..], &[("outcome", outcome.to_owned())]].concat();
                came.get_or_create(&labels).inc_by(count);
            }
        }
        registry.register("open_connections", "Connections that are open now.", open);
        registry.register("connections", "Connections that came, by what became of them at first.", came);
    }

    /// Nothing before it has been out for the first time.
    fn canary(&self, registry: &mut Registry) {
        let Some(report) = &self.canary else { return };
        let places = Family::<Labels, Gauge>::default();
        for (answer, count) in
            [("refused", report.refused), ("let-in", report.let_in.len()), ("no-answer", report.silent.len())]
        {
            let labels = vec![("answer", answer.to_owned())];
            places.get_or_create(&labels).set(i64::try_from(count).unwrap_or(i64::MAX));
        }
        registry.register(
            "canary_places",
            "Places where the canary was tried, by answer; let-in is a back door.",
            places,
        );
        moment(registry, "canary_last_run_timestamp", "When it was tried last.", report.at);
    }

    fn mails(&self, registry: &mut Registry) {
        let Counts { sent, failed, given_up } = self.mails;
        total(registry, "notices_sent", "Notices that the mail server has taken.", sent);
        total(registry, "notices_failed", "Times that it did not take one; it is tried again.", failed);
        total(registry, "notices_given_up", "Notices that are not tried any more.", given_up);
        if let Some(waiting) = self.mails_waiting {
            number(registry, "notices_waiting", "Notices that wait to be sent.", waiting as f64);
        }
    }

    fn store(&self, registry: &mut Registry) {
        let JournalState { waiting, took, failures, lost } = self.journal;
        let up = if self.store.is_some() { 1.0 } else { 0.0 };
        number(registry, "store_up", "1 if the store could be read and written when this was asked.", up);
        if let Some(took) = self.store {
            seconds(registry, "store_probe", "How long that took.", took);
        }
        number(registry, "journal_lines", "Uses and refusals that wait to be written.", waiting as f64);
        seconds(registry, "journal_write", "How long the last writing of them took.", took);
        total(registry, "journal_failures", "Times they could not be written, and were kept.", failures);
        total(registry, "journal_lost_lines", "Lines lost because too many waited.", lost);
    }
}

fn total(registry: &mut Registry, name: &str, help: &str, count: u64) {
    let counter: Counter = Counter::default();
    counter.inc_by(count);
    registry.register(name, help, counter);
}

fn number(registry: &mut Registry, name: &str, help: &str, value: f64) {
    let gauge = Number::default();
    gauge.set(value);
    registry.register(name, help, gauge);
}

/// In Unix seconds.
fn moment(registry: &mut Registry, name: &str, help: &str, at: i64) {
    let gauge: Gauge = Gauge::default();
    gauge.set(at);
    registry.register_with_unit(name, help, Unit::Seconds, gauge);
}

fn seconds(registry: &mut Registry, name: &str, help: &str, value: Duration) {
    let gauge = Number::default();
    gauge.set(value.as_secs_f64());
    registry.register_with_unit(name, help, Unit::Seconds, gauge);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reading() -> Reading {
        Reading {
            doors: vec!["imap".into()],
            tallies: vec![],
            sessions: vec![("imap".into(), 0)],
            listening: vec![],
            journal: JournalState::default(),
            store: Some(Duration::from_millis(2)),
            certificate_until: 1_800_000_000,
            mails: Counts { sent: 3, failed: 1, given_up: 0 },
            mails_waiting: Some(2),
            canary: Some(Report { at: 1_800_000_000, refused: 9, ..Report::default() }),
            audit_copy: Some(true),
        }
    }

    async fn listening() -> Vec<Listening> {
        struct Nobody;
        #[async_trait::async_trait]
        impl front::Service for Nobody {
            async fn serve(&self, _: front::Connection) {}
        }
        let endpoint = front::Endpoint {
            name: "imap".into(),
            address: "127.0.0.1:0".parse().unwrap(),
            security: front::Security::None,
            proxy_from: vec![],
            limits: front::Limits::default(),
        };
        let (_stop, shutdown) = front::Shutdown::pair();
        front::Server::bind(vec![(endpoint, Arc::new(Nobody))]).unwrap().serve(shutdown).listening()
    }

    /// An alert on a series that is not there never fires.
    #[tokio::test]
    async fn what_the_documentation_names_is_there() {
        let reading = Reading { listening: listening().await, ..reading() };
        let text = reading.text().unwrap();
        let documented = include_str!("../../../docs/monitoring.md");
        let is_name = |c: char| c.is_ascii_lowercase() || c == '_';
        let names: std::collections::BTreeSet<_> = documented
            .match_indices("postern_")
            .map(|(at, _)| documented[at..].split(|c| !is_name(c)).next())
            .collect();
        assert!(names.len() > 12, "{names:?}");
        for name in names.into_iter().flatten() {
            let has = |line: &str| line.strip_prefix(name).is_some_and(|rest| rest.starts_with(['{', ' ']));
            assert!(text.lines().any(has), "no {name} in\n{text}");
        }
        for outcome in ["unavailable", "put-off", "turned-away-full", "evicted", "let-in"] {
            assert!(documented.contains(outcome) && text.contains(&format!("\"{outcome}\"")), "{outcome}");
        }
    }

    #[test]
    fn every_series_is_there_before_anything_has_happened() {
        let reading = reading();
        let text = reading.text().unwrap();
        for line in [
            "postern_build_info{version=\"0.1.0\"} 1",
            "postern_sign_ins_total{door=\"imap\",outcome=\"admitted\",reason=\"\"} 0",
            "postern_sign_ins_total{door=\"imap\",outcome=\"refused\",reason=\"revoked\"} 0",
            "postern_sign_ins_total{door=\"imap\",outcome=\"put-off\",reason=\"too-many-sessions\"} 0",
            "postern_handover_failures_total{door=\"imap\"} 0",
            "postern_live_sessions{door=\"imap\"} 0",
            "postern_store_up 1.0",
            "postern_store_probe_seconds 0.002",
            "postern_journal_lines 0.0",
            "postern_canary_places{answer=\"refused\"} 9",
            "postern_notices_sent_total 3",
            "postern_notices_failed_total 1",
            "postern_notices_given_up_total 0",
            "postern_notices_waiting 2.0",
            "postern_canary_places{answer=\"let-in\"} 0",
            "postern_canary_last_run_timestamp_seconds 1800000000",
            "postern_certificate_expiry_timestamp_seconds 1800000000",
        ] {
            assert!(text.lines().any(|it| it == line), "no {line} in\n{text}");
        }
        assert!(text.ends_with("# EOF\n"));
    }
}
