//! The one thread that writes, and the one that waits for the disk behind it.
//! What is asked for meanwhile is committed together, and what was committed
//! meanwhile is waited for together; it is acknowledged when it will last.

use std::{future::Future, io, sync::mpsc as channel, thread, time::Duration};

use keeper::Stored;
use tokio::sync::{mpsc, oneshot};

use crate::{
    chain::Chain,
    database::{Db, Undone, Writable},
    fail_point,
    failure::{Failure, Outcome},
    notices, restored,
    revocations::{self, Found, Opened, Record, RecordFile, Revocations},
    settling::{Batch, Settling},
};

/// So many intents share a commit at most: bounds how long the first one waits.
const GROUP: usize = 256;
/// So many may wait; whoever comes then waits for room.
const QUEUE: usize = 1024;
/// So many commits the disk may be behind.
const BEHIND: usize = 16;

/// What an intent works with.
pub(crate) struct Write<'w, D> {
    pub(crate) db: &'w D,
    pub(crate) chain: &'w mut Chain,
    /// What must not come back.
    pub(crate) final_records: &'w mut Vec<Record>,
}

impl<D: Db> Write<'_, D> {
    /// Adds a line of audit to the transaction, and with it the notice to the owner
    /// whom it concerns, if it is one that owners are told of.
    pub(crate) fn log(&mut self, entry: &authority::Entry) -> Outcome<()> {
        let seq = self.chain.append(self.db, entry)?;
        notices::tell(self.db, seq, entry)
    }

    /// Adds a line that follows from the one before it, of which the owner has been
    /// told: one act is one notice, however many passwords fall with it.
    pub(crate) fn log_consequence(&mut self, entry: &authority::Entry) -> Outcome<()> {
        self.chain.append(self.db, entry).map(drop)
    }

    /// Has a record made of what must not come back.
    pub(crate) fn record(&mut self, record: Record) {
        self.final_records.push(record);
    }
}

/// The way to the thread. Dropped, it lets the thread finish and waits for it.
pub(crate) struct Writer<D> {
    queue: Option<mpsc::Sender<Box<dyn Intent<D>>>>,
    thread: Option<thread::JoinHandle<()>>,
}

impl<D: Db + 'static> Writer<D> {
    /// Starts the threads. The database is first brought up to what the file of
    /// revocations was found to say.
    pub(crate) fn start(
        mut writable: impl Writable<Db = D>,
        chain: Chain,
        (revocations, mut file, found): Opened,
    ) -> io::Result<Self> {
        let told = |Failure(error): Failure| io::Error::other(error);
        let mut kept = Kept { chain, revocations };
        catch_up(&mut writable, &mut kept, &mut file, found).map_err(told)?;
        let mut settling = Settling::new(writable.lasting().map_err(told)?, file);
        let (queue, mut waiting) = mpsc::channel(QUEUE);
        let (done, committed) = channel::sync_channel::<Batch<D>>(BEHIND);
        let settler = thread::Builder::new().name("store settler".into()).spawn(move || {
            while let Ok(first) = committed.recv() {
                settling.settle(std::iter::once(first).chain(committed.try_iter()).collect());
            }
        })?;
        let thread = thread::Builder::new().name("store writer".into()).spawn(move || {
            let mut group: Vec<Box<dyn Intent<D>>> = Vec::with_capacity(GROUP);
            while waiting.blocking_recv_many(&mut group, GROUP) > 0 {
                let batches = commit(&mut writable, &mut kept, std::mem::take(&mut group));
                if batches.into_iter().try_for_each(|batch| done.send(batch)).is_err() {
                    // The other one panicked: those who wait are told.
                    break;
                }
            }
            // The database, and a lease on it, are let go when all is settled.
            drop(done);
            let _ = settler.join();
            drop(writable);
        })?;
        Ok(Self { queue: Some(queue), thread: Some(thread) })
    }

    /// Has `act` done in a transaction, and returns when that is on the disk. It
    /// is done even if nobody waits for it any more.
    pub(crate) async fn run<T, F>(&self, act: F) -> Stored<T>
    where
        T: Send + 'static,
        F: Fn(&mut Write<'_, D>) -> Outcome<T> + Send + 'static,
    {
        let stopped = || Failure::unavailable("the thread that writes has stopped: restart Postern").0;
        let (answer, answered) = oneshot::channel();
        let asked = Asked { act, outcome: None, answer };
        let queue = self.queue.as_ref().ok_or_else(stopped)?;
        queue.send(Box::new(asked)).await.map_err(|_| stopped())?;
        answered.await.map_err(|_| stopped())?
    }
}

