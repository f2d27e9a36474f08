//! Signatures and their comparison.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on has failed")]

use fingerprint::{
    Compared::{self, Drifted, Other, Same},
    Dialogue, NotASignature, Signature, Tie, What, Why, compare, http,
    imap::{self, Argument},
    signature::MAX_SIGNATURE,
    spoken::{self, SignIn},
    submission, tie,
};
use proptest::prelude::*;

const NSS: &str = "13-86a278354501-42c24f99d423-aafe94";
const NEWER_NSS: &str = "13-5b57614c22b0-42c24f99d423-aafe94";
const GNUTLS: &str = "13-723694b0fccc-a03b17b91aa0-818060";

fn signature(line: &str) -> Signature {
    line.parse().unwrap_or_else(|error| panic!("{line}: {error}"))
}

fn said(pinned: &str, seen: &str) -> Compared {
    compare(&signature(pinned), &signature(seen))
}

#[test]
fn an_app_with_a_name_of_its_own() {
    let known = format!("1;imap;{NSS};thunderbird;9,authenticate.PLAIN;ID,list.peWa");
    for (what, seen, want) in [
        ("again", known.clone(), Same),
        ("updated", known.replace(NSS, NEWER_NSS), Drifted(What::Tls)),
        ("another mailbox", known.replace("list.peWa", "select.q"), Drifted(What::Opening)),
        (
            "updated, another mailbox",
            known.replace(NSS, NEWER_NSS).replace("list.peWa", "select.q"),
            Drifted(What::Tls),
        ),
        ("another mechanism", known.replace("authenticate.PLAIN", "login.qq"), Drifted(What::Form)),
        ("another name", known.replace("thunderbird", "outlook"), Other(Why::Name)),
        ("two names", known.replace("thunderbird", "thunderbird+outlook"), Other(Why::Name)),
        ("no name", known.replace("thunderbird", "-"), Other(Why::Nameless)),
        // A script that says it were Thunderbird.
        ("a liar", format!("1;imap;{GNUTLS};thunderbird;AAAA9,ID,LOGIN.aq;LIST.ew"), Other(Why::Looks)),
        ("another protocol", format!("1;http;{NSS};thunderbird;UA,A/gzip;-"), Other(Why::Protocol)),
    ] {
        assert_eq!(said(&known, &seen), want, "{what}");
    }
}

#[test]
fn an_app_without_a_name() {
    let known = format!("1;imap;{GNUTLS};-;a0009,AUTHENTICATE.PLAIN.ir.z;ENABLE,LIST.ee");
    for (what, seen, want) in [
        ("again", known.clone(), Same),
        ("updated", known.replace(GNUTLS, NSS), Drifted(What::Tls)),
        ("another first command", known.replace("LIST.ee", "SELECT.q"), Drifted(What::Opening)),
        ("another set-up", known.replace("ENABLE", "ID"), Other(Why::Opening)),
        ("another server behind", known.replace("ENABLE", "NAMESPACE"), Same),
        ("another form", known.replace(".z", ""), Other(Why::Looks)),
        ("two things", known.replace(GNUTLS, NSS).replace("LIST.ee", "SELECT.q"), Other(Why::Looks)),
        ("it has a name now", known.replace(";-;", ";mutt;"), Drifted(What::Name)),
        ("another one with a name", known.replace(";-;", ";mutt;").replace(".z", ""), Other(Why::Name)),
    ] {
        assert_eq!(said(&known, &seen), want, "{what}");
    }
    // With nothing before it, the first command is all there is.
    let script = format!("1;imap;{GNUTLS};-;AAAA9,LOGIN.aq;LIST.ew");
    assert_eq!(said(&script, &script.replace("LIST.ew", "SELECT.a")), Other(Why::Opening));
}

#[test]
fn a_name_that_many_programs_give_is_none() {
    let known = format!("1;http;{NSS};python-requests;UA,AE,A,C/gzip,_deflate;*/*");
    for (what, seen, want) in [
        ("again", known.clone(), Same),
        ("updated", known.replace(NSS, NEWER_NSS), Drifted(What::Tls)),
        ("another request", known.replace(";*/*", ";text/xml"), Other(Why::Opening)),
        ("another name", known.replace("python-requests", "vdirsyncer"), Other(Why::Name)),
    ] {
        assert_eq!(said(&known, &seen), want, "{what}");
    }
    let own = known.replace("python-requests", "vdirsyncer");
    assert_eq!(said(&own, &own.replace(";*/*", ";text/xml")), Drifted(What::Opening));
    // Headers that come with another request, by an updated library; and other habits.
    let newer = own.replace(NSS, NEWER_NSS);
    assert_eq!(said(&own, &newer.replace("UA,AE,A,C", "UA,AE,A,C,P,CC")), Drifted(What::Tls));
    assert_eq!(said(&own, &newer.replace("UA,AE,A,C", "C,A,AE,UA")), Other(Why::Looks));
    assert_eq!(said(&own, &own.replace("UA,AE,A,C", "C,A,AE,UA")), Drifted(What::Form));
}

