//! COPY and MOVE (RFC 4918, 9.8 and 9.9) as `dav-server` may see them.
//!
//! It takes a tree apart, and removes what is at the destination before it
//! begins: gone, whether or not the rest comes to pass. So for these methods it
//! is shown a folder in which nothing is at the destination and the source is in
//! one piece. It checks what the request says of locks, `If` and `Depth`, and
//! asks for one copy or one rename, which `placing` does.

use std::{future::ready, sync::Arc, time::SystemTime};

use dav_server::{
    davpath::DavPath,
    fs::{
        DavDirEntry, DavFile, DavFileSystem, DavMetaData, FsError, FsFuture, FsResult, FsStream, OpenOptions,
        ReadDirMeta,
    },
};
use http::HeaderMap;
use tokio::sync::Semaphore;

use super::{
    filesystem::blocking,
    folder::Folder,
    metadata::Metadata,
    place::Place,
    placing::{Extent, Overwrite},
};

/// The folder, for one COPY or MOVE.
#[derive(Clone)]
pub(super) struct Transfer {
    folder: Arc<Folder>,
    from: Place,
    extent: Extent,
    overwrite: Overwrite,
    few: Arc<Semaphore>,
}

impl Transfer {
    /// `from` is what the request is about. There are only `few` of an account at
    /// once: each may hold a folder open for each level of a tree.
    pub(super) fn new(folder: Arc<Folder>, from: Place, headers: &HeaderMap, few: Arc<Semaphore>) -> Self {
        let says = |name, what| headers.get_all(name).iter().any(|value| value == what);
        let extent = if says("depth", "0") { Extent::Shallow } else { Extent::Tree };
        let overwrite = match () {
            () if says("overwrite", "F") => Overwrite::No,
            () if says("overwrite", "T") => Overwrite::Said,
            () => Overwrite::Unsaid,
        };
        Self { folder, from, extent, overwrite, few }
    }

    fn look(&self, place: Place) -> FsFuture<'_, Box<dyn DavMetaData>> {
        let (folder, source) = (Arc::clone(&self.folder), place == self.from);
        Box::pin(async move {
            let metadata = blocking(move || folder.metadata(&place)).await?;
            Ok(if source { Box::new(InOnePiece(metadata)) as Box<dyn DavMetaData> } else { Box::new(metadata) })
        })
    }

    fn between(
        &self,
        from: &DavPath,
        to: &DavPath,
        work: impl FnOnce(&Folder, &Place, &Place) -> Result<(), FsError> + Send + 'static,
    ) -> FsFuture<'_, ()> {
        let (folder, few) = (Arc::clone(&self.folder), Arc::clone(&self.few));
        let places = Place::new(from).and_then(|from| Ok((from, Place::new(to)?)));
        Box::pin(async move {
            let (from, to) = places?;
            let one = few.acquire_owned().await.map_err(|_| FsError::GeneralFailure)?;
            let worked = blocking(move || {
                let worked = work(&folder, &from, &to);
                // Also if nobody waits for it any more.
                drop(one);
                worked
            });
            worked.await
        })
    }
}

impl DavFileSystem for Transfer {
    fn metadata<'a>(&'a self, path: &'a DavPath) -> FsFuture<'a, Box<dyn DavMetaData>> {
        match Place::new(path) {
            Ok(place) => self.look(place),
            Err(error) => Box::pin(ready(Err(error))),
        }
    }

    /// By this it learns what is at the destination: nothing.
    fn symlink_metadata<'a>(&'a self, path: &'a DavPath) -> FsFuture<'a, Box<dyn DavMetaData>> {
        match Place::new(path) {
            Ok(place) if place == self.from => self.look(place),
            _ => Box::pin(ready(Err(FsError::NotFound))),
        }
    }

    fn rename<'a>(&'a self, from: &'a DavPath, to: &'a DavPath) -> FsFuture<'a, ()> {
        let overwrite = self.overwrite;
        self.between(from, to, move |folder, from, to| folder.rename(from, to, overwrite))
    }

    fn copy<'a>(&'a self, from: &'a DavPath, to: &'a DavPath) -> FsFuture<'a, ()> {
        let (extent, overwrite) = (self.extent, self.overwrite);
        self.between(from, to, move |folder, from, to| folder.copy(from, to, extent, overwrite))
    }

    /// Asked for only where the destination is the source by another spelling.
    fn remove_file<'a>(&'a self, _: &'a DavPath) -> FsFuture<'a, ()> {
        Box::pin(ready(Err(FsError::Forbidden)))
    }

    fn open<'a>(&'a self, _: &'a DavPath, _: OpenOptions) -> FsFuture<'a, Box<dyn DavFile>> {
        Box::pin(ready(Err(FsError::Forbidden)))
    }

    fn read_dir<'a>(&'a self, _: &'a DavPath, _: ReadDirMeta) -> FsFuture<'a, FsStream<Box<dyn DavDirEntry>>> {
        Box::pin(ready(Err(FsError::Forbidden)))
    }
}

/// A file or a folder that is not to be taken apart.
#[derive(Clone, Debug)]
struct InOnePiece(Metadata);

impl DavMetaData for InOnePiece {
    fn len(&self) -> u64 {
        self.0.len()
    }

    fn modified(&self) -> FsResult<SystemTime> {
        self.0.modified()
    }

    fn is_dir(&self) -> bool {
        false
    }

    fn etag(&self) -> Option<String> {
        self.0.etag()
    }
}
