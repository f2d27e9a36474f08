//! What is seen of a client before it is known.

/// What a decoder has seen of its client, until the first sign-in on the connection.
///
/// What comes later is another form of the same client: one that was refused works
/// through the other mechanisms, and through what it was told on the way.
///
/// What was said before STARTTLS stays: OfflineIMAP names itself there and not again.
/// Somebody on the path can change it, and can as well cut the connection; it opens
/// nothing, since who holds a password says what he likes in any case.
#[derive(Debug, Default)]
pub(crate) struct Seen<D> {
    dialogue: D,
    frozen: bool,
}

impl<D: Clone + Default> Seen<D> {
    pub(crate) fn see(&mut self, note: impl FnOnce(&mut D)) {
        if !self.frozen {
            note(&mut self.dialogue);
        }
    }

    /// The client has signed in.
    pub(crate) fn freeze(&mut self) {
        self.frozen = true;
    }

    pub(crate) fn dialogue(&self) -> D {
        self.dialogue.clone()
    }
}