#[test]
fn quotes_that_had_to_be_are_no_difference() {
    let known = format!("1;imap;{GNUTLS};-;9,LOGIN.a~;SELECT.~");
    for (form, want) in
        [("LOGIN.aq;SELECT.a", Same), ("LOGIN.aa;SELECT.q", Same), ("LOGIN.qq;SELECT.q", Other(Why::Looks))]
    {
        assert_eq!(said(&known, &format!("1;imap;{GNUTLS};-;9,{form}")), want, "{form}");
    }
}

#[test]
fn messages_differ_and_their_program_stays() {
    let known = format!("1;submission;{GNUTLS};-;EHLO.name,AUTH.PLAIN.ir.z,MAIL;DFTSIVC.x");
    for (what, seen, want) in [
        ("no subject, no text part", known.replace("DFTSIVC", "DFTIV"), Drifted(What::Opening)),
        ("another order", known.replace("DFTSIVC", "FTSDIVC"), Other(Why::Opening)),
        ("another kind of Message-ID", known.replace(".x", ".d"), Other(Why::Opening)),
        ("hardly a message", known.replace("DFTSIVC.x", "S"), Other(Why::Opening)),
    ] {
        assert_eq!(said(&known, &seen), want, "{what}");
    }
}

/// What is seen of a program that is about to send a message with these fields.
fn sends(fields: &[(&str, &str)]) -> Signature {
    let mut seen = submission::Dialogue::default();
    seen.greets(b"EHLO", b"[192.0.2.7]");
    seen.signs_in(SignIn::sasl(b"AUTH", b"PLAIN", true));
    seen.mails(b"MAIL", [&b"SIZE=4"[..]]);
    for (name, value) in fields {
        seen.field(name.as_bytes(), value.as_bytes());
    }
    Signature::new(Some(&NSS.parse().unwrap()), &Dialogue::Submission(seen))
}

#[test]
fn a_message_that_is_sent_on_as_it_is_shows_nothing_of_who_sends_it_on() {
    let resent = [("Resent-From", "bob"), ("Resent-Date", "today")];
    let own = [("Date", "today"), ("From", "bob"), ("To", "carol"), ("User-Agent", "Mozilla Thunderbird")];
    let theirs = [("Message-ID", "<1@x>"), ("From", "dave"), ("X-Mailer", "Claws Mail 4"), ("To", "bob")];
    let known = sends(&own);
    assert_eq!(known.declared(), Some("thunderbird"));
    assert_eq!(compare(&known, &sends(&theirs)), Other(Why::Name), "it could as well be another program");

    let above: Vec<_> = resent.into_iter().chain(theirs).collect();
    let below: Vec<_> = theirs.into_iter().chain(resent).collect();
    for sent_on in [sends(&above), sends(&below), sends(&resent[..1]), sends(&resent[1..])] {
        assert_eq!(sent_on, sends(&above));
        assert_eq!((sent_on.declared(), sent_on.opening()), (None, "Resent"));
        assert_eq!(compare(&known, &sent_on), Same);
        assert_eq!(compare(&sent_on, &sent_on), Same);
        let nameless = sends(&own[..3]);
        assert_eq!(compare(&nameless, &sent_on), Same);
        // What has TLS or dialogue of another program does not come in with such a message.
        for other in [(NSS, GNUTLS), (NSS, NEWER_NSS), ("EHLO.addr", "EHLO.name"), ("PLAIN.ir", "LOGIN")] {
            let other = signature(&sent_on.to_string().replace(other.0, other.1));
            assert_eq!((compare(&known, &other), compare(&nameless, &other)), (Other(Why::Looks), Other(Why::Looks)));
        }
        // Who began with one has shown no name, so none is the wrong one, and none the right one.
        assert_eq!(
            (compare(&sent_on, &known), compare(&sent_on, &nameless)),
            (Other(Why::Opening), Other(Why::Opening))
        );
        // And it is no name that another protocol could be tied by.
        let imap = signature("1;imap;-;thunderbird;9,authenticate.PLAIN;ID,list.peWa");
        assert_eq!((tie(&imap, &known), tie(&imap, &sent_on)), (Some(Tie::Product), None));
    }
    assert_eq!(sends(&[("Resent-To", "bob"), own[3]]).declared(), Some("thunderbird"));
}

