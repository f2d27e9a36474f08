//! In which form a client writes its arguments.

use fingerprint::imap::Argument;
use zeroize::Zeroizing;

use crate::strings::{Arguments, Unreadable, is_astring};

/// A string, and how it was written.
pub(super) fn astring(arguments: &mut Arguments<'_>) -> Result<(Zeroizing<Vec<u8>>, Argument), Unreadable> {
    let first = arguments.0.first().copied();
    let text = arguments.astring()?;
    let form = match first {
        Some(b'"') => quoted(&text),
        Some(b'{') => Argument::Literal,
        _ => Argument::Atom,
    };
    Ok((text, form))
}

/// The forms of the first few arguments, as far as they are there.
pub(super) fn first(mut arguments: Arguments<'_>) -> Vec<Argument> {
    let mut forms = Vec::new();
    while forms.len() < 4 {
        arguments.0 = arguments.0.trim_ascii_start();
        match arguments.0.first() {
            None => break,
            Some(b'"') => match arguments.string() {
                Ok(text) => forms.push(quoted(&text)),
                Err(Unreadable) => break,
            },
            Some(b'{') => {
                forms.push(Argument::Literal);
                break;
            }
            Some(b'(') => {
                forms.push(Argument::List);
                arguments.0 = after_list(arguments.0);
            }
            Some(_) => {
                let end = arguments.0.iter().position(u8::is_ascii_whitespace).unwrap_or(arguments.0.len());
                let (word, rest) = arguments.0.split_at(end);
                forms.push(if is_wildcard(word) { Argument::Wildcard } else { Argument::Atom });
                arguments.0 = rest;
            }
        }
    }
    forms
}

fn quoted(text: &[u8]) -> Argument {
    if text.is_empty() {
        Argument::Empty
    } else if is_wildcard(text) {
        Argument::QuotedWildcard
    } else if text.iter().all(|&octet| is_astring(octet)) {
        Argument::Quoted
    } else {
        Argument::MustBeQuoted
    }
}

fn is_wildcard(text: &[u8]) -> bool {
    !text.is_empty() && text.iter().all(|octet| b"*%".contains(octet))
}

/// What stands behind the list in front; nothing if it does not end.
fn after_list(text: &[u8]) -> &[u8] {
    let (mut depth, mut in_quotes) = (0_usize, false);
    let mut octets = text.iter().enumerate();
    while let Some((at, octet)) = octets.next() {
        match octet {
            b'\\' if in_quotes => {
                octets.next();
            }
            b'"' => in_quotes = !in_quotes,
            b'(' if !in_quotes => depth += 1,
            b')' if !in_quotes => {
                depth -= 1;
                if depth == 0 {
                    return &text[at + 1..];
                }
            }
            _ => {}
        }
    }
    &[]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_of_arguments() {
        use Argument::{Atom, Empty, List, Literal, MustBeQuoted, Quoted, QuotedWildcard, Wildcard};
        for (text, forms) in [
            ("", &[][..]),
            (" INBOX", &[Atom]),
            (" \"INBOX\"", &[Quoted]),
            (" \"Sent Items\"", &[MustBeQuoted]),
            (" \"\" \"*\"", &[Empty, QuotedWildcard]),
            (" \"\" *", &[Empty, Wildcard]),
            (" (subscribed) \"\" \"*\" return (special-use)", &[List, Empty, QuotedWildcard, Atom]),
            (" (a (b \")\\\" \" c)) INBOX", &[List, Atom]),
            (" {5}\r\nINBOX", &[Literal]),
            (" (never", &[List]),
            (" \"never", &[]),
            (" a b c d e", &[Atom; 4]),
        ] {
            assert_eq!(first(Arguments(text.as_bytes())), forms, "{text}");
        }
    }
}
