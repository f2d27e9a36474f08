//! What is still to come of a body, by what its head says of its end
//! (RFC 9112, 6.3 and 7.1).

use bytes::{Buf, Bytes, BytesMut};

/// So many octets may stand around one chunk, and behind the last: extensions and
/// trailers, which nobody gets to see.
const ASIDE: u32 = 16 * 1024;

/// What is still to come of a body.
#[derive(Debug, PartialEq, Eq)]
pub enum Rest {
    /// All of it has come, or there is none.
    Nothing,
    /// So many octets.
    Octets(u64),
    /// Chunks, of which the last is empty.
    Chunks(Chunks),
    /// All that comes. Only answers may end so.
    UntilClosed,
    /// It does not go on as a body does.
    Broken,
}

/// Where in a chunked body.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Chunks {
    at: Chunk,
    /// So many octets that are no data were read in a row.
    aside: u32,
}

/// And how long the chunk is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Chunk {
    #[default]
    Begin,
    Size(u64),
    /// Spaces that some put behind the size.
    Space(u64),
    Extension(u64),
    SizeEnd(u64),
    Data(u64),
    DataReturn,
    DataEnd,
    /// In the trailers; true at the start of a line.
    Trailer(bool),
    TrailerEnd,
}

/// What came is no body.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a malformed body")]
pub struct Malformed;

impl Rest {
    /// A chunked body, of which nothing has come.
    pub const CHUNKED: Self = Self::Chunks(Chunks { at: Chunk::Begin, aside: 0 });

    /// A body of this length.
    #[must_use]
    pub fn octets(length: u64) -> Self {
        if length == 0 { Self::Nothing } else { Self::Octets(length) }
    }

    /// True if nothing more is to come.
    #[must_use]
    pub fn is_over(&self) -> bool {
        *self == Self::Nothing
    }

    /// How much of it there is, where that is known.
    #[must_use]
    pub fn length(&self) -> Option<u64> {
        match self {
            Self::Nothing => Some(0),
            Self::Octets(left) => Some(*left),
            Self::Chunks(_) | Self::UntilClosed | Self::Broken => None,
        }
    }

    /// Takes off what of it has been heard. `None` if more has to be heard, or all was.
    ///
    /// # Errors
    /// It does not go on as a body does. What came before that has been returned.
    pub fn take(&mut self, heard: &mut BytesMut) -> Result<Option<Bytes>, Malformed> {
        self.step_to_data(heard);
        let data = match self {
            Self::Broken => return Err(Malformed),
            Self::UntilClosed if !heard.is_empty() => heard.split(),
            Self::Octets(left) | Self::Chunks(Chunks { at: Chunk::Data(left), .. }) if !heard.is_empty() => {
                let count = usize::try_from(*left).unwrap_or(usize::MAX).min(heard.len());
                *left -= count as u64;
                heard.split_to(count)
            }
            _ => return Ok(None),
        };
        // Its end is known with its last octet.
        self.step_to_data(heard);
        Ok(Some(data.freeze()))
    }

    fn step_to_data(&mut self, heard: &mut BytesMut) {
        loop {
            match self {
                Self::Octets(0) => *self = Self::Nothing,
                Self::Chunks(Chunks { at: Chunk::Data(1..), .. }) => return,
                Self::Chunks(chunks) => {
                    if chunks.at == Chunk::Data(0) {
                        *chunks = Chunks { at: Chunk::DataReturn, aside: 0 };
                    }
                    let Some(&octet) = heard.first() else { return };
                    heard.advance(1);
                    let aside = chunks.aside + 1;
                    *self = match chunks.at.step(octet) {
                        _ if aside > ASIDE => Self::Broken,
                        Some(Some(at)) => Self::Chunks(Chunks { at, aside }),
                        Some(None) => Self::Nothing,
                        None => Self::Broken,
                    };
                }
                _ => return,
            }
        }
    }
}

