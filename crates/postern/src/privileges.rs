//! Root opens the ports that only root can, and becomes who owns the data folder,
//! for good.
//!
//! A unit of systemd does the same with less (`User=`, `AmbientCapabilities=`); this
//! is for everybody else.

use std::{ffi::CString, os::unix::fs::MetadataExt};

use front::{Address, BindError, Passed};
use nix::unistd::{Gid, Uid, User, initgroups, setgid, setgroups, setuid};

use crate::config::Config;

/// Why root did not become anybody else: it does not go on as root then.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NotDropped {
    #[error("{}: {source}: the data folder must be there, and belong to the user that Postern is to run as", data.display())]
    Owner { data: std::path::PathBuf, source: std::io::Error },
    #[error(transparent)]
    Bind(#[from] BindError),
    #[error(
        "root cannot become the user with id {uid}, who owns the data folder: {source}; start Postern as that user"
    )]
    Become { uid: Uid, source: nix::Error },
}

/// To be called before there are other threads. Does nothing where there is nothing
/// to give up.
pub(crate) fn drop(config: &Config, passed: &mut Passed) -> Result<(), NotDropped> {
    if !Uid::effective().is_root() {
        return Ok(());
    }
    let owner = std::fs::metadata(&config.data);
    let owner = owner.map_err(|source| NotDropped::Owner { data: config.data.clone(), source })?;
    let (uid, gid) = (Uid::from_raw(owner.uid()), Gid::from_raw(owner.gid()));
    if uid.is_root() {
        tracing::warn!(
            data = %config.data.display(),
            "serving as root: give the data folder to a user of its own (`chown -R postern: {}`), and root is given up",
            config.data.display()
        );
        return Ok(());
    }
    for (_, address) in config.listening() {
        if matches!(address, Address::Tcp(address) if (1..1024).contains(&address.port())) {
            passed.bind_ahead(address)?;
        }
    }
    become_user(uid, gid).map_err(|source| NotDropped::Become { uid, source })?;
    tracing::info!(user = %uid, "root was given up");
    Ok(())
}

fn become_user(uid: Uid, gid: Gid) -> nix::Result<()> {
    match User::from_uid(uid)? {
        // With the groups that let it read certificates.
        Some(user) => {
            initgroups(&CString::new(user.name).map_err(|_| nix::Error::EINVAL)?, user.gid)?;
            setgid(user.gid)?;
        }
        None => {
            setgroups(&[])?;
            setgid(gid)?;
        }
    }
    setuid(uid)?;
    // It would be worth nothing if there were a way back.
    if setuid(Uid::from_raw(0)).is_ok() { Err(nix::Error::EPERM) } else { Ok(()) }
}
