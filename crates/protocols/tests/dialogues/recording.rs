//! What real clients wrote.

use std::path::Path;

use protocols::Transport;

/// The client's side of a sign-in, chunk by chunk.
pub(crate) struct Recording {
    protocol: String,
    pub(crate) chunks: Vec<String>,
}

impl Recording {
    pub(crate) fn read(name: &str) -> Self {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus").join(name).with_extension("json");
        let file: serde_json::Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
        let chunks = file["client_chunks"].as_array().unwrap();
        Self {
            protocol: file["protocol"].as_str().unwrap().into(),
            chunks: chunks.iter().map(|chunk| chunk[1].as_str().unwrap().into()).collect(),
        }
    }

    pub(crate) fn transport(&self) -> Transport {
        match self.protocol.as_str() {
            "imaps" | "smtps" => Transport::Encrypted,
            "imap-starttls" | "submission-starttls" => Transport::Plain { starttls: true },
            other => panic!("{other} is no protocol of ours"),
        }
    }
}
