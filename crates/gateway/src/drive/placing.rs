//! COPY and MOVE on the disk. All that could stand against one is looked at in
//! one place, and what is at the destination stays until its successor is whole
//! and takes its place in one step.

use std::os::fd::AsFd;

use dav_server::fs::FsError;
use http::StatusCode;

use super::{
    folder::Folder,
    incoming::{Aside, Spot, put},
    ledger::ENTRY,
    metadata::{Kind, Metadata},
    place::{MAX_DEPTH, Name, Place},
    steps::{failure, look, step, sync},
    tree,
};

/// How much of a folder is copied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Extent {
    /// All that is in it.
    Tree,
    /// `Depth: 0`: the folder and its properties.
    Shallow,
}

/// Whether something may be at the destination already (RFC 4918, 10.6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Overwrite {
    /// The client says so.
    Said,
    /// It says nothing, which means so. But who copies a file to a folder may
    /// mean into it: all that is in a folder is not taken for that.
    Unsaid,
    No,
}

impl Folder {
    pub(super) fn rename(&self, from: &Place, to: &Place, overwrite: Overwrite) -> Result<(), FsError> {
        let ((from_parents, from_name), (to_parents, to_name)) = apart(from, to)?;
        let one = self.terms.change()?;
        let (from_parent, to_parent) = (self.walk(from_parents)?, self.walk(to_parents)?);
        let new = Spot { parent: from_parent.as_fd(), name: from_name };
        let old = Spot { parent: to_parent.as_fd(), name: to_name };
        let moved = look(new.parent, new.name)?.ok_or(FsError::NotFound)?;
        if moved.kind == Kind::Folder {
            let height = tree::measure(step(new.parent, new.name)?)?.height;
            if to.steps().len() + height > MAX_DEPTH {
                return Err(FsError::PathTooLong);
            }
        }
        let replaced = self.replaceable(old, moved.kind, overwrite)?;
        if replaced.as_ref().is_some_and(|replaced| replaced.is_same(&moved)) {
            // Two names of one file, made by another program: nothing moves.
            self.terms.say(StatusCode::NO_CONTENT);
            return Ok(());
        }
        let removed = self.place(new, moved.kind, old, replaced)?;
        drop(one);
        // Where it is before where it is no more: a power cut leaves one or both.
        sync(&to_parent)?;
        sync(&from_parent)?;
        self.discard(removed)
    }

    pub(super) fn copy(&self, from: &Place, to: &Place, extent: Extent, overwrite: Overwrite) -> Result<(), FsError> {
        let (_, (to_parents, to_name)) = apart(from, to)?;
        let to_parent = self.walk(to_parents)?;
        let old = Spot { parent: to_parent.as_fd(), name: to_name };
        let (source, metadata) = self.read(from)?;
        let there = self.replaceable(old, metadata.kind, overwrite)?;
        let copied = match (metadata.kind, extent) {
            (Kind::Folder, Extent::Tree) => {
                tree::measure(source.try_clone().map_err(|error| failure(&error))?.into())?.cost
            }
            (Kind::File, _) => metadata.cost() - ENTRY,
            (Kind::Folder, Extent::Shallow) => 0,
        };
        if metadata.kind == Kind::Folder
            && extent == Extent::Shallow
            && there.is_some_and(|there| there.kind == Kind::Folder)
        {
            // What is in the folder there was not asked about: it stays.
            let _one = self.terms.change()?;
            tree::copy_properties(source.as_fd(), step(old.parent, old.name)?.as_fd())?;
            self.terms.say(StatusCode::NO_CONTENT);
            return Ok(());
        }
        // What will not fit is not begun; what is written is charged once more, bit by bit.
        drop(self.terms.ledger.charge(copied.saturating_add(ENTRY))?);
        let mut charge = self.terms.ledger.charge(ENTRY)?;
        let aside = match metadata.kind {
            Kind::File => {
                let (aside, file) = self.terms.incoming.file()?;
                tree::copy_file(&source, &file, &mut charge, &self.terms)?;
                aside
            }
            Kind::Folder => {
                let (aside, folder) = self.terms.incoming.folder()?;
                match extent {
                    Extent::Shallow => {
                        tree::copy_properties(source.as_fd(), folder.as_fd())?;
                        sync(folder)?;
                    }
                    Extent::Tree => {
                        tree::copy(source.into(), folder, MAX_DEPTH - to.steps().len(), &mut charge, &self.terms)?
                    }
                }
                aside
            }
        };
        let one = self.terms.change()?;
        let replaced = self.replaceable(old, metadata.kind, overwrite)?;
        let removed = self.place(aside.spot(), metadata.kind, old, replaced)?;
        charge.keep();
        drop(one);
        sync(&to_parent)?;
        self.discard(removed)
    }

    /// What is at the destination, if one of that kind may replace it.
    fn replaceable(&self, at: Spot<'_>, kind: Kind, overwrite: Overwrite) -> Result<Option<Metadata>, FsError> {
        match (look(at.parent, at.name)?, overwrite) {
            (Some(_), Overwrite::No) => Err(self.terms.precondition_failed()),
            (Some(there), Overwrite::Unsaid) if (kind, there.kind) == (Kind::File, Kind::Folder) => {
                Err(FsError::Forbidden)
            }
            (there, _) => Ok(there),
        }
    }

    /// The one step. What has to be removed then is returned.
    fn place(
        &self,
        new: Spot<'_>,
        kind: Kind,
        old: Spot<'_>,
        replaced: Option<Metadata>,
    ) -> Result<Option<Aside>, FsError> {
        self.terms.stand()?;
        let removed = match &replaced {
            Some(there) if (there.kind, kind) != (Kind::File, Kind::File) => {
                Some(self.terms.incoming.exchange(new, old)?)
            }
            Some(there) => {
                put(new, old)?;
                self.terms.ledger.give_back(there.cost());
                None
            }
            None => {
                put(new, old)?;
                None
            }
        };
        self.terms.say(if replaced.is_some() { StatusCode::NO_CONTENT } else { StatusCode::CREATED });
        Ok(removed)
    }

    /// Removes what was replaced. Uploads into it that had begun may still come
    /// in: each part is given back as it goes.
    fn discard(&self, removed: Option<Aside>) -> Result<(), FsError> {
        let Some(removed) = removed else { return Ok(()) };
        removed.remove(&mut |parent, name| {
            let _one = self.terms.clear();
            self.terms.ledger.give_back(tree::unlink(parent, name)?);
            Ok(())
        })
    }
}

pub(super) type Split<'a> = (&'a [Name], &'a Name);

/// Both places, taken apart, if neither lies in the other: one would have to be
/// removed for itself, or be in itself.
pub(super) fn apart<'a>(from: &'a Place, to: &'a Place) -> Result<(Split<'a>, Split<'a>), FsError> {
    if from.is_within(to) || to.is_within(from) {
        return Err(FsError::Forbidden);
    }
    from.split().zip(to.split()).ok_or(FsError::Forbidden)
}
