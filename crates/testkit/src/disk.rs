//! A small disk that fills up and fails, for tests that run as root.

use std::{
    fs::{self, File, Permissions},
    io::Write as _,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

/// A file system of its own in a file. Nothing of it is left when this value is
/// gone, or the program has ended in whatever way.
#[derive(Debug)]
pub struct Disk {
    folder: PathBuf,
    watcher: Child,
}

/// Waits until nobody holds its input any more, and tidies up. What is still
/// open there does not keep it.
const WATCHER: &str = r#"cat >/dev/null; umount -l "$0/disk"; rm -rf "$0""#;

impl Disk {
    /// Mounts one of so many megabytes; `None`, and a word to whoever runs the
    /// tests, where this system lets nobody mount.
    ///
    /// # Panics
    /// Where `mkfs.ext4` is not installed.
    pub fn mount(megabytes: u64) -> Option<Self> {
        let folder = tempfile::Builder::new().permissions(Permissions::from_mode(0o755)).tempdir();
        let folder = folder.expect("a folder").keep();
        let (image, at) = (folder.join("image"), folder.join("disk"));
        fs::create_dir(&at).expect("a folder");
        File::create(&image).and_then(|file| file.set_len(megabytes << 20)).expect("a file");
        // Nothing is kept back for root, who runs this.
        let made = Command::new("mkfs.ext4").args(["-q", "-m", "0"]).arg(&image).status();
        assert!(made.expect("mkfs.ext4").success(), "a file system on {}", image.display());
        let mut watcher = Command::new("sh");
        let watcher = watcher.args(["-c", WATCHER]).arg(&folder).stdin(Stdio::piped()).stderr(Stdio::null()).spawn();
        let disk = Self { folder, watcher: watcher.expect("a shell") };
        if !disk.mounts(&["-o", "loop"]) {
            eprintln!("skipped: nothing can be mounted here");
            return None;
        }
        Some(disk)
    }

    /// A new folder on it, which is its user's alone.
    ///
    /// # Panics
    /// Where there is one already.
    pub fn folder(&self, name: &str) -> PathBuf {
        let path = self.folder.join("disk").join(name);
        fs::create_dir(&path).expect("a folder");
        fs::set_permissions(&path, Permissions::from_mode(0o700)).expect("its mode");
        path
    }

    /// Leaves no block free.
    ///
    /// # Panics
    /// Where the disk fails otherwise.
    pub fn fill(&self) {
        let mut file = File::create(self.filler()).expect("a file");
        // Large pieces first; the last block takes single octets.
        for piece in [1 << 16, 1 << 12, 1] {
            let full = (0..1 << 20).find_map(|_| file.write_all(&vec![0; piece]).err());
            assert_eq!(full.map(|error| error.kind()), Some(std::io::ErrorKind::StorageFull));
        }
        file.sync_all().expect("what was taken is taken");
    }

    /// Gives back what [`Self::fill`] took.
    ///
    /// # Panics
    /// Where it was not filled.
    pub fn make_room(&self) {
        fs::remove_file(self.filler()).expect("it was full");
    }

    /// Fails as a disk does that the system trusts no more: from now on it can be
    /// read, and not written to.
    ///
    /// # Panics
    /// Where the system does not play along.
    pub fn fail(&self) {
        assert!(self.mounts(&["-o", "remount,abort"]), "it does not fail");
        assert!(File::create(self.filler()).is_err(), "it can still be written to");
    }

    /// Is mounted anew: nothing on it may be in use.
    ///
    /// # Panics
    /// Where something is.
    pub fn repair(&self) {
        let mut unmount = Command::new("umount");
        assert!(unmount.arg(self.folder.join("disk")).status().is_ok_and(|status| status.success()), "it is in use");
        assert!(self.mounts(&["-o", "loop"]), "it cannot be mounted any more");
    }

    fn mounts(&self, options: &[&str]) -> bool {
        let mut mount = Command::new("mount");
        mount.args(options).arg(self.folder.join("image")).arg(self.folder.join("disk")).stderr(Stdio::null());
        mount.status().is_ok_and(|status| status.success())
    }

    fn filler(&self) -> PathBuf {
        Path::new(&self.folder).join("disk/filler")
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        drop(self.watcher.stdin.take());
        let _ = self.watcher.wait();
    }
}
