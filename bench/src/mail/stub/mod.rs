//! Servers that cost next to nothing, behind whatever is measured: they let everybody
//! in. What they say is what all peers have to find there.

mod imap;
mod terse;

pub(super) use imap::{MESSAGE, MESSAGES};
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    net::tcp::OwnedReadHalf,
};

use super::Protocol;
use crate::Outcome;

/// Serves until it is killed.
pub(crate) fn serve(protocol: Protocol, port: u16) -> Outcome<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let listener = super::pump::listen(port)?;
        let message: &'static [u8] = Box::leak(vec![b'x'; MESSAGE].into_boxed_slice());
        loop {
            let (stream, _) = listener.accept().await?;
            stream.set_nodelay(true)?;
            tokio::spawn(async move {
                // Clients and proxies that go away are nothing to speak of.
                let _ = match protocol {
                    Protocol::Imap => imap::talk(stream, message).await,
                    other => terse::talk(other, stream).await,
                };
            });
        }
    })
}

/// The next line, without its end. False when there is none.
async fn next(read: &mut BufReader<OwnedReadHalf>, line: &mut String) -> Outcome<bool> {
    line.clear();
    let any = read.read_line(line).await? > 0;
    line.truncate(line.trim_end().len());
    Ok(any)
}
