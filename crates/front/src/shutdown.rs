//! The wish that everything ends, told once and heard by everyone.

use tokio::sync::watch;

/// Held by every connection; cheap to clone.
#[derive(Clone, Debug)]
pub struct Shutdown(watch::Receiver<bool>);

/// Held by whoever may ask for the end.
#[derive(Debug)]
pub struct ShutdownHandle(watch::Sender<bool>);

impl Shutdown {
    /// The one who asks and the one who is asked.
    #[must_use]
    pub fn pair() -> (ShutdownHandle, Self) {
        let (sender, receiver) = watch::channel(false);
        (ShutdownHandle(sender), Self(receiver))
    }

    /// Returns once the end has been asked for, also when nobody is left to ask.
    pub async fn requested(&self) {
        // An error means that the handle is gone, which ends things too:
        // otherwise a lost handle would leave a server that cannot be stopped.
        let _ = self.0.clone().wait_for(|requested| *requested).await;
    }

    /// True from the moment the end has been asked for.
    #[must_use]
    pub fn is_requested(&self) -> bool {
        *self.0.borrow() || self.0.has_changed().is_err()
    }
}

impl ShutdownHandle {
    /// Asks for the end; asking twice is asking once.
    pub fn request(&self) {
        self.0.send_replace(true);
    }
}
