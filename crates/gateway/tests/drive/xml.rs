//! XML that means more than it says.

use http::StatusCode;

use crate::served::Served;

/// Two lines that stand for 60,000 elements in each other: the XML library goes
/// down one call an element.
fn towers() -> String {
    let tower = "<b>".repeat(300);
    format!("<!DOCTYPE r [<!ENTITY a \"{tower}\">]><r xmlns=\"DAV:\">{}</r>", "&a;".repeat(200))
}

/// "Billion laughs": ten lines that stand for gigabytes.
fn laughs() -> String {
    let mut body = "<!DOCTYPE r [<!ENTITY a0 \"ha\">".to_owned();
    for n in 1..10 {
        body += &format!("<!ENTITY a{n} \"{}\">", format!("&a{};", n - 1).repeat(10));
    }
    body + "]><r xmlns=\"DAV:\">&a9;</r>"
}

fn in_utf_16(text: &str) -> Vec<u8> {
    [0xfeff].into_iter().chain(text.encode_utf16()).flat_map(u16::to_le_bytes).collect()
}

#[tokio::test]
async fn no_entity_is_declared_and_nothing_else_either() {
    let served = Served::with_limit(1 << 20).await;
    served.put("/a", b"x").await;
    for method in ["PROPFIND", "PROPPATCH", "LOCK"] {
        for body in [
            towers().into_bytes(),
            laughs().into_bytes(),
            in_utf_16(&towers()),
            in_utf_16(&laughs()),
            towers().replace("<!DOCTYPE", "<!--x--><!DOCTYPE").into_bytes(),
            b"<propfind xmlns='DAV:'><prop><\xff/></prop></propfind>".to_vec(),
            b"<propfind xmlns='DAV:'>\0</propfind>".to_vec(),
            b"<!".to_vec(),
        ] {
            let answer = served.ask(&format!("{method} /a"), "Depth: 0\r\n", &body).await;
            let expected = if method == "LOCK" && body.len() > 1024 { 413 } else { 400 };
            assert_eq!(answer.status, expected, "{method} {}", body[..body.len().min(60)].escape_ascii());
        }
    }
    // What is only text stays allowed.
    let body = "\u{feff}<?xml version='1.0' encoding='utf-8'?><!-- how much --><propfind xmlns='DAV:'>\
                <prop><![CDATA[]]><getcontentlength/></prop></propfind>";
    let answer = served.ask("PROPFIND /a", "Depth: 0\r\n", body.as_bytes()).await;
    assert_eq!(answer.status, StatusCode::MULTI_STATUS, "{}", String::from_utf8_lossy(&answer.body));
}
