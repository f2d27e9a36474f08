//! What is announced before a sign-in, and what of the server behind is passed on after it.

use crate::dialogue::Transport;

/// Announced to every client before it signs in, in this order.
///
/// Frozen: a changed list changes what clients do next, and with it every
/// stored signature of theirs. `LOGIN-REFERRALS` and `IDLE` are here because
/// they were when those signatures were first taken.
const BASE: &str = "IMAP4rev1 SASL-IR LOGIN-REFERRALS ID ENABLE IDLE LITERAL+";

/// The list for a connection in this state, without the word CAPABILITY.
pub(super) fn announced(transport: Transport) -> String {
    let rest = match transport {
        Transport::Encrypted => "AUTH=PLAIN AUTH=LOGIN",
        // No AUTH= in the clear: a client that may not use it must not be tempted.
        Transport::Plain { starttls: true } => "STARTTLS LOGINDISABLED",
        Transport::Plain { starttls: false } => "LOGINDISABLED",
    };
    format!("{BASE} {rest}")
}

/// The capabilities of the server behind, as far as they hold through Postern.
///
/// Left out: what belongs to a sign-in that is over (STARTTLS, LOGINDISABLED,
/// AUTH=, SASL-IR), what would lead past Postern (LOGIN-REFERRALS, RFC 2221),
/// and compression, which the relay would have to undo to end a session cleanly
/// (COMPRESS=, RFC 4978). A word that is no IMAP atom is left out as well.
#[must_use]
pub fn masked(upstream: &str) -> String {
    let mut list = String::with_capacity(upstream.len());
    for word in upstream.split_ascii_whitespace().filter(|word| passes(word)) {
        if !list.is_empty() {
            list.push(' ');
        }
        list.push_str(word);
    }
    if list.is_empty() { "IMAP4rev1".into() } else { list }
}

fn passes(word: &str) -> bool {
    const MASKED: [&str; 4] = ["STARTTLS", "LOGINDISABLED", "LOGIN-REFERRALS", "SASL-IR"];
    const MASKED_FAMILIES: [&str; 2] = ["AUTH=", "COMPRESS="];
    let family = |prefix: &str| word.get(..prefix.len()).is_some_and(|head| head.eq_ignore_ascii_case(prefix));
    let atom = word.bytes().all(|b| b.is_ascii_graphic() && !b"(){%*\"\\]".contains(&b));
    atom && !MASKED.iter().any(|masked| word.eq_ignore_ascii_case(masked)) && !MASKED_FAMILIES.into_iter().any(family)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_before_sign_in_is_frozen() {
        assert_eq!(
            announced(Transport::Encrypted),
            "IMAP4rev1 SASL-IR LOGIN-REFERRALS ID ENABLE IDLE LITERAL+ AUTH=PLAIN AUTH=LOGIN"
        );
        assert_eq!(
            announced(Transport::Plain { starttls: true }),
            "IMAP4rev1 SASL-IR LOGIN-REFERRALS ID ENABLE IDLE LITERAL+ STARTTLS LOGINDISABLED"
        );
    }

    #[test]
    fn what_does_not_hold_through_postern_is_masked() {
        for (upstream, want) in [
            (
                "IMAP4rev1 SASL-IR LOGIN-REFERRALS ID ENABLE IDLE SORT MULTIAPPEND LITERAL+ SPECIAL-USE",
                "IMAP4rev1 ID ENABLE IDLE SORT MULTIAPPEND LITERAL+ SPECIAL-USE",
            ),
            ("IMAP4rev1 STARTTLS LOGINDISABLED AUTH=PLAIN auth=oauthbearer Compress=DEFLATE", "IMAP4rev1"),
            ("IMAP4rev1 X]\u{e9} IDLE] OK \"", "IMAP4rev1 OK"),
            ("IMAP4rev1 STARTTLSX AUTHX QUOTA=RES-STORAGE", "IMAP4rev1 STARTTLSX AUTHX QUOTA=RES-STORAGE"),
            ("", "IMAP4rev1"),
        ] {
            assert_eq!(masked(upstream), want);
        }
    }
}
