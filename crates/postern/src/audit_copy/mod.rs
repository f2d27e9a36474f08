//! The audit, copied elsewhere as it is committed: who can write to the database may
//! cut its end off, but not what a log host has by then.
//!
//! Each line goes at least once, in order, with its seal. Where the copy stands is kept
//! in the data folder; a database in which that line is not there any more, or another
//! one, has lost its end, and is told of and copied anew.
//!
//! **To add a place to copy to:** a variant of `CopyTo`.

mod place;

use std::{
    io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use authority::{
    SealedEntry,
    audit::{GENESIS, Seal},
};
use front::Shutdown;
use keeper::{Keeper, StoreError};
use serde_json::json;
use tokio::sync::watch;

use crate::{config::Config, key_files::write_whole};
pub(crate) use place::CopyTo;

/// How often it is looked whether there is more.
const EVERY: Duration = Duration::from_secs(1);
/// Lines that are read at once.
const PAGE: usize = 1000;

/// What does the copying, and how it went the last time.
#[derive(Default)]
pub(crate) struct AuditCopy {
    is_up: Mutex<Option<bool>>,
}

/// Why something was not copied.
#[derive(Debug, thiserror::Error)]
enum NotCopied {
    /// Others tell of that.
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("{to}: {source}")]
    Place { to: String, source: io::Error },
    #[error("{}: {source}", path.display())]
    Position { path: PathBuf, source: io::Error },
}

/// The last line that was copied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Position {
    seq: u64,
    seal: Seal,
}

impl AuditCopy {
    /// True if all there was could be copied the last time; nothing while there is
    /// nowhere to copy to.
    pub(crate) fn is_up(&self) -> Option<bool> {
        *self.is_up.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Copies what is new again and again, until shutdown.
    pub(crate) async fn follow(
        self: Arc<Self>,
        keeper: Arc<Keeper>,
        current: watch::Receiver<Arc<Config>>,
        shutdown: Shutdown,
    ) {
        loop {
            let config = current.borrow().clone();
            self.copy(&keeper, &config).await;
            tokio::select! {
                () = tokio::time::sleep(EVERY) => {}
                () = shutdown.requested() => return,
            }
        }
    }

    /// Copies what is new.
    pub(crate) async fn copy(&self, keeper: &Keeper, config: &Config) {
        let Some(audit) = &config.audit else {
            *self.is_up.lock().unwrap_or_else(PoisonError::into_inner) = None;
            return;
        };
        let is_up = match copy_to(&audit.copy_to, keeper, &config.data).await {
            Ok(()) => true,
            // Whether the store is up is told where that is asked.
            Err(NotCopied::Store(error)) => return tracing::debug!(%error, "the audit could not be read to be copied"),
            Err(error) => {
                if self.is_up() != Some(false) {
                    tracing::error!(%error, "the audit is not copied any more; it is tried again each second");
                }
                false
            }
        };
        if is_up && self.is_up() == Some(false) {
            tracing::info!("the audit is copied again");
        }
        *self.is_up.lock().unwrap_or_else(PoisonError::into_inner) = Some(is_up);
    }
}

async fn copy_to(to: &CopyTo, keeper: &Keeper, data: &Path) -> Result<(), NotCopied> {
    let path = data.join("audit-copied");
    loop {
        let mut position = Position::read(&path);
        // With the line that was the last: it must still be there.
        let page = keeper.audit(position.seq.saturating_sub(1), PAGE).await?;
        let (new, mut lines) = match page.split_first() {
            _ if position.seq == 0 => (&page[..], Vec::new()),
            Some((last, new)) if Position::of(last) == position => (new, Vec::new()),
            _ => {
                tracing::error!(
                    lines = position.seq,
                    "the audit has lost its end: lines that were copied are not in it, or others are in their place. An older database was put back, or somebody has cut it; it is copied anew, and the copy tells what was there"
                );
                let lost = json!({ "event": "audit-lost-its-end", "lines": position.seq, "seal": hex(&position.seal) });
                position = Position { seq: 0, seal: GENESIS };
                (&[][..], vec![lost.to_string()])
            }
        };
        if new.is_empty() && lines.is_empty() {
            return Ok(());
        }
        lines.extend(new.iter().map(text));
        let (sent, outcome) = to.send(lines).await;
        if let Some(last) = sent.checked_sub(1).and_then(|last| new.get(last)) {
            position = Position::of(last);
        }
        if sent > 0 {
            let bytes = format!("{} {}\n", position.seq, hex(&position.seal));
            write_whole(&path, bytes.as_bytes())
                .map_err(|source| NotCopied::Position { path: path.clone(), source })?;
        }
        outcome.map_err(|source| NotCopied::Place { to: to.to_string(), source })?;
    }
}

/// A line of the copy: the entry as it was sealed, to the letter.
fn text(line: &SealedEntry) -> String {
    format!("{{\"seq\":{},\"seal\":\"{}\",\"entry\":{}}}", line.seq, hex(&line.seal), line.text)
}

fn hex(seal: &Seal) -> String {
    data_encoding::HEXLOWER.encode(seal)
}

impl Position {
    fn of(line: &SealedEntry) -> Self {
        Self { seq: line.seq, seal: line.seal }
    }

    /// Without the file, nothing was copied.
    fn read(path: &Path) -> Self {
        let text = std::fs::read_to_string(path).unwrap_or_default();
        let read = || {
            let (seq, seal) = text.trim().split_once(' ')?;
            let seal = data_encoding::HEXLOWER.decode(seal.as_bytes()).ok()?;
            Some(Self { seq: seq.parse().ok()?, seal: seal.try_into().ok()? })
        };
        read().unwrap_or(Self { seq: 0, seal: GENESIS })
    }
}
