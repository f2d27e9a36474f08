//! The control socket: one line of JSON in, one out, from root or the server's
//! own user.

use std::{
    fs, io,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use front::Shutdown;
use keeper::Keeper;
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::{UnixListener, UnixStream},
    sync::watch,
    time::timeout,
};
use zeroize::Zeroizing;

use super::{Command, Outcome, Uid, execute};
use crate::{canary::Canary, config::Config};

/// Longer requests are nobody's of ours.
const LONGEST: u64 = 64 * 1024;
/// A request is written in one go.
const REQUEST: Duration = Duration::from_secs(5);

pub(crate) fn path(config: &Config) -> PathBuf {
    config.data.join("control.sock")
}

/// The server's end.
pub(crate) struct Control {
    listener: UnixListener,
    path: PathBuf,
}

impl Control {
    /// Binds the socket, mode 0600. Whoever holds the store's lock may replace
    /// a socket that was left behind.
    pub(crate) fn bind(path: PathBuf) -> io::Result<Self> {
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        // The folder is 0700, so nobody is in before the mode is set.
        let listener = UnixListener::bind(&path)?;
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600))?;
        Ok(Self { listener, path })
    }

    /// Serves until shutdown, each request by the configuration as it is then.
    pub(crate) async fn serve(
        self,
        keeper: Arc<Keeper>,
        current: watch::Receiver<Arc<Config>>,
        canary: Arc<Canary>,
        shutdown: Shutdown,
    ) {
        loop {
            let accepted = tokio::select! {
                accepted = self.listener.accept() => accepted,
                () = shutdown.requested() => break,
            };
            let Ok((stream, _)) = accepted else { continue };
            let (keeper, config, canary) = (keeper.clone(), current.borrow().clone(), canary.clone());
            tokio::spawn(async move {
                if let Err(error) = answer(stream, &keeper, &config, &canary).await {
                    tracing::debug!(%error, "a control connection broke");
                }
            });
        }
        let _ = fs::remove_file(&self.path);
    }
}

async fn answer(mut stream: UnixStream, keeper: &Keeper, config: &Config, canary: &Canary) -> io::Result<()> {
    // The file's mode says so already; a socket passed on by somebody says it again.
    let uid = stream.peer_cred()?.uid();
    if uid != 0 && uid != rustix::process::geteuid().as_raw() {
        return Ok(());
    }
    let mut line = Zeroizing::new(String::new());
    let (reader, mut writer) = stream.split();
    let mut reader = BufReader::new(reader.take(LONGEST));
    timeout(REQUEST, reader.read_line(&mut line)).await??;
    let outcome = match serde_json::from_str::<Command>(&line) {
        Ok(command) => execute(keeper, config, canary, Uid(uid), command).await,
        // The text may hold a secret: it is not repeated.
        Err(_) => Outcome::Refused {
            why: "the server does not know this command: use the `postern` it was started from".into(),
        },
    };
    let mut reply = Zeroizing::new(serde_json::to_vec(&outcome)?);
    reply.push(b'\n');
    writer.write_all(&reply).await?;
    writer.shutdown().await
}

/// Asks the running server. `None` when none is running.
pub(crate) async fn ask(path: &Path, command: &Command) -> io::Result<Option<Outcome>> {
    let mut stream = match UnixStream::connect(path).await {
        Ok(stream) => stream,
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused) => {
            return Ok(None);
        }
        Err(error) => return Err(error),
    };
    let mut request = Zeroizing::new(serde_json::to_vec(command)?);
    request.push(b'\n');
    stream.write_all(&request).await?;
    let mut reply = Zeroizing::new(Vec::new());
    stream.read_to_end(&mut reply).await?;
    match serde_json::from_slice(&reply) {
        Ok(outcome) => Ok(Some(outcome)),
        Err(_) => Err(io::Error::new(
            io::ErrorKind::PermissionDenied,
            "the server hung up: only root and its own user may ask it",
        )),
    }
}
