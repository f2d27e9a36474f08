//! A password that is held to the app which used it first: the bare rule.

use fingerprint::{Compared, Protocol, Signature, Tie, Why, compare, tie};

#[derive(Clone, Default)]
pub(crate) struct Password {
    pins: Vec<Signature>,
}

impl Password {
    /// Uses the password: the first use of a protocol pins, later ones are compared,
    /// and what has drifted joins the set.
    pub(crate) fn signs_in(&mut self, seen: &Signature) -> Compared {
        let judged = if self.has(seen.protocol()) { self.judge(seen) } else { Compared::Same };
        if !matches!(judged, Compared::Other(_)) && !self.pins.contains(seen) {
            self.pins.push(seen.clone());
        }
        judged
    }

    /// What would come of it.
    pub(crate) fn judge(&self, seen: &Signature) -> Compared {
        let pins = self.pins.iter().filter(|pin| pin.protocol() == seen.protocol());
        let mut said = Compared::Other(Why::Protocol);
        for pin in pins {
            match compare(pin, seen) {
                Compared::Same => return Compared::Same,
                drifted @ Compared::Drifted(_) => said = drifted,
                // The pin that comes nearest says why not.
                Compared::Other(why) if matches!(said, Compared::Other(so_far) if so_far != Why::Opening) => {
                    said = Compared::Other(why);
                }
                Compared::Other(_) => {}
            }
        }
        said
    }

    /// Something ties this client to what the password was used by at other doors.
    pub(crate) fn is_tied(&self, seen: &Signature) -> bool {
        self.pins
            .iter()
            .any(|pin| pin.protocol() != seen.protocol() && matches!(tie(pin, seen), Some(Tie::Product | Tie::Family)))
    }

    pub(crate) fn has(&self, protocol: Protocol) -> bool {
        self.pins.iter().any(|pin| pin.protocol() == protocol)
    }

    pub(crate) fn pins(&self) -> &[Signature] {
        &self.pins
    }
}
