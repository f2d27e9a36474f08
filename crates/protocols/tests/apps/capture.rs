//! One recorded connection of a real client.

use std::{fs, path::Path};

use data_encoding::HEXLOWER;
use fingerprint::{Protocol, tls::ClientHello};
use protocols::Transport;
use serde_json::Value;

pub(crate) struct Capture {
    /// The file's name, without its ending.
    pub(crate) name: String,
    /// The client as it was driven: `thunderbird140`.
    pub(crate) client: String,
    /// Empty, or in what the recording differs: `badpw`, `nocap`.
    pub(crate) variant: String,
    /// The service and its transport: `imap-starttls`.
    pub(crate) service: String,
    pub(crate) run: u64,
    pub(crate) hello: Vec<u8>,
    pub(crate) resumed: bool,
    pub(crate) ja4: String,
    pub(crate) ja4_r: String,
    pub(crate) chunks: Vec<String>,
}

impl Capture {
    /// All of a folder, in the order they were recorded.
    pub(crate) fn folder(folder: &Path) -> Vec<Self> {
        let files = fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
        let files = files.map(|file| file.unwrap().path());
        let mut captures: Vec<Self> = files
            .filter(|file| file.extension().is_some_and(|end| end == "json"))
            .map(|file| Self::read(&file))
            .collect();
        assert!(!captures.is_empty(), "{} holds no captures", folder.display());
        captures.sort_by_key(|capture| {
            (capture.run, capture.name.rsplit('_').next().unwrap().to_owned(), capture.name.clone())
        });
        captures
    }

    fn read(file: &Path) -> Self {
        let json: Value = serde_json::from_slice(&fs::read(file).unwrap())
            .unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        let text = |key: &str| json[key].as_str().unwrap_or_default().to_owned();
        let chunks = json["client_chunks"].as_array().into_iter().flatten();
        Self {
            name: file.file_stem().unwrap().to_string_lossy().into_owned(),
            client: text("client"),
            variant: text("variant"),
            service: text("protocol"),
            run: json["run"].as_u64().unwrap_or(1),
            hello: HEXLOWER.decode(text("clienthello_hex").as_bytes()).unwrap(),
            resumed: json["tls"]["psk"].as_bool().unwrap_or_default()
                || json["tls"]["ticket_len"].as_u64().is_some_and(|length| length > 0),
            ja4: json["tls"]["ja4"].as_str().unwrap_or_default().to_owned(),
            ja4_r: json["tls"]["ja4_r"].as_str().unwrap_or_default().to_owned(),
            chunks: chunks.map(|chunk| chunk[1].as_str().unwrap().to_owned()).collect(),
        }
    }

    pub(crate) fn hello(&self) -> Option<ClientHello> {
        ClientHello::read(&self.hello).ok()
    }

    pub(crate) fn protocol(&self) -> Protocol {
        match self.service.as_str() {
            "imaps" | "imap-starttls" => Protocol::Imap,
            "smtps" | "submission-starttls" => Protocol::Submission,
            service if service.starts_with("https") => Protocol::Http,
            other => panic!("{}: {other} is no service of ours", self.name),
        }
    }

    pub(crate) fn transport(&self) -> Transport {
        if self.service.ends_with("-starttls") { Transport::Plain { starttls: true } } else { Transport::Encrypted }
    }
}

/// The product of a client: versions of it have names of their own here, as
/// `thunderbird140`, `imapflow-old`, `vdirsyncer-new`.
pub(crate) fn product(client: &str) -> &str {
    let client = client.strip_suffix("-old").or(client.strip_suffix("-new")).unwrap_or(client);
    let bare = client.trim_end_matches(|c: char| c.is_ascii_digit());
    if client.len() - bare.len() >= 2 { bare.trim_end_matches('-') } else { client }
}
