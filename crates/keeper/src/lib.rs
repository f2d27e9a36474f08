//! Applies the law: fetches what the authority asks for, decides, commits.

mod clock;
mod keys;
mod store;

pub use clock::{Clock, SystemClock};
pub use keys::{CannotUnseal, Keys, ServerKey};
pub use store::{
    Added, Digest, Factors, Issued, Listed, NewAccount, Refused, SetUpOffer, Spent, Store, StoreError, Stored,
};
