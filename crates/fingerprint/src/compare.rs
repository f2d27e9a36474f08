//! Whether two signatures can come from one app.

use crate::{Protocol, Signature, product::is_shared, submission::REDIRECTED};

/// What comparing a stored signature with a new one says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Compared {
    /// The same app.
    Same,
    /// The same app, which has changed in one thing since.
    Drifted(What),
    /// Another app.
    Other(Why),
}

/// In what an app differs from how it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum What {
    /// Its TLS library or its settings: most often an update.
    Tls,
    /// How it speaks.
    Form,
    /// What it does first.
    Opening,
    /// It names itself now.
    Name,
}

/// Why it is another app.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Why {
    /// Another protocol: there is nothing to compare.
    Protocol,
    /// It gives another name.
    Name,
    /// It gives no name, and the app does.
    Nameless,
    /// It is called the same, or neither has a name, and too much else differs.
    Looks,
    /// All that can be seen is the same, but for what it does first; and nothing names
    /// it. Another program of the same library, or the same program with another
    /// connection of its own: where it calls from may tell.
    Opening,
}

/// How two parts of signatures are to each other.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Alike {
    Equal,
    /// Not the same, but as the same program can be on two occasions.
    Near,
    Far,
}

/// Compares what a password is held to with what was seen now.
///
/// 1. Another name, or none where there was one, is another app.
/// 2. A name of its own that is the same is the same app, even if its TLS or its
///    way of speaking has changed; not if both have: someone borrows the name then.
/// 3. Without a name, or with one that many programs give, it is the same app only
///    if all is as it was, or all but one: its TLS, or what it does first.
/// 4. A message that is sent on as it is shows TLS and way of speaking alone, and says
///    no name: it is the same app if both are as they were. The other way round, what
///    began with such a message is known by no more than that.
///
/// Who adds the fields of such a message to be let in needs the TLS and the way of
/// speaking of the app, where its name would do with one of them: nothing is gained.
pub fn compare(pinned: &Signature, seen: &Signature) -> Compared {
    if pinned.protocol() != seen.protocol() {
        return Compared::Other(Why::Protocol);
    }
    let tls = if pinned.family() == seen.family() { Alike::Equal } else { Alike::Far };
    let form = form(pinned.protocol(), pinned.form(), seen.form());
    if is_redirected(pinned) != is_redirected(seen) {
        return match (tls, form) {
            (Alike::Equal, Alike::Equal) if is_redirected(seen) => Compared::Same,
            (Alike::Equal, Alike::Equal) => Compared::Other(Why::Opening),
            _ => Compared::Other(Why::Looks),
        };
    }
    let opening = opening(pinned.protocol(), pinned.opening(), seen.opening());
    match (pinned.declared(), seen.declared()) {
        (Some(pinned), Some(seen)) if pinned != seen => Compared::Other(Why::Name),
        (Some(_), None) => Compared::Other(Why::Nameless),
        (Some(name), Some(_)) if !is_shared(name) => match (tls, form) {
            (Alike::Far, Alike::Far) => Compared::Other(Why::Looks),
            (Alike::Far, _) => Compared::Drifted(What::Tls),
            (_, Alike::Far | Alike::Near) => Compared::Drifted(What::Form),
            _ if opening != Alike::Equal => Compared::Drifted(What::Opening),
            _ => Compared::Same,
        },
        (None, Some(_)) => match (tls, form, opening) {
            (Alike::Equal, Alike::Equal, Alike::Equal) => Compared::Drifted(What::Name),
            _ => Compared::Other(Why::Name),
        },
        _ => match (tls, form, opening) {
            (Alike::Equal, Alike::Equal, Alike::Equal) => Compared::Same,
            (Alike::Far, Alike::Equal, Alike::Equal) => Compared::Drifted(What::Tls),
            (Alike::Equal, Alike::Equal, Alike::Near) => Compared::Drifted(What::Opening),
            (Alike::Equal, Alike::Equal, Alike::Far) => Compared::Other(Why::Opening),
            _ => Compared::Other(Why::Looks),
        },
    }
}

/// What ties an app to one that was seen under another protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Tie {
    /// They give the same name, and it is a program's own.
    Product,
    /// They have the same TLS family, and do not give different names.
    Family,
    /// They have the same TLS family and give different names of their own: a tie only
    /// for who knows that one app has both. Apple's is `iphone mail` in a message, and
    /// `com.apple.email.maild` in IMAP.
    FamilyByAnotherName,
}

/// Whether what was seen can be the app that is known from another protocol.
#[must_use]
pub fn tie(known: &Signature, seen: &Signature) -> Option<Tie> {
    let same_family = known.family().is_some() && known.family() == seen.family();
    let own = |name: &&str| !is_shared(name);
    match (known.declared().filter(own), seen.declared().filter(own)) {
        (Some(known), Some(seen)) if known == seen => Some(Tie::Product),
        (Some(_), Some(_)) => same_family.then_some(Tie::FamilyByAnotherName),
        _ => same_family.then_some(Tie::Family),
    }
}

