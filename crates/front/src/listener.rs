//! Sockets that connections come in by.

use std::{
    fs, io,
    net::{Ipv4Addr, SocketAddr},
    os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt},
    path::{Path, PathBuf},
    time::Duration,
};

use socket2::{Domain, SockAddr, SockRef, Socket, TcpKeepalive, Type};
use thiserror::Error;
use tokio::net::{TcpListener, UnixListener};

use crate::{Address, Peer, Stream};

/// Why an address cannot be listened on.
#[derive(Debug, Error)]
pub enum BindError {
    /// Somebody has it already.
    #[error(
        "{address} is in use by another program: {} shows which; stop it or choose another address",
        look_up(address)
    )]
    InUse {
        /// What was to be bound.
        address: Address,
    },
    /// A port below 1024, or a folder that is not ours.
    #[error("not allowed to listen on {address}: {}", permit(address))]
    Forbidden {
        /// What was to be bound.
        address: Address,
    },
    /// No interface has it.
    #[error(
        "this machine does not have the address of {address}: `ip address` lists those it has; `[::]` stands for all"
    )]
    NotHere {
        /// What was to be bound.
        address: Address,
    },
    /// A file that is no socket is in the way; it is left alone.
    #[error("{address} is a file and no socket: move it away or choose another path")]
    NotASocket {
        /// What was to be bound.
        address: Address,
    },
    /// Everything else.
    #[error("cannot listen on {address}: {source}; check that it is right and that its folder exists")]
    Other {
        /// What was to be bound.
        address: Address,
        /// What the system said.
        source: io::Error,
    },
}

fn look_up(address: &Address) -> String {
    match address {
        Address::Tcp(address) => format!("`ss -ltnp 'sport = :{}'`", address.port()),
        Address::Unix(path) => format!("`ss -lxp src {}`", path.display()),
    }
}

fn permit(address: &Address) -> String {
    match address {
        Address::Tcp(address) if address.port() < 1024 => {
            "ports below 1024 need CAP_NET_BIND_SERVICE (in a systemd unit: \
             `AmbientCapabilities=CAP_NET_BIND_SERVICE`), or choose a port from 1024 on"
                .to_owned()
        }
        Address::Tcp(_) => "the system forbids it; see what confines Postern (`systemctl cat`)".to_owned(),
        Address::Unix(path) => {
            format!("Postern's user must be able to write to {}", path.parent().unwrap_or(path).display())
        }
    }
}

impl BindError {
    pub(crate) fn new(address: &Address, source: io::Error) -> Self {
        let address = address.clone();
        match source.kind() {
            io::ErrorKind::AddrInUse => Self::InUse { address },
            io::ErrorKind::PermissionDenied => Self::Forbidden { address },
            io::ErrorKind::AddrNotAvailable => Self::NotHere { address },
            _ => Self::Other { address, source },
        }
    }
}

/// Connections that wait to be accepted. The kernel's own limit
/// (`net.core.somaxconn`, 4096) is above it.
const BACKLOG: i32 = 1024;

/// An open door to the network.
#[derive(Debug)]
pub(crate) enum Listener {
    Tcp(TcpListener),
    Unix(UnixListener, SocketFile),
}

/// A connection as it comes in.
#[derive(Debug)]
pub(crate) struct Accepted {
    pub(crate) stream: Stream,
    pub(crate) peer: Peer,
    pub(crate) local: Option<SocketAddr>,
}

impl Listener {
    /// Must be called within a runtime.
    pub(crate) fn bind(address: &Address) -> Result<Self, BindError> {
        match address {
            Address::Tcp(socket) => {
                let listener = listening(*socket).and_then(TcpListener::from_std);
                listener.map(Self::Tcp).map_err(|e| BindError::new(address, e))
            }
            Address::Unix(path) => bind_unix(path).map_err(|error| match error.kind() {
                io::ErrorKind::AlreadyExists => BindError::NotASocket { address: address.clone() },
                _ => BindError::new(address, error),
            }),
        }
    }

    /// Over a socket that somebody else has bound, and listens on.
    pub(crate) fn over_tcp(socket: std::net::TcpListener) -> io::Result<Self> {
        socket.set_nonblocking(true)?;
        answer_at_once(&SockRef::from(&socket))?;
        TcpListener::from_std(socket).map(Self::Tcp)
    }

    /// The same; its file stays when it is dropped.
    pub(crate) fn over_unix(socket: std::os::unix::net::UnixListener, path: PathBuf) -> io::Result<Self> {
        socket.set_nonblocking(true)?;
        Ok(Self::Unix(UnixListener::from_std(socket)?, SocketFile { path, made: None }))
    }

    /// Where it listens in truth: port 0 has become a port.
    pub(crate) fn local_address(&self) -> io::Result<Address> {
        match self {
            Self::Tcp(listener) => listener.local_addr().map(Address::Tcp),
            Self::Unix(_, file) => Ok(Address::Unix(file.path.clone())),
        }
    }

    pub(crate) async fn accept(&self) -> io::Result<Accepted> {
        match self {
            Self::Tcp(listener) => {
                let (stream, peer) = listener.accept().await?;
                let local = stream.local_addr()?;
                Ok(Accepted {
                    stream: stream.into(),
                    peer: peer.into(),
                    local: Some(SocketAddr::new(local.ip().to_canonical(), local.port())),
                })
            }
            Self::Unix(listener, _) => {
                let (stream, _) = listener.accept().await?;
                Ok(Accepted { stream: stream.into(), peer: Peer::LOCAL, local: None })
            }
        }
    }
}

