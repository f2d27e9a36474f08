//! One account's folder as `dav-server` wants to see it.

use std::{fmt, fs::File, future::ready, io::SeekFrom, os::unix::fs::FileExt, pin::Pin, sync::Arc};

use bytes::{Buf, Bytes};
use dav_server::{
    davpath::DavPath,
    fs::{
        DavDirEntry, DavFile, DavFileSystem, DavMetaData, DavProp, FsError, FsFuture, FsStream, OpenOptions,
        ReadDirMeta,
    },
};
use futures_util::stream;
use http::StatusCode;

use super::{
    folder::Folder,
    metadata::Metadata,
    place::{Name, Place},
    properties,
    steps::failure,
    upload::{Creation, Upload},
};

/// The folder, for one request that is no COPY or MOVE: those are a [`Transfer`](super::transfer::Transfer).
#[derive(Clone)]
pub(super) struct FileSystem {
    folder: Arc<Folder>,
    /// What a file that is written must find in its place, if the request has a
    /// condition that says more than `dav-server` hands on.
    onto: Option<Creation>,
}

impl FileSystem {
    pub(super) fn new(folder: Arc<Folder>) -> Self {
        Self { folder, onto: None }
    }

    /// For an upload that has its conditions checked against what is there now.
    pub(super) async fn onto_what_is_at(folder: Arc<Folder>, place: Place) -> Self {
        let looking = Arc::clone(&folder);
        let there = blocking(move || looking.metadata(&place)).await.ok();
        Self { folder, onto: Some(Creation::Onto(there.and_then(|there| there.etag()))) }
    }

    /// Does something with the folder at a place, where it may block.
    fn at<'a, T: Send + 'static>(
        &'a self,
        path: &DavPath,
        work: impl FnOnce(&Folder, &Place) -> Result<T, FsError> + Send + 'static,
    ) -> FsFuture<'a, T> {
        let (folder, place) = (Arc::clone(&self.folder), Place::new(path));
        Box::pin(async move {
            let place = place?;
            blocking(move || work(&folder, &place)).await
        })
    }
}

pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, FsError> + Send + 'static,
) -> Result<T, FsError> {
    // Fails only if the work panicked or the runtime is going down.
    tokio::task::spawn_blocking(work).await.unwrap_or(Err(FsError::GeneralFailure))
}

fn boxed(metadata: Metadata) -> Box<dyn DavMetaData> {
    Box::new(metadata)
}

impl DavFileSystem for FileSystem {
    fn open<'a>(&'a self, path: &'a DavPath, options: OpenOptions) -> FsFuture<'a, Box<dyn DavFile>> {
        if !options.write {
            return self.at(path, |folder, place| {
                let (file, metadata) = folder.read(place)?;
                Ok(Box::new(Download { file: Arc::new(file), metadata, at: 0 }) as Box<dyn DavFile>)
            });
        }
        let creation = self.onto.clone().unwrap_or(match options {
            OpenOptions { create_new: true, .. } => Creation::New,
            OpenOptions { create: false, .. } => Creation::Old,
            _ => Creation::Either,
        });
        self.at(path, move |folder, place| {
            let mut open = Uploading { upload: None, done: None };
            if options.truncate {
                open.upload = Some(folder.upload(place, options.size, creation)?);
            } else {
                // LOCK of a name that is not there makes an empty file (RFC
                // 4918, 7.3) and never writes to it.
                open.done = Some(folder.upload(place, Some(0), Creation::New)?.commit()?);
            }
            Ok(Box::new(open) as Box<dyn DavFile>)
        })
    }

    fn read_dir<'a>(&'a self, path: &'a DavPath, _meta: ReadDirMeta) -> FsFuture<'a, FsStream<Box<dyn DavDirEntry>>> {
        self.at(path, |folder, place| {
            let entries = folder.list(place)?.into_iter();
            let entries =
                entries.map(|(name, metadata)| Ok(Box::new(Entry { name, metadata }) as Box<dyn DavDirEntry>));
            Ok(Box::pin(stream::iter(entries)) as FsStream<_>)
        })
    }

    fn metadata<'a>(&'a self, path: &'a DavPath) -> FsFuture<'a, Box<dyn DavMetaData>> {
        self.at(path, |folder, place| folder.metadata(place).map(boxed))
    }

    fn create_dir<'a>(&'a self, path: &'a DavPath) -> FsFuture<'a, ()> {
        self.at(path, Folder::create_folder)
    }

    fn remove_dir<'a>(&'a self, path: &'a DavPath) -> FsFuture<'a, ()> {
        self.at(path, Folder::remove_folder)
    }

    fn remove_file<'a>(&'a self, path: &'a DavPath) -> FsFuture<'a, ()> {
        self.at(path, Folder::remove_file)
    }

    fn have_props<'a>(&'a self, _path: &'a DavPath) -> Pin<Box<dyn Future<Output = bool> + Send + 'a>> {
        Box::pin(ready(true))
    }

