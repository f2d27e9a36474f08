//! Connections to the server behind, kept for the next request.
//!
//! One comes back here only when its answer has been read to the end and it has
//! nothing else to say. Before the next request it is looked at once more: one that
//! has said anything meanwhile is dropped, since that would be taken for the answer.

use std::{
    collections::VecDeque,
    io,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::time::sleep;

use super::line::Line;
use crate::Upstream;

/// Idle connections are dropped before common servers do it: one that is closed
/// just as a request goes out costs that request. They are looked through so often...
const SWEEP: Duration = Duration::from_secs(1);
/// ... and this often at most: kept for less than so many seconds.
const SWEEPS: u8 = 3;
/// How many are kept.
const MOST: usize = 64;

/// The connections to one server.
#[derive(Clone)]
pub(super) struct Pool(Arc<Inner>);

struct Inner {
    upstream: Upstream,
    patience: Duration,
    idle: Mutex<Idle>,
}

#[derive(Default)]
struct Idle {
    /// The one that was used last is the last; with the sweeps that each has seen.
    lines: VecDeque<(u8, Line)>,
    /// Somebody sees to it that they go.
    is_swept: bool,
}

impl Pool {
    /// A server that takes nothing for as long as `patience` loses its connection.
    pub(super) fn new(upstream: Upstream, patience: Duration) -> Self {
        Self(Arc::new(Inner { upstream, patience, idle: Mutex::default() }))
    }

    pub(super) fn upstream(&self) -> &Upstream {
        &self.0.upstream
    }

    /// A connection that was used before, and is fit to be used again.
    pub(super) fn kept(&self) -> Option<Line> {
        std::iter::from_fn(|| self.0.take()).find_map(|mut line| line.is_at_rest().then_some(line))
    }

    /// A new one.
    pub(super) async fn opened(&self) -> io::Result<Line> {
        Ok(Line::new(self.0.upstream.connect().await?, self.0.patience))
    }

    /// Keeps one that is at rest.
    pub(super) fn keep(&self, line: Line) {
        let mut idle = self.0.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.lines.len() == MOST {
            idle.lines.pop_front();
        }
        idle.lines.push_back((0, line));
        if !idle.is_swept {
            idle.is_swept = true;
            tokio::spawn(sweep(Arc::downgrade(&self.0)));
        }
    }
}

impl Inner {
    fn take(&self) -> Option<Line> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        idle.lines.pop_back().map(|(_, line)| line)
    }
}

/// Lets those go that nobody has used for a while.
async fn sweep(pool: std::sync::Weak<Inner>) {
    loop {
        sleep(SWEEP).await;
        let Some(pool) = pool.upgrade() else { return };
        let mut idle = pool.idle.lock().unwrap_or_else(PoisonError::into_inner);
        idle.lines.retain_mut(|(sweeps, _)| {
            *sweeps += 1;
            *sweeps < SWEEPS
        });
        if idle.lines.is_empty() {
            idle.is_swept = false;
            return;
        }
    }
}
