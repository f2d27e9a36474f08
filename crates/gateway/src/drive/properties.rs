//! Properties that clients set (RFC 4918, 4: "dead" ones). They are kept in an
//! extended attribute of the file or folder, so they move and go with it.

use std::os::fd::BorrowedFd;

use dav_server::fs::{DavProp, FsError};
use rustix::{
    fs::{XattrFlags, fgetxattr, fremovexattr, fsetxattr},
    io::Errno,
};

use super::steps::refusal;

const ATTRIBUTE: &str = "user.postern.properties";
/// All properties of one file or folder together, in octets. ext4 takes no more
/// than a block; the price of an entry covers it.
const MAX: usize = 3800;

pub(super) fn read(file: BorrowedFd<'_>) -> Result<Vec<DavProp>, FsError> {
    let mut octets = vec![0; MAX];
    match fgetxattr(file, ATTRIBUTE, &mut octets[..]) {
        Ok(length) => {
            octets.truncate(length);
            Ok(decode(&octets).unwrap_or_default())
        }
        // A file system without attributes holds none. One that is too long is not ours.
        Err(Errno::NODATA | Errno::OPNOTSUPP | Errno::RANGE) => Ok(Vec::new()),
        Err(errno) => Err(refusal(errno)),
    }
}

/// Replaces them all. `InsufficientStorage` if they are too many, `Forbidden`
/// if the file system keeps none.
pub(super) fn write(file: BorrowedFd<'_>, properties: &[DavProp]) -> Result<(), FsError> {
    if properties.is_empty() {
        return match fremovexattr(file, ATTRIBUTE) {
            Ok(()) | Err(Errno::NODATA | Errno::OPNOTSUPP) => Ok(()),
            Err(errno) => Err(refusal(errno)),
        };
    }
    let octets = encode(properties);
    if octets.len() > MAX {
        return Err(FsError::InsufficientStorage);
    }
    match fsetxattr(file, ATTRIBUTE, &octets, XattrFlags::empty()) {
        Ok(()) => Ok(()),
        Err(Errno::OPNOTSUPP) => Err(FsError::Forbidden),
        Err(errno) => Err(refusal(errno)),
    }
}

/// The same property, whatever it says.
pub(super) fn same(a: &DavProp, b: &DavProp) -> bool {
    a.name == b.name && a.namespace == b.namespace
}

/// Four fields each, every one after its length in two octets.
fn encode(properties: &[DavProp]) -> Vec<u8> {
    let mut octets = Vec::new();
    for property in properties {
        let DavProp { name, prefix, namespace, xml } = property;
        let fields: [&[u8]; 4] = [
            name.as_bytes(),
            prefix.as_deref().unwrap_or_default().as_bytes(),
            namespace.as_deref().unwrap_or_default().as_bytes(),
            xml.as_deref().unwrap_or_default(),
        ];
        for field in fields {
            // A longer one makes the whole longer than what is stored.
            octets.extend(u16::try_from(field.len()).unwrap_or(u16::MAX).to_be_bytes());
            octets.extend(field);
        }
    }
    octets
}

fn decode(mut octets: &[u8]) -> Option<Vec<DavProp>> {
    let mut field = || -> Option<&[u8]> {
        let (length, rest) = octets.split_first_chunk()?;
        let (field, rest) = rest.split_at_checked(usize::from(u16::from_be_bytes(*length)))?;
        octets = rest;
        Some(field)
    };
    let text = |octets: &[u8]| String::from_utf8(octets.to_vec()).ok();
    let mut properties = Vec::new();
    while let Some(name) = field() {
        let (name, prefix, namespace, xml) = (text(name)?, text(field()?)?, text(field()?)?, field()?);
        let some = |text: String| Some(text).filter(|text| !text.is_empty());
        properties.push(DavProp {
            name,
            prefix: some(prefix),
            namespace: some(namespace),
            xml: (!xml.is_empty()).then(|| xml.to_vec()),
        });
    }
    Some(properties)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_back_what_it_writes() {
        let one = DavProp::new("colour".into(), "x".into(), "urn:example".into(), "grün".into());
        let bare = DavProp { name: "a".into(), prefix: None, namespace: None, xml: None };
        let octets = encode(&[one.clone(), bare]);
        let back = decode(&octets).unwrap();
        assert_eq!(back.len(), 2);
        assert!(same(&back[0], &one));
        assert_eq!((&back[0].xml, &back[0].prefix), (&one.xml, &one.prefix));
        assert_eq!((&back[1].namespace, &back[1].xml), (&None, &None));
        assert!(decode(&octets[..octets.len() - 1]).is_none(), "cut off");
    }
}