#[test]
fn ties_over_protocols() {
    let thunderbird = signature(&format!("1;imap;{NSS};thunderbird;9,authenticate.PLAIN;ID,list.peWa"));
    let mutt = signature(&format!("1;imap;{GNUTLS};-;a0009,AUTHENTICATE.PLAIN.ir.z;ENABLE,LIST.ee"));
    for (name, family, of_thunderbird, of_mutt) in [
        ("thunderbird", NEWER_NSS, Some(Tie::Product), None),
        ("thunderbird", NSS, Some(Tie::Product), None),
        ("-", NSS, Some(Tie::Family), None),
        ("curl", NSS, Some(Tie::Family), None),
        ("outlook", NSS, Some(Tie::FamilyByAnotherName), None),
        ("claws mail", GNUTLS, None, Some(Tie::Family)),
        ("-", "-", None, None),
    ] {
        let seen = signature(&format!("1;submission;{family};{name};EHLO.name,AUTH.PLAIN.ir,MAIL;DFT"));
        assert_eq!((tie(&thunderbird, &seen), tie(&mutt, &seen)), (of_thunderbird, of_mutt), "{name} {family}");
    }
}

#[test]
fn lines_that_are_no_signatures() {
    for (line, error) in [
        ("", NotASignature::Version),
        ("2;imap;-;-;-;-", NotASignature::Version),
        ("1;imap;-;-;-", NotASignature::Form),
        ("1;imap;-;-;-;-;-", NotASignature::Form),
        ("1;imap;-;-;;-", NotASignature::Form),
        ("1;gopher;-;-;-;-", NotASignature::Form),
        ("1;imap;13-86a278354501;-;-;-", NotASignature::Form),
        ("1;imap;-;\u{e9};-;-", NotASignature::Form),
    ] {
        assert_eq!(line.parse::<Signature>().unwrap_err(), error, "{line}");
    }
    assert!(format!("1;imap;-;{};-;-", "x".repeat(MAX_SIGNATURE)).parse::<Signature>().is_err());
}

fn octets() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        4 => "[ -~]{0,40}".prop_map(String::into_bytes),
        1 => prop::collection::vec(any::<u8>(), 0..400),
    ]
}

fn argument() -> impl Strategy<Value = Argument> {
    prop::sample::select(vec![
        Argument::Atom,
        Argument::Quoted,
        Argument::MustBeQuoted,
        Argument::Literal,
        Argument::List,
    ])
}

/// Whatever a client says, in any order.
fn dialogue() -> impl Strategy<Value = Dialogue> {
    let said = prop::collection::vec((0u8..6, octets(), octets(), prop::collection::vec(argument(), 2..8)), 0..40);
    (0u8..5, said).prop_map(|(protocol, said)| {
        let (mut imap, mut mail) = (imap::Dialogue::default(), submission::Dialogue::default());
        let (mut other, mut http) = (spoken::Dialogue::default(), http::Dialogue::default());
        for (call, a, b, forms) in said {
            let mut sign_in = match call {
                0..3 => SignIn::sasl(&a, &b, call == 1),
                _ => SignIn::login(&a, forms[0], forms[1]),
            };
            sign_in.with_authzid();
            match call {
                0 => imap.before(&a, &b),
                1 => imap.after(&a, &b),
                2 => imap.first(&a, &b, forms),
                3 => imap.names_itself(&a),
                _ => imap.signs_in(&a, sign_in.clone()),
            }
            match call {
                0 => mail.greets(&a, &b),
                1 => mail.mails(&a, [&b[..]]),
                2 => mail.field(b"User-Agent", &b),
                3 => mail.field(&a, &b),
                _ => mail.signs_in(sign_in.clone()),
            }
            other.before(&a);
            other.signs_in(sign_in);
            http.header(&a, &b);
            http.header(b"Accept", &b);
            http.header(b"User-Agent", &a);
        }
        match protocol {
            0 => Dialogue::Imap(imap),
            1 => Dialogue::Submission(mail),
            2 => Dialogue::Pop3(other),
            3 => Dialogue::Sieve(other),
            _ => Dialogue::Http(http),
        }
    })
}

proptest! {
    #[test]
    fn a_signature_is_short_and_reads_back(dialogue in dialogue(), with_tls in any::<bool>()) {
        let family = with_tls.then(|| NSS.parse().unwrap());
        let signature = Signature::new(family.as_ref(), &dialogue);
        prop_assert!(signature.as_str().len() <= MAX_SIGNATURE);
        prop_assert_eq!(signature.protocol(), dialogue.protocol());
        prop_assert_eq!(signature.declared(), dialogue.declared());
        prop_assert_eq!(signature.family(), with_tls.then_some(NSS));
        prop_assert_eq!(&signature.to_string().parse::<Signature>(), &Ok(signature.clone()));
        prop_assert_eq!(compare(&signature, &signature), Same);
    }

    #[test]
    fn comparing_never_fails(a in dialogue(), b in dialogue()) {
        let (a, b) = (Signature::new(None, &a), Signature::new(None, &b));
        let _ = (compare(&a, &b), tie(&a, &b));
    }
}
