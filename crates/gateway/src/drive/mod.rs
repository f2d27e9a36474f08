//! The drive: a WebDAV folder (RFC 4918) per account, inside Postern.
//!
//! `dav-server` speaks the protocol; the folder under it is ours, because it is
//! the wall between accounts: names are taken one step at a time from open
//! folders, links are never followed, a file or a tree appears when it is whole
//! and not before what it replaces goes, each octet is charged to its account
//! before it is written, and nothing happens once its session was ended. The
//! locks are ours, so that they end.
//!
//! The folder of an account is named by its stable id. Other programs may read
//! it; what they add or remove is counted after a restart.

mod filesystem;
mod folder;
mod incoming;
mod ledger;
mod locks;
mod metadata;
mod place;
mod placing;
mod properties;
mod request;
mod steps;
mod terms;
mod transfer;
mod tree;
mod upload;
mod xml;

use std::{
    collections::HashMap,
    error::Error,
    io,
    os::fd::{AsFd, OwnedFd},
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
};

use bytes::Bytes;
use dav_server::{
    DavHandler, DavMethod, DavMethodSet,
    fs::{FsError, GuardedFileSystem},
};
use http::{Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Full, Limited};
use rand_core::Rng;
use tokio::sync::{OnceCell, Semaphore};

pub use self::terms::Standing;
use self::{
    filesystem::{FileSystem, blocking},
    folder::Folder,
    incoming::Incoming,
    ledger::Ledger,
    locks::{Locks, Tokens},
    place::Name,
    terms::{Changes, Terms},
    transfer::Transfer,
};
use crate::http::body::{self, Body};

/// How much of a file is read at once, in octets.
const READ: usize = 128 * 1024;

/// How many trees of one account are copied or moved at once; others wait.
const TRANSFERS: usize = 4;

/// All accounts' folders.
#[derive(Debug)]
pub struct Drive {
    folder: OwnedFd,
    incoming: Arc<Incoming>,
    limit: u64,
    tokens: Tokens,
    accounts: Mutex<HashMap<Box<str>, Arc<Account>>>,
}

/// What is known of an account between requests.
#[derive(Debug)]
struct Account {
    name: Name,
    ledger: OnceCell<Arc<Ledger>>,
    changes: Arc<Changes>,
    transfers: Arc<Semaphore>,
    locks: Locks,
}

impl Drive {
    /// A drive in the folder `root`, made if it is not there, with at most
    /// `limit` octets for each account. A file costs 4 KiB beside its octets, a
    /// folder just that. Locks are named by numbers from `random`.
    ///
    /// # Errors
    /// When the folder cannot be made, opened, or rid of unfinished uploads.
    pub fn new(root: PathBuf, limit: u64, random: Box<dyn Rng + Send>) -> io::Result<Self> {
        let folder = incoming::open_drive(&root)?;
        let incoming = Arc::new(Incoming::open(&folder)?);
        Ok(Self { folder, incoming, limit, tokens: Tokens::new(random), accounts: Mutex::default() })
    }

    /// Answers a request of an account that has signed in. `account` is its
    /// stable id, of a-z, 0-9 and `-`; any other is answered 500. Once `standing`
    /// is ended nothing of the request is put in its place any more.
    pub async fn answer<B>(&self, account: &str, standing: Arc<dyn Standing>, request: Request<B>) -> Response<Body>
    where
        B: http_body::Body<Data = Bytes> + Send + 'static,
        B::Error: Error + Send + Sync + 'static,
    {
        let Some(account) = self.account(account) else {
            tracing::error!("an account's id is unfit to name a folder");
            return refused(StatusCode::INTERNAL_SERVER_ERROR);
        };
        match self.handle(&account, standing, request).await {
            Ok(answer) => answer,
            Err(status) => refused(status),
        }
    }