/// True if its first message was somebody else's.
fn is_redirected(signature: &Signature) -> bool {
    signature.protocol() == Protocol::Submission && signature.opening() == REDIRECTED
}

pub(crate) fn form(protocol: Protocol, pinned: &str, seen: &str) -> Alike {
    if matches(pinned, seen) {
        return Alike::Equal;
    }
    match protocol {
        Protocol::Http => {
            let ((pinned, _), (seen, _)) = (split(pinned, '/'), split(seen, '/'));
            if in_the_same_order(pinned.split(','), seen.split(',')) { Alike::Near } else { Alike::Far }
        }
        _ => Alike::Far,
    }
}

pub(crate) fn opening(protocol: Protocol, pinned: &str, seen: &str) -> Alike {
    if matches(pinned, seen) {
        return Alike::Equal;
    }
    let near = match protocol {
        Protocol::Imap if as_the_server_can(pinned).eq(as_the_server_can(seen)) => return Alike::Equal,
        // What it does to set the session up, and another first command.
        Protocol::Imap => match (pinned.rsplit_once(','), seen.rsplit_once(',')) {
            (Some((pinned, _)), Some((seen, _))) => pinned == seen,
            _ => false,
        },
        // A message with other fields, in the same order.
        Protocol::Submission => {
            let ((pinned, id), (seen, other_id)) = (split(pinned, '.'), split(seen, '.'));
            let same_kind = id.is_empty() || other_id.is_empty() || id == other_id;
            same_kind && in_the_same_order(pinned.chars(), seen.chars())
        }
        _ => false,
    };
    if near { Alike::Near } else { Alike::Far }
}

/// An IMAP client's opening without what it says only to a server that can do it, and
/// which takes nothing from the first command: an upgrade of that server is none of the client.
fn as_the_server_can(opening: &str) -> impl Iterator<Item = &str> {
    let words = opening.split(',').map(without_return);
    words.filter(|word| !["ENABLE", "NAMESPACE"].iter().any(|known| word.eq_ignore_ascii_case(known)))
}

/// LIST and the forms of its arguments, up to the pattern (RFC 5258).
fn without_return(word: &str) -> &str {
    let Some((verb, forms)) = word.split_once('.').filter(|(verb, _)| verb.eq_ignore_ascii_case("LIST")) else {
        return word;
    };
    let selection = usize::from(forms.starts_with('p'));
    &word[..word.len().min(verb.len() + 1 + selection + 2)]
}

fn split(text: &str, at: char) -> (&str, &str) {
    text.split_once(at).unwrap_or((text, ""))
}

/// Equal, where `~` is like any one character.
fn matches(a: &str, b: &str) -> bool {
    a.len() == b.len() && a.bytes().zip(b.bytes()).all(|(a, b)| a == b || a == b'~' || b == b'~')
}

/// What both have stands in the same order in both, and it is three at least.
fn in_the_same_order<T: PartialEq>(a: impl Iterator<Item = T> + Clone, b: impl Iterator<Item = T> + Clone) -> bool {
    let of_a = a.clone().filter(|item| b.clone().any(|other| other == *item));
    let of_b = b.clone().filter(|item| a.clone().any(|other| other == *item));
    let common = of_a.clone().count();
    common >= 3 && of_a.eq(of_b)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn imap(opening: &str) -> Signature {
        format!("1;imap;13-723694b0fccc-a03b17b91aa0-818060;-;a0009,LOGIN.qq;{opening}").parse().unwrap()
    }

    #[test]
    fn what_a_server_can_do_is_none_of_the_client() {
        let known = imap("ENABLE,NAMESPACE,LIST.ee");
        for opening in ["LIST.ee", "NAMESPACE,LIST.ee", "namespace,ENABLE,LIST.ee"] {
            assert_eq!(compare(&known, &imap(opening)), Compared::Same, "{opening}");
            assert_eq!(compare(&imap(opening), &known), Compared::Same, "{opening}");
        }
        assert_eq!(compare(&known, &imap("ENABLE,NAMESPACE,SELECT.a")), Compared::Drifted(What::Opening));
        assert_eq!(compare(&imap("ID,list.peWa"), &imap("ID,list.peW")), Compared::Same);
        assert_eq!(compare(&imap("ID,list.eWap"), &imap("ID,list.eW")), Compared::Same);
        for opening in ["LIST.e", "LIST.eW", "LIST.pee", "SELECT.a", "ID,LIST.ee", "ENABLE.l", "NAMESPACE", "-"] {
            assert_eq!(compare(&known, &imap(opening)), Compared::Other(Why::Opening), "{opening}");
        }
    }
}
