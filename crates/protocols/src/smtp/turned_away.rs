//! The rest of a message whose sender was turned away.
//!
//! Clients look for an answer at the end of a message, not in it. So what is left of
//! it is read, and thrown away; then comes the answer, and the connection ends.

use super::message::Message;
use super::reply::reply;

/// A client that has been turned away within a message.
#[derive(Debug)]
pub struct TurnedAway {
    left: Left,
    answer: Vec<u8>,
}

#[derive(Debug)]
pub(super) enum Left {
    /// Until its end.
    Message(Message),
    /// Octets of BDAT.
    Chunk(u64),
    Nothing,
}

impl TurnedAway {
    pub(super) fn new(left: Left, text: &str) -> Self {
        // RFC 5321, 4.2.2: a refusal by policy, of this message.
        Self { left, answer: reply(550, &format!("5.7.1 {text}")) }
    }

    /// Throws octets away. The answer, once the message is over.
    #[must_use]
    pub fn feed(&mut self, octets: &[u8]) -> Option<&[u8]> {
        let is_over = match &mut self.left {
            Left::Nothing => true,
            Left::Message(message) => message.pass(octets, &mut Vec::new()).1,
            Left::Chunk(left) => {
                *left = left.saturating_sub(octets.len() as u64);
                *left == 0
            }
        };
        if is_over {
            self.left = Left::Nothing;
        }
        is_over.then_some(&self.answer)
    }
}
