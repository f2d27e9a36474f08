//! What WebDAV says in XML, as far as it decides who may see or do something:
//! what a REPORT refers to, which kind of collection is made, and which
//! resources an answer speaks of.
//!
//! Bodies are only read, never written anew. What a parser behind us might read
//! differently is refused: other encodings than UTF-8, document types, entities
//! of one's own, namespaces that are spelled with references.

use std::ops::Range;

use quick_xml::{
    NsReader,
    escape::resolve_predefined_entity,
    events::{BytesStart, Event},
    name::{Namespace, ResolveResult},
};
use thiserror::Error;

/// Elements within each other.
const DEEPEST: usize = 64;
/// Elements in one body.
const MOST: usize = 200_000;

/// XML that is not looked through, and so not passed on either.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum BadXml {
    /// Not well-formed, or not one element.
    #[error("it is not well-formed")]
    Syntax,
    /// Not UTF-8, or it says so.
    #[error("it is not in UTF-8")]
    Encoding,
    /// A document type, an entity of one's own, a namespace with references in it.
    #[error("it declares a document type or entities")]
    Declaration,
    /// Too deep, or too many elements.
    #[error("it is too deep or too large")]
    TooLarge,
}

/// What a collection says that it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Kinds {
    /// Any collection, or a principal (RFC 3744), from which apps find theirs.
    pub collection: bool,
    /// A calendar, or a scheduling inbox or outbox (RFC 4791, RFC 6638).
    pub calendar: bool,
    /// An address book (RFC 6352).
    pub addressbook: bool,
}

/// A `response` of a multistatus answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Response {
    /// Where it stands in the text, tags included.
    pub range: Range<usize>,
    /// Which resources it is about.
    pub hrefs: Vec<String>,
    /// Their `resourcetype`, if it is told.
    pub kinds: Option<Kinds>,
}

/// What a body refers to: the text of each `href`.
///
/// # Errors
/// See [`BadXml`].
pub fn hrefs(body: &[u8]) -> Result<Vec<String>, BadXml> {
    let mut hrefs = Vec::new();
    let mut inside = None;
    walk(body, |seen| match seen {
        Seen::Open { name, depth, .. } => {
            if name.is("href") && inside.is_none() {
                inside = Some(depth);
                hrefs.push(String::new());
            }
        }
        Seen::Text(text) => {
            if let (Some(_), Some(href)) = (inside, hrefs.last_mut()) {
                href.push_str(text);
            }
        }
        Seen::Close { depth, .. } => inside = inside.filter(|inside| *inside != depth),
    })?;
    Ok(hrefs.into_iter().map(|href| href.trim().to_owned()).collect())
}

/// Which kind a body asks for: of the collection that is made, or to be changed
/// into. `None` if it does not speak of that.
///
/// # Errors
/// See [`BadXml`].
pub fn kinds_asked_for(body: &[u8]) -> Result<Option<Kinds>, BadXml> {
    let mut kinds: Option<Kinds> = None;
    let mut within = None;
    walk(body, |seen| match seen {
        Seen::Open { name, depth, .. } => match &mut kinds {
            Some(kinds) if within.is_some() => kinds.add(&name),
            _ if name.is("resourcetype") => {
                within = Some(depth);
                kinds.get_or_insert_default();
            }
            _ => {}
        },
        Seen::Close { depth, .. } => within = within.filter(|within| *within != depth),
        Seen::Text(_) => {}
    })?;
    Ok(kinds)
}

