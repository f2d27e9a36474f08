//! Where a copy of the audit goes.

use std::{
    fmt,
    fs::OpenOptions,
    io::{self, Read, Seek, SeekFrom, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    str::FromStr,
    time::Duration,
};

use tokio::{net::UnixDatagram, time::timeout};

/// Facility `authpriv`, severity `notice` (RFC 5424, 6.2.1).
const PRIORITY: u8 = 10 * 8 + 5;
/// Who reads the socket and is behind is waited for so long.
const PATIENCE: Duration = Duration::from_secs(5);

/// Where to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum CopyTo {
    /// Added to its end, a JSON object a line.
    File(PathBuf),
    /// The socket of the system's logger, which keeps it or sends it on.
    Syslog(PathBuf),
}

impl CopyTo {
    pub(crate) fn path(&self) -> &Path {
        match self {
            Self::File(path) | Self::Syslog(path) => path,
        }
    }

    pub(crate) fn path_mut(&mut self) -> &mut PathBuf {
        match self {
            Self::File(path) | Self::Syslog(path) => path,
        }
    }

    /// Sends these lines; how many of them have gone, in order.
    pub(super) async fn send(&self, lines: Vec<String>) -> (usize, io::Result<()>) {
        match self {
            Self::File(path) => {
                let (path, count) = (path.clone(), lines.len());
                let added = tokio::task::spawn_blocking(move || add(&path, &lines)).await;
                match added.unwrap_or_else(|error| Err(io::Error::other(error))) {
                    Ok(()) => (count, Ok(())),
                    Err(error) => (0, Err(error)),
                }
            }
            Self::Syslog(path) => {
                let mut sent = 0;
                let outcome = log(path, &lines, &mut sent).await;
                (sent, outcome)
            }
        }
    }
}

/// Opened each time: whoever rotates it has to tell nobody.
fn add(path: &Path, lines: &[String]) -> io::Result<()> {
    let mut file = OpenOptions::new().read(true).append(true).create(true).mode(0o600).open(path)?;
    let mut text = String::new();
    // What a full disk took half of stands on a line of its own, and comes again.
    if file.seek(SeekFrom::End(0))? > 0 {
        file.seek(SeekFrom::End(-1))?;
        let mut last = [0];
        file.read_exact(&mut last)?;
        if last != *b"\n" {
            text.push('\n');
        }
    }
    for line in lines {
        text.push_str(line);
        text.push('\n');
    }
    file.write_all(text.as_bytes())?;
    file.sync_data()
}

/// As programs speak to `/dev/log`. The time is in the line; loggers here go by their own.
async fn log(path: &Path, lines: &[String], sent: &mut usize) -> io::Result<()> {
    let socket = UnixDatagram::unbound()?;
    for line in lines {
        let message = format!("<{PRIORITY}>postern[{}]: {line}", std::process::id());
        let sending = timeout(PATIENCE, socket.send_to(message.as_bytes(), path));
        sending.await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))?;
        *sent += 1;
    }
    Ok(())
}

impl FromStr for CopyTo {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const FORM: &str =
            "expected a file, \"/var/log/postern/audit.jsonl\", or the system's logger, \"unix:/dev/log\"";
        match text.strip_prefix("unix:") {
            Some("") => Err(FORM),
            Some(path) => Ok(Self::Syslog(path.into())),
            None if text.is_empty() || text.ends_with('/') || text.contains("://") => Err(FORM),
            None => Ok(Self::File(text.into())),
        }
    }
}

impl fmt::Display for CopyTo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.path().display().fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_that_was_written_by_half_takes_no_other_with_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("audit.jsonl");
        add(&path, &["one".to_owned(), "two".to_owned()]).unwrap();
        std::fs::write(&path, "one\ntw").unwrap();
        add(&path, &["two".to_owned()]).unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "one\ntw\ntwo\n");
    }

    #[test]
    fn places_are_read() {
        assert_eq!("unix:/dev/log".parse(), Ok(CopyTo::Syslog("/dev/log".into())));
        assert_eq!("audit.jsonl".parse(), Ok(CopyTo::File("audit.jsonl".into())));
        for bad in ["", "unix:", "/var/log/", "udp://192.0.2.1:514"] {
            assert!(bad.parse::<CopyTo>().unwrap_err().contains("/dev/log"), "{bad}");
        }
    }
}
