//! The one thread that writes. What is asked for while the disk is busy is
//! committed together: one wait for the disk for all of them.

use std::{io, thread};

use keeper::Stored;
use rusqlite::{Connection, Transaction, TransactionBehavior};
use tokio::sync::{mpsc, oneshot};

use super::{
    chain::Chain,
    failure::{Failure, Outcome},
};

/// So many intents share a commit at most: bounds how long the first one waits.
const GROUP: usize = 256;
/// So many may wait; whoever comes then waits for room.
const QUEUE: usize = 1024;

/// What an intent works with.
pub(super) struct Write<'w> {
    pub(super) db: &'w Connection,
    pub(super) chain: &'w mut Chain,
}

impl Write<'_> {
    /// Adds a line of audit to the transaction.
    pub(super) fn log(&mut self, entry: &authority::Entry) -> Outcome<()> {
        self.chain.append(self.db, entry)
    }
}

/// The way to the thread. Dropped, it lets the thread finish and waits for it.
pub(super) struct Writer {
    queue: Option<mpsc::Sender<Box<dyn Intent>>>,
    thread: Option<thread::JoinHandle<()>>,
}

impl Writer {
    pub(super) fn start(db: Connection, mut chain: Chain) -> io::Result<Self> {
        let (queue, mut waiting) = mpsc::channel(QUEUE);
        let thread = thread::Builder::new().name("store writer".into()).spawn(move || {
            let mut group: Vec<Box<dyn Intent>> = Vec::with_capacity(GROUP);
            while waiting.blocking_recv_many(&mut group, GROUP) > 0 {
                let outcomes = commit(&db, &mut chain, &mut group);
                group.drain(..).zip(outcomes).for_each(|(intent, outcome)| intent.answer(outcome));
            }
        })?;
        Ok(Self { queue: Some(queue), thread: Some(thread) })
    }

    /// Has `act` done in a transaction, and returns when that is on the disk. It
    /// is done even if nobody waits for it any more.
    pub(super) async fn run<T, F>(&self, act: F) -> Stored<T>
    where
        T: Send + 'static,
        F: Fn(&mut Write<'_>) -> Outcome<T> + Send + 'static,
    {
        let stopped = || Failure::unavailable("the thread that writes has stopped: restart Postern").0;
        let (answer, answered) = oneshot::channel();
        let asked = Asked { act, outcome: None, answer };
        let queue = self.queue.as_ref().ok_or_else(stopped)?;
        queue.send(Box::new(asked)).await.map_err(|_| stopped())?;
        answered.await.map_err(|_| stopped())?
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.queue = None;
        if let Some(thread) = self.thread.take() {
            // If it panicked, its callers have been told.
            let _ = thread.join();
        }
    }
}

/// Why a transaction came to nothing.
enum Undone {
    /// One of the intents failed.
    Intent(Failure),
    /// It could not be begun or committed, whatever is in it.
    Transaction(Failure),
}

/// Commits all together. If an intent fails, which the law never makes it do,
/// each is tried again alone, so that it takes no other with it.
fn commit(db: &Connection, chain: &mut Chain, group: &mut [Box<dyn Intent>]) -> Vec<Outcome<()>> {
    let failure = |undone| match undone {
        Undone::Intent(failure) | Undone::Transaction(failure) => failure,
    };
    match transact(db, chain, group) {
        Err(Undone::Intent(_)) => group.chunks_mut(1).map(|one| transact(db, chain, one).map_err(failure)).collect(),
        outcome => vec![outcome.map_err(failure); group.len()],
    }
}

fn transact(db: &Connection, chain: &mut Chain, group: &mut [Box<dyn Intent>]) -> Result<(), Undone> {
    let before = chain.end();
    let mut attempt = || {
        let transaction = begin(db).map_err(Undone::Transaction)?;
        group.iter_mut().try_for_each(|intent| intent.act(&mut Write { db, chain })).map_err(Undone::Intent)?;
        let kept = chain.keep_newest(db, before);
        kept.and_then(|()| Ok(transaction.commit()?)).map_err(Undone::Transaction)
    };
    let outcome = attempt();
    if outcome.is_err() {
        chain.go_back_to(before);
    }
    outcome
}

fn begin(db: &Connection) -> Outcome<Transaction<'_>> {
    Ok(Transaction::new_unchecked(db, TransactionBehavior::Immediate)?)
}