/// The responses of a multistatus answer (RFC 4918, 13), also those within others.
///
/// # Errors
/// See [`BadXml`].
pub fn responses(body: &[u8]) -> Result<Vec<Response>, BadXml> {
    let mut responses: Vec<Response> = Vec::new();
    // The responses that are open, with their depths.
    let mut open: Vec<(usize, usize)> = Vec::new();
    let mut href = None;
    let mut types = None;
    walk(body, |seen| match seen {
        Seen::Open { name, depth, at } => {
            if name.is_dav("response") {
                open.push((responses.len(), depth));
                responses.push(Response { range: at..at, hrefs: Vec::new(), kinds: None });
                return;
            }
            let Some((current, response_depth)) = open.last().copied() else { return };
            let response = &mut responses[current];
            if types.is_some() {
                response.kinds.get_or_insert_default().add(&name);
            } else if name.is_dav("resourcetype") {
                types = Some(depth);
                response.kinds.get_or_insert_default();
            } else if name.is_dav("href") && depth == response_depth + 1 {
                href = Some(depth);
                response.hrefs.push(String::new());
            }
        }
        Seen::Text(text) => {
            let current = open.last().and_then(|(current, _)| responses[*current].hrefs.last_mut());
            if let (Some(_), Some(href)) = (href, current) {
                href.push_str(text);
            }
        }
        Seen::Close { depth, end } => {
            href = href.filter(|href| *href != depth);
            types = types.filter(|types| *types != depth);
            if let Some((current, _)) = open.pop_if(|(_, opened)| *opened == depth) {
                responses[current].range.end = end;
            }
        }
    })?;
    for href in responses.iter_mut().flat_map(|response| &mut response.hrefs) {
        *href = href.trim().to_owned();
    }
    Ok(responses)
}

impl Kinds {
    fn add(&mut self, name: &Name<'_>) {
        const CALDAV: &str = "urn:ietf:params:xml:ns:caldav";
        match (name.namespace, name.local) {
            (Some("DAV:"), "collection" | "principal") => self.collection = true,
            (Some(CALDAV), "calendar" | "schedule-inbox" | "schedule-outbox") => self.calendar = true,
            (Some("urn:ietf:params:xml:ns:carddav"), "addressbook") => self.addressbook = true,
            _ => {}
        }
    }

    /// True if it holds calendars or contacts.
    #[must_use]
    pub fn is_typed(self) -> bool {
        self.calendar || self.addressbook
    }
}

/// The name of an element.
struct Name<'a> {
    namespace: Option<&'a str>,
    local: &'a str,
}

impl Name<'_> {
    fn is_dav(&self, local: &str) -> bool {
        self.namespace == Some("DAV:") && self.is(local)
    }

    /// In whatever namespace: some servers do not look at it.
    fn is(&self, local: &str) -> bool {
        self.local == local
    }
}

enum Seen<'a> {
    /// The tag begins at this octet; the first element has depth 1.
    Open {
        name: Name<'a>,
        depth: usize,
        at: usize,
    },
    Text(&'a str),
    /// The tag ends before this octet.
    Close {
        depth: usize,
        end: usize,
    },
}

