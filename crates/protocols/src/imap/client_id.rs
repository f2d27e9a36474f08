//! ID (RFC 2971): who a client says it is.

use crate::strings::{Arguments, Unreadable};

/// How a client names itself (RFC 2971): its fields in the order it sent them.
///
/// The client chose every octet. At most 30 fields, names of at most 30 octets,
/// values of at most 1024; what was not UTF-8 has been replaced.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClientId {
    fields: Vec<(String, Option<String>)>,
}

impl ClientId {
    const MAX_FIELDS: usize = 30;
    const MAX_FIELD: usize = 30;
    const MAX_VALUE: usize = 1024;

    /// Reads the parameters of ID, within the bounds of RFC 2971, 3.3.
    pub(super) fn parse(arguments: &mut Arguments<'_>) -> Result<Self, Unreadable> {
        let mut id = Self::default();
        if arguments.nil() {
            return Ok(id);
        }
        arguments.literally(b"(")?;
        while arguments.literally(b")").is_err() {
            if !id.fields.is_empty() {
                arguments.space()?;
            }
            let field = arguments.string()?;
            arguments.space()?;
            let value = if arguments.nil() { None } else { Some(arguments.string()?) };
            let fits = field.len() <= Self::MAX_FIELD
                && value.as_ref().is_none_or(|value| value.len() <= Self::MAX_VALUE)
                && id.fields.len() < Self::MAX_FIELDS;
            if !fits {
                return Err(Unreadable);
            }
            let readable = |octets: &[u8]| String::from_utf8_lossy(octets).into_owned();
            id.fields.push((readable(&field), value.map(|value| readable(&value))));
        }
        Ok(id)
    }

    /// The fields with their values; `None` is the NIL of the protocol.
    pub fn fields(&self) -> impl Iterator<Item = (&str, Option<&str>)> {
        self.fields.iter().map(|(field, value)| (field.as_str(), value.as_deref()))
    }

    /// The value of the first field of this name, in any case.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.fields().find(|(field, _)| field.eq_ignore_ascii_case(name)).and_then(|(_, value)| value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn client_ids() {
        let id =
            ClientId::parse(&mut Arguments(b"(\"name\" \"Thunderbird\" \"version\" \"153.7.0\" \"os\" NIL)")).unwrap();
        assert_eq!(id.get("NAME"), Some("Thunderbird"));
        assert_eq!(id.get("os"), None);
        assert_eq!(id.fields().count(), 3);
        assert_eq!(ClientId::parse(&mut Arguments(b"nil")).unwrap(), ClientId::default());
        assert_eq!(ClientId::parse(&mut Arguments(b"()")).unwrap(), ClientId::default());
        assert_eq!(ClientId::parse(&mut Arguments(b"({4}\r\nname {3+}\r\nx y)")).unwrap().get("name"), Some("x y"));

        let many = |n: usize| format!("({})", vec!["\"a\" \"b\""; n].join(" "));
        assert!(ClientId::parse(&mut Arguments(many(30).as_bytes())).is_ok());
        for bad in [
            many(31),
            format!("(\"{}\" NIL)", "k".repeat(31)),
            format!("(\"k\" \"{}\")", "v".repeat(1025)),
            "(\"name\")".into(),
            "(\"name\" )".into(),
            "(\"name\" \"x\"".into(),
            "(name x)".into(),
            "name".into(),
            String::new(),
        ] {
            assert!(ClientId::parse(&mut Arguments(bad.as_bytes())).is_err(), "{bad}");
        }
    }
}
