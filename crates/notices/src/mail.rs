//! A notice as a mail: plain text, and headers that say what it is.

use std::{collections::HashMap, fmt, str::FromStr, time::SystemTime};

use authority::{Login, Timestamp};
use keeper::Told;
use lettre::{
    Address, Message,
    message::{
        Mailbox, SinglePart,
        header::{ContentType, Header, HeaderName, HeaderValue},
    },
};

use crate::{relay::Relay, words};

/// Who mails are from: `Postern <postern@example.org>`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sender(pub(crate) Mailbox);

impl FromStr for Sender {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mailbox = text.parse().map(Self);
        mailbox.map_err(|_| "expected an address, as \"Postern <postern@example.org>\"")
    }
}

impl fmt::Display for Sender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// How mails are sent, and what they say of the site.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The server that takes them.
    pub relay: Relay,
    /// Whom they are from.
    pub from: Sender,
    /// The site's domain, by which a mail is numbered.
    pub domain: String,
    /// The portal, as `https://id.example.org`.
    pub url: String,
    /// What people call each door, by its name.
    pub doors: HashMap<String, String>,
}

/// RFC 3834, section 5: answers by machines are not wanted.
#[derive(Clone)]
struct AutoSubmitted;

impl Header for AutoSubmitted {
    fn name() -> HeaderName {
        HeaderName::new_from_ascii_str("Auto-Submitted")
    }

    fn parse(_: &str) -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
        Ok(Self)
    }

    fn display(&self) -> HeaderValue {
        HeaderValue::new(Self::name(), "auto-generated".to_owned())
    }
}

/// A notice that can be sent to nobody.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NotAMail {
    #[error("{0} is no address that mail can be sent to")]
    Address(Login),
    #[error("it cannot be written as a mail: {0}")]
    Message(#[from] lettre::error::Error),
}

/// The mail, to the address that the owner signs in with.
pub(crate) fn compose(settings: &Settings, to: &Login, told: &Told, now: Timestamp) -> Result<Message, NotAMail> {
    let address: Address = to.as_str().parse().map_err(|_| NotAMail::Address(to.clone()))?;
    let door = |name: &str| settings.doors.get(name).cloned().unwrap_or_else(|| name.to_owned());
    let body = words::body(told, to.as_str(), &settings.url, door);
    let date = SystemTime::UNIX_EPOCH + now.since(Timestamp::from_millis(0));
    let message = Message::builder()
        .from(settings.from.0.clone())
        .to(Mailbox::new(None, address))
        .subject(words::subject(told))
        .message_id(Some(message_id(&settings.domain, told)))
        .date(date)
        .header(AutoSubmitted);
    Ok(message.singlepart(SinglePart::builder().header(ContentType::TEXT_PLAIN).body(body))?)
}

