//! Sockets that whoever started this program listens on already: systemd's
//! sd_listen_fds(3). They are told apart by their addresses, as the configuration
//! has them, so that it is the same with such sockets and without.

use std::{env, io, net::TcpListener, os::unix::net::UnixListener, path::Path};

use listenfd::ListenFd;
use thiserror::Error;

use crate::{
    Address, BindError,
    listener::{Listener, listening},
};

/// What was passed on, and not yet taken.
#[derive(Debug, Default)]
pub struct Passed(Vec<Socket>);

#[derive(Debug)]
struct Socket {
    name: String,
    address: Address,
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    Tcp(TcpListener),
    Unix(UnixListener),
}

/// Why a socket that was passed on is of no use.
#[derive(Debug, Error)]
pub enum NotPassed {
    /// Datagrams, a FIFO, or nothing at all.
    #[error("what was passed on as `{name}` is no listener of TCP or Unix streams: {source}; ListenStream= makes one")]
    Kind {
        /// Its name, FileDescriptorName= of the unit.
        name: String,
        /// What the system said.
        source: io::Error,
    },
    /// Connections to it would never be answered.
    #[error(
        "the socket {address} was passed on as `{name}`, and no `listen` has that address: \
         add it there, or take it out of the socket unit"
    )]
    Unasked {
        /// Where it listens.
        address: Address,
        /// Its name.
        name: String,
    },
}

impl Passed {
    /// Takes them over. To be called before there are other threads, since it
    /// takes them out of the environment as well: what this program starts must not
    /// think that they are meant for it.
    ///
    /// # Errors
    /// Something else than listeners was passed on.
    pub fn take_over() -> Result<Self, NotPassed> {
        let names = env::var("LISTEN_FDNAMES").unwrap_or_default();
        let mut names = names.split(':').filter(|name| !name.is_empty());
        let mut passed = ListenFd::from_env();
        let sockets = (0..passed.len()).map(|at| {
            let name = names.next().unwrap_or("unknown").to_owned();
            socket(&mut passed, at)
                .map_err(|source| NotPassed::Kind { name: name.clone(), source })
                .map(|(address, kind)| Socket { name, address, kind })
        });
        sockets.collect::<Result<_, _>>().map(Self)
    }

    /// Listens on a TCP address now, for it to be taken later: while the process may
    /// still do what it cannot afterwards. What is there already stays.
    ///
    /// # Errors
    /// Names the address that cannot be had, and what to do.
    pub fn bind_ahead(&mut self, address: &Address) -> Result<(), BindError> {
        let Address::Tcp(socket) = address else { return Ok(()) };
        if self.0.iter().any(|passed| passed.address == *address) {
            return Ok(());
        }
        let listener = listening(*socket).map_err(|error| BindError::new(address, error))?;
        self.0.push(Socket { name: "ahead".into(), address: address.clone(), kind: Kind::Tcp(listener) });
        Ok(())
    }

    /// The listener at this address, if it is among them. Within a runtime.
    pub(crate) fn take(&mut self, address: &Address) -> Option<io::Result<Listener>> {
        let at = self.0.iter().position(|socket| socket.address == *address)?;
        let Socket { address, kind, .. } = self.0.swap_remove(at);
        Some(match (kind, address) {
            (Kind::Tcp(listener), _) => Listener::over_tcp(listener),
            (Kind::Unix(listener), Address::Unix(path)) => Listener::over_unix(listener, path),
            (Kind::Unix(_), Address::Tcp(_)) => Err(io::ErrorKind::InvalidInput.into()),
        })
    }

    /// All were asked for.
    ///
    /// # Errors
    /// Names one that was not.
    pub fn none_left(&self) -> Result<(), NotPassed> {
        match self.0.first() {
            None => Ok(()),
            Some(Socket { name, address, .. }) => {
                Err(NotPassed::Unasked { address: address.clone(), name: name.clone() })
            }
        }
    }
}

fn socket(passed: &mut ListenFd, at: usize) -> io::Result<(Address, Kind)> {
    let gone = || io::Error::from(io::ErrorKind::NotFound);
    if let Ok(listener) = passed.take_tcp_listener(at) {
        let listener = listener.ok_or_else(gone)?;
        return Ok((Address::Tcp(listener.local_addr()?), Kind::Tcp(listener)));
    }
    let listener = passed.take_unix_listener(at)?.ok_or_else(gone)?;
    let path = listener.local_addr()?.as_pathname().map(Path::to_owned).ok_or_else(gone)?;
    Ok((Address::Unix(path), Kind::Unix(listener)))
}
