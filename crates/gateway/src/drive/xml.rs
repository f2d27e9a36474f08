//! What XML is refused before a library reads it.

use http::{Method, StatusCode};

/// How large the XML of one request may be.
pub(super) struct Bounds {
    pub(super) octets: usize,
    /// The XML library goes down one call an element, so a body of nothing but
    /// opening tags would end the whole server.
    elements: usize,
}

/// For methods whose body is XML.
pub(super) fn bounds(method: &Method) -> Option<Bounds> {
    match method.as_str() {
        "PROPFIND" | "PROPPATCH" => Some(Bounds { octets: 65536, elements: 400 }),
        // Its owner is kept as long as the lock, and shown with all that it covers.
        "LOCK" => Some(Bounds { octets: 1024, elements: 16 }),
        _ => None,
    }
}

impl Bounds {
    /// Passes only what is as large as it looks. A declared entity may stand for
    /// any number of elements, and needs a `<!`; so do all declarations, and of
    /// what begins like that only comments and CDATA are left. In UTF-16, with
    /// its NULs, it would not look like one.
    pub(super) fn check(&self, body: &[u8]) -> Result<(), StatusCode> {
        let text = std::str::from_utf8(body).ok().filter(|text| !text.contains('\0')).ok_or(StatusCode::BAD_REQUEST)?;
        let mut elements = 0;
        for after in text.split('<').skip(1) {
            match after.as_bytes().first() {
                Some(b'!') if !after.starts_with("!--") && !after.starts_with("![CDATA[") => {
                    return Err(StatusCode::BAD_REQUEST);
                }
                Some(b'!' | b'/' | b'?') => {}
                _ => elements += 1,
            }
        }
        if elements > self.elements { Err(StatusCode::PAYLOAD_TOO_LARGE) } else { Ok(()) }
    }
}