impl<D: Db + 'static> Writer<D> {
    /// Has an empty transaction made at these intervals, until the writer is gone.
    pub(crate) fn beating(&self, every: Duration) -> impl Future<Output = ()> + Send + use<D> {
        let queue = self.queue.as_ref().map(mpsc::Sender::downgrade);
        async move {
            let Some(queue) = queue else { return };
            loop {
                tokio::time::sleep(every).await;
                let (answer, _) = oneshot::channel();
                let beat = Asked { act: |_: &mut Write<'_, D>| Ok(()), outcome: None, answer };
                // Not held while waiting: the writer ends with its last owner.
                let Some(queue) = queue.upgrade() else { return };
                // A full queue beats by itself.
                if let Err(mpsc::error::TrySendError::Closed(_)) = queue.try_send(Box::new(beat)) {
                    return;
                }
            }
        }
    }
}

impl<D> Drop for Writer<D> {
    fn drop(&mut self) {
        self.queue = None;
        if let Some(thread) = self.thread.take() {
            // If it panicked, its callers have been told.
            let _ = thread.join();
        }
    }
}

/// What is kept beside the rows, in step with them.
struct Kept {
    chain: Chain,
    revocations: Revocations,
}

/// Brings a restored database up to what was revoked after its backup was made.
fn catch_up<W: Writable>(writable: &mut W, kept: &mut Kept, file: &mut RecordFile, found: Found) -> Outcome<()> {
    let (answer, _) = oneshot::channel();
    let catching_up: Box<dyn Intent<W::Db>> = match found {
        Found::Agreed => return Ok(()),
        Found::Newer(records) => Box::new(Asked {
            act: move |write: &mut Write<'_, W::Db>| restored::catch_up(write, &records),
            outcome: None,
            answer,
        }),
        Found::Lost => {
            Box::new(Asked { act: |write: &mut Write<'_, W::Db>| restored::suspend_all(write), outcome: None, answer })
        }
    };
    file.owe(&transact(writable, kept, &mut [catching_up])?);
    file.settle()
}

/// Commits all together. If an intent fails, which the law never makes it do,
/// each is tried again alone, so that it takes no other with it.
fn commit<W: Writable>(
    writable: &mut W,
    kept: &mut Kept,
    mut intents: Vec<Box<dyn Intent<W::Db>>>,
) -> Vec<Batch<W::Db>> {
    let batch = |intents, outcome: Result<_, Undone>| match outcome {
        Ok(records) => Batch { intents, outcome: Ok(()), records },
        Err(undone) => Batch { intents, outcome: Err(undone.into()), records: vec![] },
    };
    match transact(writable, kept, &mut intents) {
        Err(Undone::Inside(_)) => {
            let each = intents.into_iter().map(|one| {
                let mut one = vec![one];
                let outcome = transact(writable, kept, &mut one);
                batch(one, outcome)
            });
            each.collect()
        }
        outcome => vec![batch(intents, outcome)],
    }
}

fn transact<W: Writable>(
    writable: &mut W,
    kept: &mut Kept,
    group: &mut [Box<dyn Intent<W::Db>>],
) -> Result<Vec<revocations::Bytes>, Undone> {
    let Kept { chain, revocations } = kept;
    let outcome = writable.transact(&mut |db| {
        let before = chain.begin(db)?;
        revocations.begin(db)?;
        let mut records = vec![];
        let mut write = Write { db, chain, final_records: &mut records };
        group.iter_mut().try_for_each(|intent| intent.act(&mut write))?;
        chain.keep_newest(db, before)?;
        revocations.set_down(db, &records)?;
        fail_point::pass("before the commit");
        Ok(())
    });
    match outcome {
        Ok(()) => {
            fail_point::pass("after the commit");
            chain.keep();
            Ok(revocations.keep())
        }
        Err(undone) => {
            chain.give_up();
            revocations.give_up();
            Err(undone)
        }
    }
}

/// Something to be done, whatever it returns.
pub(crate) trait Intent<D>: Send {
    fn act(&mut self, write: &mut Write<'_, D>) -> Outcome<()>;
    fn answer(self: Box<Self>, committed: Outcome<()>);
}

struct Asked<T, F> {
    act: F,
    outcome: Option<T>,
    answer: oneshot::Sender<Stored<T>>,
}

impl<D, T, F> Intent<D> for Asked<T, F>
where
    T: Send,
    F: Fn(&mut Write<'_, D>) -> Outcome<T> + Send,
{
    fn act(&mut self, write: &mut Write<'_, D>) -> Outcome<()> {
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
    use std::sync::Arc;

    use authority::{AuditKey, Event, audit::Verifier};
    use keeper::StoreError;
    use rusqlite::Connection;
    use testkit::{account, by_admin};

    use super::*;
    use crate::rows;

    fn key() -> AuditKey {
        AuditKey::new([1; 32])
    }

    fn writer() -> Writer<Connection> {
        writer_of(|db| db)
    }

    fn writer_of<W: Writable<Db = Connection>>(writable: impl FnOnce(Connection) -> W) -> Writer<Connection> {
        let db = crate::sqlite::in_memory();
        let chain = Chain::at_end_of(&db, key()).ok().unwrap();
        let folder = tempfile::tempdir().unwrap();
        let opened = Revocations::open(folder.path(), key(), &db, crate::IfLost::Refuse);
        Writer::start(writable(db), chain, opened.unwrap()).unwrap()
    }

    /// A disk that syncs when it is told to, well or badly.
    struct OnCommand {
        db: Connection,
        syncs: Option<channel::Receiver<Outcome<()>>>,
        begun: tokio::sync::mpsc::UnboundedSender<()>,
    }

    impl Writable for OnCommand {
        type Db = Connection;

        fn transact(&mut self, act: &mut dyn FnMut(&Connection) -> Outcome<()>) -> Result<(), Undone> {
            self.db.transact(act)
        }

        fn lasting(&mut self) -> Outcome<Box<dyn FnMut() -> Outcome<()> + Send>> {
            let (syncs, begun) = (self.syncs.take().unwrap(), self.begun.clone());
            Ok(Box::new(move || {
                begun.send(()).unwrap();
                syncs.recv().unwrap()
            }))
        }
    }

    #[tokio::test]
    async fn nothing_is_acknowledged_before_it_lasts() {
        let (sync, syncs) = channel::channel();
        let (begun, mut has_begun) = tokio::sync::mpsc::unbounded_channel();
        let writer = Arc::new(writer_of(|db| OnCommand { db, syncs: Some(syncs), begun }));
        let (done, mut was_done) = tokio::sync::mpsc::unbounded_channel();
        let ask = |name: u8| {
            let (writer, done) = (writer.clone(), done.clone());
            let act = move |_: &mut Write<'_, Connection>| {
                done.send(name).unwrap();
                Ok(())
            };
            tokio::spawn(async move { writer.run(act).await })
        };
        let first = ask(1);
        assert_eq!(was_done.recv().await, Some(1));
        has_begun.recv().await.unwrap();
        // The next is done while the disk is waited for.
        let second = ask(2);
        assert_eq!(was_done.recv().await, Some(2));
        assert!(!first.is_finished() && !second.is_finished(), "acknowledged, and not on the disk");
        sync.send(Ok(())).unwrap();
        first.await.unwrap().unwrap();
        // Of what a disk has lost nobody knows, and no later success brings it back.
        sync.send(Err(Failure::unavailable("lost"))).unwrap();
        let error = second.await.unwrap().unwrap_err();
        assert!(matches!(error, StoreError::Unsettled(_)), "{error}");
        let error = ask(3).await.unwrap().unwrap_err();
        assert!(matches!(&error, StoreError::Unsettled(why) if why.contains("restart Postern")), "{error}");
    }

    async fn record(writer: &Writer<Connection>, label: String) -> Stored<()> {
        let event = Event::AccountRemoved { login: label };
        let entry = by_admin(&account("alice@example.org"), 0, event);
        writer.run(move |write| write.log(&entry)).await
    }

    async fn limit_pages(writer: &Writer<Connection>, pages: i64) {
        let limit =
            move |write: &mut Write<'_, Connection>| Ok(write.db.pragma_update(None, "max_page_count", pages)?);
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