/// The same for each try: whoever gets a mail twice can see that it is one.
fn message_id(domain: &str, told: &Told) -> String {
    let notice = &told.notice;
    format!("<{}.{}.{}@{domain}>", notice.account, notice.seq, notice.entry.at.as_millis())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use authority::{
        Actor, AppPasswordId, Entry, Event,
        audit::FactorsBy,
        notice::{GIVEN_UP_AFTER, Kind},
    };
    use keeper::{AboutPassword, Notice};
    use testkit::{account, app_password, login, used};

    use super::*;

    fn settings() -> Settings {
        let relay = Relay::new("smtp://127.0.0.1:25".parse().unwrap(), None, "id.example.org").unwrap();
        Settings {
            relay,
            from: "Postern <postern@example.org>".parse().unwrap(),
            domain: "example.org".into(),
            url: "https://id.example.org".into(),
            doors: [("imap".to_owned(), "Mail (IMAP)".to_owned())].into(),
        }
    }

    fn told(actor: Actor, event: Event, label: &str) -> Told {
        let alice = account("alice@example.org");
        let at = used("", 0).at;
        let entry = Entry { at, actor, account: Some(alice.id), event };
        let kind = Kind::about(&entry).unwrap();
        let about = AboutPassword {
            id: app_password(&alice, "Laptop").id,
            label: label.to_owned(),
            app: "Thunderbird".to_owned(),
            is_over: false,
        };
        Told { notice: Notice { account: alice.id, seq: 7, kind, entry, more: 0, failures: 0 }, password: Some(about) }
    }

    fn door() -> Actor {
        Actor::Door { door: "imap".into(), from: [203, 0, 113, 7].into() }
    }

    fn refused(label: &str) -> Told {
        let id = AppPasswordId::from_bytes([1; 10]);
        told(door(), Event::AppLockRefused { id, app: Some("mutt".into()), door: "imap".into() }, label)
    }

    fn written(told: &Told) -> String {
        let at = used("", 0).at.plus(GIVEN_UP_AFTER);
        let mail = compose(&settings(), &login("alice@example.org"), told, at).unwrap();
        String::from_utf8(mail.formatted()).unwrap()
    }

    #[test]
    fn it_says_what_when_from_where_which_password_and_where_to_go() {
        let mail = written(&refused("Laptop"));
        let (head, body) = mail.split_once("\r\n\r\n").unwrap();
        for line in [
            "From: Postern <postern@example.org>",
            "To: alice@example.org",
            "Auto-Submitted: auto-generated",
            "Date: Wed, 20 Jan 2027 08:00:00 +0000",
            "Content-Type: text/plain; charset=utf-8",
        ] {
            assert!(head.lines().any(|it| it == line), "no {line:?} in\n{head}");
        }
        let body = body.replace("=\r\n", "").replace("=E2=80=9C", "\u{201c}").replace("=E2=80=9D", "\u{201d}");
        for words in [
            "Your app password \u{201c}Laptop\u{201d} (Thunderbird) was tried by mutt from 203.0.113.7 on Mail (IMAP), and refused.",
            "Friday, 15 January 2027, 08:00:00 UTC",
            "203.0.113.7",
            "alice@example.org",
            "revoke it",
            "https://id.example.org",
        ] {
            assert!(body.contains(words), "no {words:?} in\n{body}");
        }
        assert_eq!(body.matches("://").count(), 1, "the portal's address, and no link: {body}");
    }

    #[test]
    fn a_repeat_has_the_same_number_and_another_notice_another() {
        let id =
            |mail: &str| mail.lines().find_map(|line| line.strip_prefix("Message-ID: ").map(str::to_owned)).unwrap();
        let mail = written(&refused("Laptop"));
        assert_eq!(id(&mail), id(&written(&refused("Laptop"))));
        let mut other = refused("Laptop");
        other.notice.seq = 8;
        assert_ne!(id(&mail), id(&written(&other)));
        assert!(id(&mail).ends_with("@example.org>"), "{}", id(&mail));
    }

    #[test]
    fn no_name_adds_a_header_or_a_recipient() {
        for label in ["x\r\nBcc: mallory@example.org", "x\r\n\r\n<b>", "x\nTo: m@example.org", "\u{202e}B\u{fc}ro\u{0}"]
        {
            let mail = written(&refused(label));
            let (head, _) = mail.split_once("\r\n\r\n").unwrap();
            let names: BTreeSet<_> = head
                .lines()
                .filter(|line| !line.starts_with([' ', '\t']))
                .map(|line| line.split_once(':').unwrap().0)
                .collect();
            let ours = [
                "Auto-Submitted",
                "Content-Transfer-Encoding",
                "Content-Type",
                "Date",
                "From",
                "MIME-Version",
                "Message-ID",
                "Subject",
                "To",
            ];
            assert_eq!(names, ours.into(), "{label:?}:\n{head}");
            assert!(!mail.replace("\r\n", "").contains(['\r', '\n']), "{label:?}");
        }
    }

    /// Each kind reads as a whole sentence, whoever did it.
    #[test]
    fn every_kind_has_its_words() {
        let id = AppPasswordId::from_bytes([1; 10]);
        let owner = || Actor::Owner { from: [192, 0, 2, 7].into() };
        let admin = || Actor::Administrator { uid: 0 };
        let text = String::new;
        let all = [
            told(admin(), Event::AccountAdded { login: text(), factors: FactorsBy::Administrator }, "Laptop"),
            told(owner(), Event::AccountSetUp, "Laptop"),
            told(admin(), Event::AccountReset, "Laptop"),
            told(owner(), Event::PrimaryPasswordChanged, "Laptop"),
            told(owner(), Event::SecondFactorEnrolled, "Laptop"),
            told(owner(), Event::SecondFactorReplaced, "Laptop"),
            told(owner(), Event::RecoveryCodesRenewed, "Laptop"),
            told(owner(), Event::RecoveryCodeUsed, "Laptop"),
            told(Actor::Postern, Event::RecoveryCodesVoided, "Laptop"),
            told(Actor::Postern, Event::SecretsVoided, "Laptop"),
            told(owner(), Event::AppPasswordIssued { id, label: text(), app: text(), scopes: text() }, "Laptop"),
            told(door(), Event::AppPasswordFirstUsed { id }, "Laptop"),
            told(admin(), Event::AppPasswordRevoked { id }, "Laptop"),
            told(owner(), Event::AllAppPasswordsRevoked, "Laptop"),
            told(door(), Event::AppLockRefused { id, app: None, door: "imap".into() }, "Laptop"),
            told(door(), Event::AppLockWatched { id, app: None, door: "imap".into() }, "Laptop"),
            told(door(), Event::AppLockDrifted { id, door: "imap".into(), what: "tls".into() }, "Laptop"),
            told(owner(), Event::AppAllowed { id, app: Some("mutt".into()) }, "Laptop"),
            told(owner(), Event::AppLockRelearn { id }, "Laptop"),
        ];
        let kinds: Vec<_> = all.iter().map(|told| told.notice.kind).collect();
        assert_eq!(kinds, Kind::ALL);
        let mut sentences = BTreeSet::new();
        for told in &all {
            let sentence = words::sentence(told, |_| "Mail (IMAP)".to_owned()).to_string();
            assert!(sentence.ends_with('.') && !sentence.contains("  ") && !sentence.contains(".."), "{sentence}");
            assert!(words::advice(told.notice.kind).ends_with('.'));
            assert!(
                words::subject(told).len() < 78 && !words::subject(told).ends_with('.'),
                "{}",
                words::subject(told)
            );
            sentences.insert(sentence);
        }
        assert_eq!(sentences.len(), all.len());
        let mut many = refused("Laptop");
        many.notice.more = 19;
        assert!(written(&many).contains("19 more notices of this kind"));
    }

    #[test]
    fn senders_and_servers_are_read_or_named() {
        use crate::RelayUrl;
        for (text, read) in [
            ("smtp://127.0.0.1", "smtp://127.0.0.1:25"),
            ("smtp://[::1]:2525", "smtp://[::1]:2525"),
            ("smtp+starttls://mail.example.org", "smtp+starttls://mail.example.org:587"),
            ("smtps://mail.example.org", "smtps://mail.example.org:465"),
        ] {
            assert_eq!(text.parse::<RelayUrl>().unwrap().to_string(), read);
        }
        for bad in
            ["", "mail.example.org", "lmtp://x", "smtp://", "smtp://x:", "smtp://x:0", "smtp://x/y", "smtp://a@x"]
        {
            assert!(bad.parse::<RelayUrl>().is_err(), "{bad}");
        }
        assert!("smtp://localhost".parse::<RelayUrl>().unwrap().keeps_secrets());
        assert!(!"smtp://mail.example.org".parse::<RelayUrl>().unwrap().keeps_secrets());
        for bad in
            ["Postern", "Postern <postern>", "a@example.org, b@example.org", "a@example.org\r\nBcc: b@example.org"]
        {
            assert!(bad.parse::<Sender>().is_err(), "{bad}");
        }
    }

    #[test]
    fn an_address_that_is_none_is_given_up() {
        let error = compose(&settings(), &login("b\u{fc}ro@-"), &refused("x"), used("", 0).at).unwrap_err();
        assert!(matches!(error, NotAMail::Address(_)), "{error}");
    }
}
