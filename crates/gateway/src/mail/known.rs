//! What a server behind can do, as it said not long ago: told to clients before
//! they sign in, by protocols whose clients go by what they are told then.

use std::time::Duration;

use tokio::{
    sync::Mutex,
    time::{Instant, timeout},
};

use super::handover::Failed;
use crate::Upstream;

/// It is asked anew after this.
const KNOWN_FOR: Duration = Duration::from_secs(60);
/// It says so within this, or is taken to be down ...
const ANSWER: Duration = Duration::from_secs(5);
/// ... and is not asked again within this, so that those who wait in line go on.
const DOWN_FOR: Duration = Duration::from_secs(1);

/// The last answer, and when it was asked for.
#[derive(Debug)]
pub(super) struct Known<T>(Mutex<State<T>>);

#[derive(Debug)]
struct State<T> {
    answer: Option<T>,
    ask_again: Option<Instant>,
}

impl<T> Default for Known<T> {
    fn default() -> Self {
        Self(Mutex::new(State { answer: None, ask_again: None }))
    }
}

impl<T: Clone> Known<T> {
    /// The answer. One asks, the others wait for it; what the server once said
    /// holds while it does not answer.
    pub(super) async fn or_ask(&self, upstream: &Upstream, ask: impl Future<Output = Result<T, Failed>>) -> Option<T> {
        let mut state = self.0.lock().await;
        if state.ask_again.is_some_and(|at| Instant::now() < at) {
            return state.answer.clone();
        }
        let holds = match timeout(ANSWER, ask).await.unwrap_or(Err(Failed::Late)) {
            Ok(answer) => {
                state.answer = Some(answer);
                KNOWN_FOR
            }
            Err(error) => {
                tracing::error!(%upstream, %error, "the server behind does not say what it can do");
                DOWN_FOR
            }
        };
        state.ask_again = Some(Instant::now() + holds);
        state.answer.clone()
    }
}
