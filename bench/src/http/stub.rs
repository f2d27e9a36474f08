//! A server behind that answers "204 No Content" to everything, at once.

use std::net::Ipv4Addr;

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};

use crate::Outcome;

/// Serves until it is ended.
pub(crate) fn serve(port: u16) -> Outcome<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await?;
        loop {
            let (mut stream, _) = listener.accept().await?;
            stream.set_nodelay(true)?;
            tokio::spawn(async move {
                let mut heard = Vec::with_capacity(4096);
                while let Ok(1..) = stream.read_buf(&mut heard).await {
                    // Nobody sends a body, nor two requests at once.
                    if heard.ends_with(b"\r\n\r\n") {
                        heard.clear();
                        if stream.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").await.is_err() {
                            return;
                        }
                    }
                }
            });
        }
    })
}
