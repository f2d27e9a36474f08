//! Connections that only read, each for one caller at a time.

use std::sync::{
    Arc, Mutex, PoisonError,
    atomic::{AtomicUsize, Ordering},
};

use tokio::sync::Semaphore;

use super::{
    server::Server,
    session::{Health, Session},
};
use crate::failure::{Failure, Outcome};

/// A handful of connections, made when they are needed.
#[derive(Clone)]
pub(super) struct Readers(Arc<Inner>);

struct Inner {
    server: Server,
    sessions: Vec<Mutex<Option<Session>>>,
    next: AtomicUsize,
    /// As many as there are connections: who waits for one holds no thread.
    free: Arc<Semaphore>,
}

impl Readers {
    pub(super) fn new(server: &Server, count: usize) -> Self {
        Self(Arc::new(Inner {
            server: server.clone(),
            sessions: (0..count).map(|_| Mutex::new(None)).collect(),
            next: AtomicUsize::new(0),
            free: Arc::new(Semaphore::new(count)),
        }))
    }

    pub(super) async fn read<T: Send + 'static>(
        &self,
        read: impl Fn(&Session) -> Outcome<T> + Send + 'static,
    ) -> Outcome<T> {
        let stopped = || Failure::unavailable("the server is stopping: try again when it is back");
        let permit = self.0.free.clone().acquire_owned().await.map_err(|_| stopped())?;
        let inner = self.0.clone();
        let reading = tokio::task::spawn_blocking(move || {
            let _permit = permit;
            inner.read(read)
        });
        reading.await.map_err(|_| stopped()).flatten()
    }
}

impl Inner {
    fn read<T>(&self, read: impl Fn(&Session) -> Outcome<T>) -> Outcome<T> {
        let mut slot = match self.sessions.iter().find_map(|one| one.try_lock().ok()) {
            Some(free) => free,
            None => {
                let next = self.next.fetch_add(1, Ordering::Relaxed) % self.sessions.len();
                self.sessions[next].lock().unwrap_or_else(PoisonError::into_inner)
            }
        };
        if let Some(session) = slot.as_ref() {
            let answer = read(session);
            if session.health() != Health::Broken {
                return answer;
            }
            // The server may have been started anew since it was asked last.
            *slot = None;
        }
        let session = Session::connect(&self.server)?;
        let answer = read(&session);
        *slot = (session.health() != Health::Broken).then_some(session);
        answer
    }
}
