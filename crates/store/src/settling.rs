//! Between a commit and its acknowledgement: what was done has to last, and what
//! must not come back has to be in the file.

use crate::{
    fail_point,
    failure::{Failure, Outcome},
    revocations::{self, RecordFile},
    writer::Intent,
};

/// What was committed together, or came to nothing together.
pub(crate) struct Batch<D> {
    pub(crate) intents: Vec<Box<dyn Intent<D>>>,
    pub(crate) outcome: Outcome<()>,
    /// To be added to the file of revocations.
    pub(crate) records: Vec<revocations::Bytes>,
}

/// What has to be done before something is acknowledged.
pub(crate) struct Settling {
    /// Waits until all that was committed will survive a crash.
    lasts: Box<dyn FnMut() -> Outcome<()> + Send>,
    /// It failed once. Of a disk that lost something, a later success says nothing.
    is_lost: bool,
    file: RecordFile,
}

impl Settling {
    pub(crate) fn new(lasts: Box<dyn FnMut() -> Outcome<()> + Send>, file: RecordFile) -> Self {
        Self { lasts, is_lost: false, file }
    }

    pub(crate) fn settle<D>(&mut self, batches: Vec<Batch<D>>) {
        let mut settled = Ok(());
        if batches.iter().any(|batch| batch.outcome.is_ok()) {
            batches.iter().for_each(|batch| self.file.owe(&batch.records));
            settled = self.last().and_then(|()| self.file.settle());
            fail_point::pass("before the answer");
        }
        for Batch { intents, outcome, .. } in batches {
            let outcome = outcome.and_then(|()| settled.clone());
            intents.into_iter().for_each(|intent| intent.answer(outcome.clone()));
        }
    }

    fn last(&mut self) -> Outcome<()> {
        if self.is_lost {
            let told = "the disk failed to keep what was written: check the system's log, then restart Postern";
            return Err(Failure::unsettled(Failure::unavailable(told)));
        }
        (self.lasts)().map_err(|failure| {
            self.is_lost = true;
            Failure::unsettled(failure)
        })
    }
}
