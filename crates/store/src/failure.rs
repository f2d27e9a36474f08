//! What a database reports, in the two words of the port.

use std::fmt::Display;

use keeper::StoreError;

/// Inside this crate everything fails with this, so that `?` can be used on the
/// databases' errors as well.
#[derive(Debug, Clone)]
pub(crate) struct Failure(pub(crate) StoreError);

pub(crate) type Outcome<T> = Result<T, Failure>;

impl Failure {
    pub(crate) fn corrupt(place: impl Display, what: impl Display) -> Self {
        Self(StoreError::Corrupt { place: place.to_string().into(), what: what.to_string().into() })
    }

    /// It may have been done.
    pub(crate) fn unsettled(Self(cause): Self) -> Self {
        Self(StoreError::Unsettled(cause.to_string().into()))
    }

    pub(crate) fn unavailable(cause: impl Display) -> Self {
        Self(StoreError::Unavailable(cause.to_string().into()))
    }
}