    /// All or nothing: one status for each.
    fn patch_props<'a>(
        &'a self,
        path: &'a DavPath,
        patch: Vec<(bool, DavProp)>,
    ) -> FsFuture<'a, Vec<(StatusCode, DavProp)>> {
        self.at(path, move |folder, place| {
            let answers: Vec<DavProp> =
                patch.iter().map(|(_, property)| DavProp { xml: None, ..property.clone() }).collect();
            let change = |held: &mut Vec<DavProp>| {
                for (set, property) in patch {
                    held.retain(|old| !properties::same(old, &property));
                    if set {
                        held.push(property);
                    }
                }
            };
            let status = match folder.change_properties(place, change) {
                Ok(()) => StatusCode::OK,
                Err(FsError::InsufficientStorage) => StatusCode::INSUFFICIENT_STORAGE,
                Err(FsError::Forbidden) => StatusCode::FORBIDDEN,
                Err(error) => return Err(error),
            };
            Ok(answers.into_iter().map(|property| (status, property)).collect())
        })
    }

    fn get_props<'a>(&'a self, path: &'a DavPath, do_content: bool) -> FsFuture<'a, Vec<DavProp>> {
        self.at(path, move |folder, place| {
            let mut held = folder.properties(place)?;
            if !do_content {
                held.iter_mut().for_each(|property| property.xml = None);
            }
            Ok(held)
        })
    }

    fn get_prop<'a>(&'a self, path: &'a DavPath, prop: DavProp) -> FsFuture<'a, Vec<u8>> {
        self.at(path, move |folder, place| {
            let held = folder.properties(place)?;
            held.into_iter()
                .find(|held| properties::same(held, &prop))
                .and_then(|held| held.xml)
                .ok_or(FsError::NotFound)
        })
    }

    fn get_quota(&self) -> FsFuture<'_, (u64, Option<u64>)> {
        let ledger = &self.folder.terms.ledger;
        Box::pin(ready(Ok((ledger.used(), Some(ledger.limit())))))
    }
}

struct Entry {
    name: Name,
    metadata: Metadata,
}

impl DavDirEntry for Entry {
    fn name(&self) -> Vec<u8> {
        self.name.as_bytes().to_vec()
    }

    fn metadata(&self) -> FsFuture<'_, Box<dyn DavMetaData>> {
        Box::pin(ready(Ok(boxed(self.metadata.clone()))))
    }
}

/// A file being read. It stays what it was when it was opened: whoever writes,
/// writes another.
#[derive(Debug)]
struct Download {
    file: Arc<File>,
    metadata: Metadata,
    at: u64,
}

impl DavFile for Download {
    fn metadata(&mut self) -> FsFuture<'_, Box<dyn DavMetaData>> {
        Box::pin(ready(Ok(boxed(self.metadata.clone()))))
    }

    fn read_bytes(&mut self, count: usize) -> FsFuture<'_, Bytes> {
        let (file, at) = (Arc::clone(&self.file), self.at);
        Box::pin(async move {
            let octets = blocking(move || {
                let mut octets = vec![0; count];
                let read = file.read_at(&mut octets, at).map_err(|error| failure(&error))?;
                octets.truncate(read);
                Ok(Bytes::from(octets))
            });
            let octets = octets.await?;
            self.at += octets.len() as u64;
            Ok(octets)
        })
    }

    fn seek(&mut self, pos: SeekFrom) -> FsFuture<'_, u64> {
        let SeekFrom::Start(at) = pos else { return Box::pin(ready(Err(FsError::NotImplemented))) };
        self.at = at;
        Box::pin(ready(Ok(at)))
    }

    fn write_buf(&mut self, _: Box<dyn Buf + Send>) -> FsFuture<'_, ()> {
        Box::pin(ready(Err(FsError::Forbidden)))
    }

    fn write_bytes(&mut self, _: Bytes) -> FsFuture<'_, ()> {
        Box::pin(ready(Err(FsError::Forbidden)))
    }

    fn flush(&mut self) -> FsFuture<'_, ()> {
        Box::pin(ready(Ok(())))
    }
}

/// A file being written. `dav-server` flushes it once, when the body is whole;
/// dropped before that it leaves nothing.
struct Uploading {
    upload: Option<Upload>,
    done: Option<(File, Metadata)>,
}

impl fmt::Debug for Uploading {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Uploading").field("upload", &self.upload).finish_non_exhaustive()
    }
}

impl DavFile for Uploading {
    fn metadata(&mut self) -> FsFuture<'_, Box<dyn DavMetaData>> {
        let metadata = self.done.as_ref().map(|(_, metadata)| boxed(metadata.clone()));
        Box::pin(ready(metadata.ok_or(FsError::GeneralFailure)))
    }

    fn write_bytes(&mut self, octets: Bytes) -> FsFuture<'_, ()> {
        Box::pin(async move {
            let mut upload = self.upload.take().ok_or(FsError::GeneralFailure)?;
            let upload = blocking(move || upload.write(&octets).map(|()| upload));
            self.upload = Some(upload.await?);
            Ok(())
        })
    }

    fn write_buf(&mut self, mut octets: Box<dyn Buf + Send>) -> FsFuture<'_, ()> {
        let octets = octets.copy_to_bytes(octets.remaining());
        self.write_bytes(octets)
    }

    fn flush(&mut self) -> FsFuture<'_, ()> {
        Box::pin(async move {
            let upload = self.upload.take().ok_or(FsError::GeneralFailure)?;
            self.done = Some(blocking(move || upload.commit()).await?);
            Ok(())
        })
    }

    fn read_bytes(&mut self, _: usize) -> FsFuture<'_, Bytes> {
        Box::pin(ready(Err(FsError::Forbidden)))
    }

    /// Writing into the middle of a file is refused before this.
    fn seek(&mut self, _: SeekFrom) -> FsFuture<'_, u64> {
        Box::pin(ready(Err(FsError::NotImplemented)))
    }
}
