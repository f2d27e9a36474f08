//! A deadline that is put off with each request and hardly ever comes: what waits in
//! tokio's wheel is moved only once it has gone off, not each time.

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::time::{Instant, Sleep, sleep_until};

/// Goes off some time after it was set last; never if it was not.
#[derive(Default)]
pub(super) struct Alarm {
    due: Option<Instant>,
    sleep: Option<Pin<Box<Sleep>>>,
}

impl Alarm {
    /// From now on it is due after this.
    pub(super) fn set(&mut self, time: Duration) {
        self.due = Some(Instant::now() + time);
    }

    /// Ready when it is due.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Some(due) = self.due else { return Poll::Pending };
        let sleep = self.sleep.get_or_insert_with(|| Box::pin(sleep_until(due)));
        if due < sleep.deadline() {
            sleep.as_mut().reset(due);
        }
        loop {
            ready!(sleep.as_mut().poll(cx));
            if sleep.deadline() >= due {
                return Poll::Ready(());
            }
            sleep.as_mut().reset(due);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn it_goes_off_when_it_was_set_last() {
        let begun = Instant::now();
        let mut alarm = Alarm::default();
        alarm.set(Duration::from_secs(2));
        assert!(poll_fn(|cx| Poll::Ready(alarm.poll(cx))).await.is_pending());
        tokio::time::advance(Duration::from_secs(1)).await;
        alarm.set(Duration::from_secs(5));
        poll_fn(|cx| alarm.poll(cx)).await;
        assert_eq!(begun.elapsed().as_secs(), 6);
        alarm.set(Duration::from_secs(9));
        assert!(poll_fn(|cx| Poll::Ready(alarm.poll(cx))).await.is_pending());
        alarm.set(Duration::from_secs(1));
        poll_fn(|cx| alarm.poll(cx)).await;
        assert_eq!(begun.elapsed().as_secs(), 7);
    }
}
