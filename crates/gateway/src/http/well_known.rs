//! `/.well-known/caldav` and `/.well-known/carddav` (RFC 6764, 5), for any
//! method: DAVx5 and macOS ask by PROPFIND, others by GET.
//!
//! The redirect comes at once and to everybody: it says no more than the set-up
//! page. A 401 here would do for clients that send their password along, and
//! confuse those that look for the address before they ask for one.

use http::{HeaderValue, Response, StatusCode, header};

use super::body::{self, Body};

/// Where clients find calendars and contacts.
#[derive(Clone, Debug, Default)]
pub(super) struct WellKnown {
    pub(super) caldav: Option<HeaderValue>,
    pub(super) carddav: Option<HeaderValue>,
}

impl WellKnown {
    /// The answer for a path that is such an address. `None` if it is not, or if
    /// the server behind sees to it.
    pub(super) fn answer(&self, path: &str) -> Option<Response<Body>> {
        let name = path.strip_prefix("/.well-known/")?;
        let target = match name.strip_suffix('/').unwrap_or(name) {
            "caldav" => self.caldav.as_ref()?,
            "carddav" => self.carddav.as_ref()?,
            _ => return None,
        };
        let mut answer = Response::new(body::empty());
        // What Nextcloud's clients have met for years; 308 is unknown to old ones.
        *answer.status_mut() = StatusCode::MOVED_PERMANENTLY;
        let headers = answer.headers_mut();
        headers.insert(header::LOCATION, target.clone());
        // Permanent to clients, but the site may be set up anew.
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
        Some(answer)
    }
}
