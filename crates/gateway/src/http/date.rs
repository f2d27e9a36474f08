//! The date of answers that have none (RFC 9110, 6.6.1), written once a second.

use std::{
    sync::{Mutex, PoisonError},
    time::{Duration, UNIX_EPOCH},
};

use authority::Timestamp;
use http::HeaderValue;

/// The last date that was written.
#[derive(Debug, Default)]
pub(super) struct Dated(Mutex<Option<(u64, HeaderValue)>>);

impl Dated {
    pub(super) fn at(&self, now: Timestamp) -> HeaderValue {
        let second = u64::try_from(now.as_millis() / 1000).unwrap_or_default();
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match &*last {
            Some((at, date)) if *at == second => date.clone(),
            _ => {
                let date = httpdate::fmt_http_date(UNIX_EPOCH + Duration::from_secs(second));
                let date = HeaderValue::try_from(date).unwrap_or(HeaderValue::from_static(""));
                *last = Some((second, date.clone()));
                date
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_written_as_http_does() {
        let dated = Dated::default();
        for (millis, date) in [(784_111_777_000, "Sun, 06 Nov 1994 08:49:37 GMT"), (0, "Thu, 01 Jan 1970 00:00:00 GMT")]
        {
            assert_eq!(dated.at(Timestamp::from_millis(millis)), date);
            assert_eq!(dated.at(Timestamp::from_millis(millis + 999)), date);
        }
    }
}