impl Chunk {
    /// Where it goes on; `Some(None)` at its end, `None` if it cannot be.
    fn step(self, octet: u8) -> Option<Option<Self>> {
        let next = match (self, octet) {
            (Self::Begin, b'0'..=b'9' | b'a'..=b'f' | b'A'..=b'F') => Self::Size(digit(octet)),
            (Self::Size(size), b'0'..=b'9' | b'a'..=b'f' | b'A'..=b'F') => {
                Self::Size(size.checked_mul(16)?.checked_add(digit(octet))?)
            }
            (Self::Size(size) | Self::Space(size) | Self::Extension(size), b'\r') => Self::SizeEnd(size),
            (Self::Size(size) | Self::Space(size), b' ' | b'\t') => Self::Space(size),
            (Self::Size(size) | Self::Space(size), b';') => Self::Extension(size),
            (Self::Extension(size), octet) if octet != b'\n' => Self::Extension(size),
            (Self::SizeEnd(0), b'\n') => Self::Trailer(true),
            (Self::SizeEnd(size), b'\n') => Self::Data(size),
            (Self::DataReturn, b'\r') => Self::DataEnd,
            (Self::DataEnd, b'\n') => Self::Begin,
            (Self::Trailer(true), b'\r') => Self::TrailerEnd,
            (Self::Trailer(_), octet) => Self::Trailer(octet == b'\n'),
            (Self::TrailerEnd, b'\n') => return Some(None),
            _ => return None,
        };
        Some(Some(next))
    }
}

fn digit(octet: u8) -> u64 {
    u64::from(char::from(octet).to_digit(16).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What comes of it however it is cut: the data, and how it ends.
    fn taken(octets: &[u8], cut: usize, mut rest: Rest) -> (Vec<u8>, Rest, usize) {
        let (mut heard, mut data) = (BytesMut::new(), Vec::new());
        for part in octets.chunks(cut) {
            heard.extend_from_slice(part);
            while let Ok(Some(more)) = rest.take(&mut heard) {
                data.extend_from_slice(&more);
            }
        }
        (data, rest, heard.len())
    }

    #[test]
    fn a_body_ends_where_its_head_or_its_chunks_say() {
        let chunks = b"1A;x=y\r\nGET /hidden HTTP/1.1\r\n\r\n..\r\n1 ;z\r\n!\r\n0\r\nX: y\r\nZ: \r\n\r\nGET";
        for cut in 1..chunks.len() {
            let (data, rest, left) = taken(chunks, cut, Rest::CHUNKED);
            assert_eq!((data.as_slice(), rest, left), (&b"GET /hidden HTTP/1.1\r\n\r\n..!"[..], Rest::Nothing, 3));
            assert_eq!(taken(b"abcGET", cut, Rest::octets(3)), (b"abc".to_vec(), Rest::Nothing, 3));
            assert_eq!(taken(b"abc", cut, Rest::UntilClosed), (b"abc".to_vec(), Rest::UntilClosed, 0));
        }
        assert_eq!(taken(b"GET", 1, Rest::octets(0)), (vec![], Rest::Nothing, 3));
    }

    #[test]
    fn what_is_no_chunk_breaks_off() {
        for broken in [
            "1\nx\r\n0\r\n\r\n",
            "1\r\nxx\r\n0\r\n\r\n",
            "\r\nx\r\n0\r\n\r\n",
            "3 3\r\nabc\r\n0\r\n\r\n",
            "+1\r\nx\r\n0\r\n\r\n",
            "0x1\r\nx\r\n0\r\n\r\n",
            "1;\nx\r\n0\r\n\r\n",
            "1\r\nx0\r\n\r\n",
            "fffffffffffffffff\r\n",
            &format!("1;{}\r\nx\r\n0\r\n\r\n", "a".repeat(ASIDE as usize)),
            &format!("0\r\n{}\r\n", "X: y\r\n".repeat(ASIDE as usize / 6)),
        ] {
            for cut in [1, 7, broken.len()] {
                let (data, rest, _) = taken(broken.as_bytes(), cut, Rest::CHUNKED);
                assert_eq!(rest, Rest::Broken, "{broken:.40}");
                assert!(data.len() <= 1 && rest.length().is_none() && !rest.is_over());
            }
        }
    }
}