/// Goes through a body once, from its first octet to its last.
fn walk(body: &[u8], mut see: impl FnMut(Seen<'_>)) -> Result<(), BadXml> {
    let text = std::str::from_utf8(body).map_err(|_| BadXml::Encoding)?;
    if text.starts_with('\u{feff}') || text.contains('\0') {
        return Err(BadXml::Encoding);
    }
    let mut reader = NsReader::from_str(text);
    reader.config_mut().expand_empty_elements = true;
    let (mut depth, mut elements) = (0, 0);
    loop {
        let at = position(&reader);
        let (namespace, event) = reader.read_resolved_event().map_err(|_| BadXml::Syntax)?;
        let namespace = match namespace {
            ResolveResult::Bound(Namespace(namespace)) => Some(namespace.to_owned()),
            ResolveResult::Unbound => None,
            ResolveResult::Unknown(_) => return Err(BadXml::Syntax),
        };
        match event {
            Event::Start(start) => {
                // One element only, and nothing beside it.
                if depth == 0 && elements > 0 {
                    return Err(BadXml::Syntax);
                }
                (depth, elements) = (depth + 1, elements + 1);
                if depth > DEEPEST || elements > MOST {
                    return Err(BadXml::TooLarge);
                }
                check_namespaces(&start)?;
                let name = start.local_name();
                let name = Name { namespace: namespace.as_deref(), local: name.as_ref() };
                see(Seen::Open { name, depth, at });
            }
            Event::End(_) => {
                see(Seen::Close { depth, end: position(&reader) });
                depth -= 1;
            }
            Event::Text(text) => {
                let text = text.xml10_content();
                if depth > 0 {
                    see(Seen::Text(&text));
                } else if !text.trim().is_empty() {
                    return Err(BadXml::Syntax);
                }
            }
            Event::CData(text) if depth > 0 => see(Seen::Text(&text.xml10_content())),
            Event::GeneralRef(reference) if depth > 0 => {
                if let Some(c) = reference.resolve_char_ref().map_err(|_| BadXml::Syntax)? {
                    see(Seen::Text(c.encode_utf8(&mut [0; 4])));
                } else {
                    see(Seen::Text(resolve_predefined_entity(&reference).ok_or(BadXml::Declaration)?));
                }
            }
            Event::Decl(declared) => match declared.encoding() {
                None => {}
                Some(Ok(name)) if name.eq_ignore_ascii_case("utf-8") || name.eq_ignore_ascii_case("us-ascii") => {}
                Some(_) => return Err(BadXml::Encoding),
            },
            Event::DocType(_) => return Err(BadXml::Declaration),
            Event::CData(_) | Event::GeneralRef(_) | Event::Empty(_) => return Err(BadXml::Syntax),
            Event::Comment(_) | Event::PI(_) => {}
            Event::Eof if depth == 0 && elements > 0 => return Ok(()),
            Event::Eof => return Err(BadXml::Syntax),
        }
    }
}

/// `xmlns:d="&#68;AV:"` is `DAV:` to whoever resolves it, and not to us.
fn check_namespaces(start: &BytesStart<'_>) -> Result<(), BadXml> {
    for attribute in start.attributes() {
        let attribute = attribute.map_err(|_| BadXml::Syntax)?;
        if attribute.key.as_ref().starts_with("xmlns") && attribute.value.contains('&') {
            return Err(BadXml::Declaration);
        }
    }
    Ok(())
}

fn position(reader: &NsReader<&[u8]>) -> usize {
    usize::try_from(reader.buffer_position()).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const CALENDAR: Kinds = Kinds { collection: true, calendar: true, addressbook: false };

    #[test]
    fn references_are_found_however_they_are_written() {
        for (body, found) in [
            ("<a xmlns='DAV:'><href>/a</href></a>", &["/a"][..]),
            ("<D:a xmlns:D=\"DAV:\"><D:prop/><D:href> /a&amp;b </D:href><D:href>/c</D:href></D:a>", &["/a&b", "/c"]),
            ("<?xml version=\"1.0\" encoding='UTF-8'?>\n<a><href><![CDATA[/x]]>y</href></a>\n", &["/xy"]),
            ("<a><href>/&#97;&#x62;</href></a>", &["/ab"]),
            ("<a><href>/a<!-- no -->b</href></a>", &["/ab"]),
            ("<a><href/></a>", &[""]),
            ("<href>/<b>x</b></href>", &["/x"]),
            ("<a/>", &[]),
        ] {
            assert_eq!(
                hrefs(body.as_bytes()).as_deref(),
                Ok(&*found.iter().map(|&s| s.to_owned()).collect::<Vec<_>>()),
                "{body}"
            );
        }
    }

    #[test]
    fn what_others_might_read_differently_is_refused() {
        let deep = "<a>".repeat(65);
        for (body, error) in [
            ("", BadXml::Syntax),
            ("text", BadXml::Syntax),
            ("<a>", BadXml::Syntax),
            ("<a></b>", BadXml::Syntax),
            ("<a/><b/>", BadXml::Syntax),
            ("<a/>text", BadXml::Syntax),
            ("<x:a/>", BadXml::Syntax),
            ("<!DOCTYPE a [<!ENTITY h '/x'>]><a><href>&h;</href></a>", BadXml::Declaration),
            ("<a><href>&h;</href></a>", BadXml::Declaration),
            ("<a xmlns:d='&#68;AV:'><d:href>/x</d:href></a>", BadXml::Declaration),
            ("<?xml version='1.0' encoding='utf-7'?><a/>", BadXml::Encoding),
            ("<?xml version='1.0' encoding='utf-16'?><a/>", BadXml::Encoding),
            ("\u{feff}<a/>", BadXml::Encoding),
            ("<a>\0</a>", BadXml::Encoding),
            (&deep, BadXml::TooLarge),
        ] {
            assert_eq!(hrefs(body.as_bytes()), Err(error), "{body:.60}");
        }
        assert_eq!(hrefs(b"<a>\xff</a>"), Err(BadXml::Encoding));
        assert_eq!(hrefs(b"<\0a\0/\0>\0"), Err(BadXml::Encoding));
    }

    #[test]
    fn the_kind_that_is_asked_for_is_found() {
        let mkcol = "<d:mkcol xmlns:d='DAV:' xmlns:c='urn:ietf:params:xml:ns:caldav'><d:set><d:prop>\
                     <d:resourcetype><d:collection/><c:calendar/></d:resourcetype></d:prop></d:set></d:mkcol>";
        assert_eq!(kinds_asked_for(mkcol.as_bytes()), Ok(Some(CALENDAR)));
        let both =
            mkcol.replace("<c:calendar/>", "<c:calendar/><x:addressbook xmlns:x='urn:ietf:params:xml:ns:carddav'/>");
        assert!(kinds_asked_for(both.as_bytes()).unwrap().unwrap().addressbook);
        assert_eq!(kinds_asked_for(b"<a xmlns='DAV:'><displayname>x</displayname></a>"), Ok(None));
        assert_eq!(kinds_asked_for(b"<a xmlns='DAV:'><resourcetype/></a>"), Ok(Some(Kinds::default())));
    }

    #[test]
    fn each_response_is_found_where_it_stands() {
        let one = "<response><href>/alice/</href><propstat><prop><resourcetype><collection/></resourcetype><owner>\
                   <href>/other/</href></owner></prop></propstat></response>";
        let two = "<d:response xmlns:d='DAV:'><d:href> /alice/c/ </d:href><d:propstat><d:prop><d:resourcetype>\
                   <d:collection /><c:calendar xmlns:c='urn:ietf:params:xml:ns:caldav'/></d:resourcetype></d:prop>\
                   </d:propstat></d:response>";
        let three = "<response><href>/a</href><href>/b</href><status>HTTP/1.1 404 Not Found</status></response>";
        let body = format!("<?xml version=\"1.0\"?>\n<multistatus xmlns=\"DAV:\">\n{one}\n{two}{three}</multistatus>");
        let found = responses(body.as_bytes()).unwrap();
        let texts: Vec<_> = found.iter().map(|response| &body[response.range.clone()]).collect();
        assert_eq!(texts, [one, two, three]);
        assert_eq!(found[0].hrefs, ["/alice/"]);
        assert_eq!(found[0].kinds, Some(Kinds { collection: true, ..Kinds::default() }));
        assert_eq!((found[1].hrefs.as_slice(), found[1].kinds), (&["/alice/c/".to_owned()][..], Some(CALENDAR)));
        assert_eq!((found[2].hrefs.len(), found[2].kinds), (2, None));
        // As expand-property answers.
        let nested =
            format!("<multistatus xmlns='DAV:'><response><href>/p</href><prop>{three}</prop></response></multistatus>");
        let found = responses(nested.as_bytes()).unwrap();
        assert_eq!((found[0].hrefs.len(), found[1].hrefs.len()), (1, 2));
        assert!(found[0].range.contains(&found[1].range.start));
    }
}