/// Something to be done, whatever it returns.
trait Intent: Send {
    fn act(&mut self, write: &mut Write<'_>) -> Outcome<()>;
    fn answer(self: Box<Self>, committed: Outcome<()>);
}

struct Asked<T, F> {
    act: F,
    outcome: Option<T>,
    answer: oneshot::Sender<Stored<T>>,
}

impl<T, F> Intent for Asked<T, F>
where
    T: Send,
    F: Fn(&mut Write<'_>) -> Outcome<T> + Send,
{
    fn act(&mut self, write: &mut Write<'_>) -> Outcome<()> {
        self.outcome = Some((self.act)(write)?);
        Ok(())
    }

    fn answer(self: Box<Self>, committed: Outcome<()>) {
        let not_tried = || Failure::unavailable("it was not tried; this is a bug, please report it");
        let Self { outcome, answer, .. } = *self;
        let outcome = committed.and_then(|()| outcome.ok_or_else(not_tried));
        // Whoever asked may have gone away.
        let _ = answer.send(outcome.map_err(|Failure(error)| error));
    }
}

#[cfg(test)]
mod tests {
    use authority::{AuditKey, Event, audit::Verifier};
    use keeper::StoreError;
    use testkit::{account, by_admin};

    use super::*;
    use crate::sqlite::{migrations, rows};

    fn key() -> AuditKey {
        AuditKey::new([1; 32])
    }

    fn writer() -> Writer {
        let mut db = Connection::open_in_memory().unwrap();
        assert!(migrations::migrate(&mut db).is_ok());
        let chain = Chain::at_end_of(&db, key()).ok().unwrap();
        Writer::start(db, chain).unwrap()
    }

    async fn record(writer: &Writer, label: String) -> Stored<()> {
        let event = Event::AccountRemoved { login: label };
        let entry = by_admin(&account("alice@example.org"), 0, event);
        writer.run(move |write| write.log(&entry)).await
    }

    async fn limit_pages(writer: &Writer, pages: i64) {
        let limit = move |write: &mut Write<'_>| Ok(write.db.pragma_update(None, "max_page_count", pages)?);
        writer.run(limit).await.unwrap();
    }

    #[tokio::test]
    async fn a_full_disk_is_an_outage_and_the_chain_goes_on_behind_it() {
        let writer = writer();
        record(&writer, "first".into()).await.unwrap();
        limit_pages(&writer, 1).await;
        let error = loop {
            if let Err(error) = record(&writer, "x".repeat(2000)).await {
                break error;
            }
        };
        assert!(matches!(&error, StoreError::Unavailable(cause) if cause.contains("make room")), "{error}");
        limit_pages(&writer, 100_000).await;
        record(&writer, "last".into()).await.unwrap();

        let lines = writer.run(|write| rows::audit(write.db, 0, usize::MAX)).await.unwrap();
        let key = key();
        let mut verifier = Verifier::new(&key);
        lines.iter().for_each(|line| verifier.check(line).unwrap());
        assert!(lines.last().unwrap().text.contains("last"));
        assert!(lines.iter().all(|line| line.seq <= lines.len() as u64));
    }

    #[tokio::test]
    async fn what_was_asked_for_is_done_before_the_end() {
        let (done, mut was_done) = tokio::sync::mpsc::unbounded_channel();
        let writer = writer();
        for i in 0..100 {
            let done = done.clone();
            let mut asking = Box::pin(writer.run(move |_| {
                done.send(i).unwrap();
                Ok(())
            }));
            // Asked, and gone before the answer.
            let first = std::future::poll_fn(|context| std::task::Poll::Ready(asking.as_mut().poll(context)));
            let _ = first.await;
        }
        drop((writer, done));
        let mut all = vec![];
        while let Some(i) = was_done.recv().await {
            all.push(i);
        }
        assert_eq!(all, (0..100).collect::<Vec<_>>());
    }
}