    async fn handle<B>(
        &self,
        account: &Account,
        standing: Arc<dyn Standing>,
        request: Request<B>,
    ) -> Result<Response<Body>, StatusCode>
    where
        B: http_body::Body<Data = Bytes> + Send + 'static,
        B::Error: Error + Send + Sync + 'static,
    {
        let (mut parts, body) = request.into_parts();
        request::check_head(&parts.method, &mut parts.headers)?;
        let folder = Arc::new(self.open(account, standing).await.map_err(|_logged| StatusCode::INTERNAL_SERVER_ERROR)?);
        let terms = folder.terms.clone();
        let handler = match parts.method.as_str() {
            "COPY" | "MOVE" => {
                let from = request::place(&parts.uri)?;
                let to = request::destination(&parts.uri, &parts.headers)?;
                placing::apart(&from, &to).map_err(|_| StatusCode::FORBIDDEN)?;
                handler(account, Box::new(Transfer::new(folder, from, &parts.headers, Arc::clone(&account.transfers))))
            }
            "PUT" if request::is_for_a_version(&parts.headers) => {
                let place = request::place(&parts.uri)?;
                handler(account, Box::new(FileSystem::onto_what_is_at(folder, place).await))
            }
            _ => handler(account, Box::new(FileSystem::new(folder))),
        };
        let mut answer = match xml::bounds(&parts.method) {
            None => handler.handle(Request::from_parts(parts, body)).await,
            Some(bounds) => {
                let body = Limited::new(body, bounds.octets).collect().await;
                let body = body.map_err(|_| StatusCode::PAYLOAD_TOO_LARGE)?.to_bytes();
                bounds.check(&body)?;
                // Without a body it refreshes a lock that is there.
                if parts.method.as_str() == "LOCK" && !body.is_empty() {
                    request::place(&parts.uri)?;
                    if account.locks.are_full() {
                        return Err(StatusCode::INSUFFICIENT_STORAGE);
                    }
                }
                handler.handle(Request::from_parts(parts, Full::new(body))).await
            }
        };
        if let Some(status) = terms.said() {
            *answer.status_mut() = status;
        }
        Ok(answer.map(body::from_body))
    }

    fn account(&self, id: &str) -> Option<Arc<Account>> {
        let fit = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
        let name = Name::new(id.as_bytes()).filter(|_| id.len() <= 64 && id.bytes().all(fit))?;
        let mut accounts = self.accounts.lock().unwrap_or_else(PoisonError::into_inner);
        let account = accounts.entry(id.into()).or_insert_with(|| {
            Arc::new(Account {
                name,
                ledger: OnceCell::new(),
                changes: Arc::default(),
                transfers: Arc::new(Semaphore::new(TRANSFERS)),
                locks: Locks::new(self.tokens.clone()),
            })
        });
        Some(Arc::clone(account))
    }

    /// Opens the account's folder; the first time, all in it is counted.
    async fn open(&self, account: &Account, standing: Arc<dyn Standing>) -> Result<Folder, FsError> {
        let drive = self.folder.try_clone().map_err(|error| steps::failure(&error))?;
        let name = account.name.clone();
        let root = blocking(move || folder::open_root(drive.as_fd(), &name)).await?;
        let count = async || {
            let root = root.try_clone().map_err(|error| steps::failure(&error))?;
            let size = blocking(move || tree::measure(root)).await?;
            Ok::<_, FsError>(Arc::new(Ledger::new(self.limit, size.cost)))
        };
        let ledger = Arc::clone(account.ledger.get_or_try_init(count).await?);
        Ok(Folder::new(root, Terms::new(ledger, Arc::clone(&self.incoming), Arc::clone(&account.changes), standing)))
    }
}

fn handler(account: &Account, folder: Box<dyn GuardedFileSystem<()>>) -> DavHandler {
    let mut methods = DavMethodSet::all();
    // Writes into the middle of a file, which could not be taken back.
    methods.remove(DavMethod::Patch);
    DavHandler::builder()
        .filesystem(folder)
        .locksystem(Box::new(account.locks.clone()))
        .methods(methods)
        .autoindex(false)
        .read_buf_size(READ)
        .build_handler()
}

fn refused(status: StatusCode) -> Response<Body> {
    let mut answer = Response::new(body::empty());
    *answer.status_mut() = status;
    // The body that came with it may not have been read.
    answer.headers_mut().insert(header::CONNECTION, header::HeaderValue::from_static("close"));
    answer
}