/// Bound, and listening, outside of any runtime.
pub(crate) fn listening(address: SocketAddr) -> io::Result<std::net::TcpListener> {
    let socket = match tcp_socket(address) {
        // `[::]` means every address; a machine without IPv6 has fewer of them.
        Err(error) if address.ip().is_unspecified() && address.is_ipv6() && no_ipv6(&error) => {
            tcp_socket(SocketAddr::new(Ipv4Addr::UNSPECIFIED.into(), address.port()))?
        }
        socket => socket?,
    };
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

fn tcp_socket(address: SocketAddr) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
    socket.set_nonblocking(true)?;
    // A restarted server must not wait for the old one's connections to fade.
    socket.set_reuse_address(true)?;
    if address.is_ipv6() && address.ip().is_unspecified() {
        socket.set_only_v6(false)?;
    }
    answer_at_once(&SockRef::from(&socket))?;
    socket.bind(&address.into())?;
    Ok(socket)
}

fn answer_at_once(socket: &SockRef<'_>) -> io::Result<()> {
    // Accepted sockets inherit both (tcp(7)). Without the first, a line that
    // follows another waits some 40 ms for a delayed ACK (Nagle). The second
    // finds phones that left their network in an idle IMAP session; it is slow
    // enough not to wake those that are still there all the time.
    socket.set_tcp_nodelay(true)?;
    socket.set_tcp_keepalive(
        &TcpKeepalive::new().with_time(Duration::from_secs(300)).with_interval(Duration::from_secs(60)).with_retries(4),
    )
}

/// The module is missing (EAFNOSUPPORT) or switched off by sysctl (EADDRNOTAVAIL).
fn no_ipv6(error: &io::Error) -> bool {
    const EAFNOSUPPORT: i32 = 97;
    error.raw_os_error() == Some(EAFNOSUPPORT) || error.kind() == io::ErrorKind::AddrNotAvailable
}

fn bind_unix(path: &Path) -> io::Result<Listener> {
    let address = SockAddr::unix(path)?;
    remove_if_stale(path, &address)?;
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address)?;
    // Before listening, while nobody can connect: the web server's user comes
    // in by the group, others not at all.
    fs::set_permissions(path, fs::Permissions::from_mode(0o660))?;
    let file = SocketFile::at(path)?;
    socket.listen(BACKLOG)?;
    Ok(Listener::Unix(UnixListener::from_std(socket.into())?, file))
}

/// A server that was killed leaves its socket behind; one that lives answers.
fn remove_if_stale(path: &Path, address: &SockAddr) -> io::Result<()> {
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
        Ok(found) if !found.file_type().is_socket() => {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        Ok(_) => {}
    }
    let probe = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    probe.set_nonblocking(true)?;
    match probe.connect(address) {
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => fs::remove_file(path),
        // A full backlog (EAGAIN) is somebody too.
        Ok(()) => Err(io::ErrorKind::AddrInUse.into()),
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Err(io::ErrorKind::AddrInUse.into()),
        Err(error) => Err(error),
    }
}

/// A Unix socket's file, removed with its listener if it was made with it.
#[derive(Debug)]
pub(crate) struct SocketFile {
    path: PathBuf,
    made: Option<(u64, u64)>,
}

impl SocketFile {
    fn at(path: &Path) -> io::Result<Self> {
        Ok(Self { path: path.to_owned(), made: Some(identity(path)?) })
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        // Not one that a successor has put there meanwhile.
        if self.made.is_some() && identity(&self.path).ok() == self.made {
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Device and inode.
fn identity(path: &Path) -> io::Result<(u64, u64)> {
    fs::symlink_metadata(path).map(|file| (file.dev(), file.ino()))
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpStream;

    use super::*;
    use crate::stream::Transport;

    #[tokio::test]
    async fn accepted_sockets_send_at_once_and_find_dead_clients() {
        let listener = Listener::bind(&"127.0.0.1:0".parse().unwrap()).unwrap();
        let Address::Tcp(address) = listener.local_address().unwrap() else { panic!("not TCP") };
        let _client = TcpStream::connect(address).await.unwrap();
        let mut accepted = listener.accept().await.unwrap();
        let Some(Transport::Tcp(stream)) = accepted.stream.plain() else { panic!("not TCP") };
        let socket = SockRef::from(&*stream);
        assert!(socket.tcp_nodelay().unwrap());
        assert!(socket.keepalive().unwrap());
        assert_eq!(socket.tcp_keepalive_time().unwrap(), Duration::from_secs(300));
    }

    #[test]
    fn a_refusal_says_what_would_allow_it() {
        for (address, hint) in [
            ("[::]:993", "AmbientCapabilities=CAP_NET_BIND_SERVICE"),
            ("[::]:8443", "`systemctl cat`"),
            ("unix:/run/postern/imap.sock", "able to write to /run/postern"),
        ] {
            let refusal = io::ErrorKind::PermissionDenied.into();
            let error = BindError::new(&address.parse().unwrap(), refusal).to_string();
            assert!(error.starts_with(&format!("not allowed to listen on {address}: ")), "{error}");
            assert!(error.contains(hint), "{error}");
        }
    }

    #[test]
    fn a_machine_without_ipv6_is_recognised() {
        assert!(no_ipv6(&io::Error::from_raw_os_error(97)));
        assert!(no_ipv6(&io::ErrorKind::AddrNotAvailable.into()));
        assert!(!no_ipv6(&io::ErrorKind::AddrInUse.into()));
    }
}
