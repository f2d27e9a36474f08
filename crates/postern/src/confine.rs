//! What the serving process gives up before it hears the first client: whoever
//! came to run code in it finds the site's own files, and can start nothing.
//!
//! Landlock holds it to its data folder and to reading what the system and the
//! configuration have; seccomp takes away the calls that a server has no use for,
//! above all `execve`. Both are the kernel's, need no root, and are never taken
//! back. A kernel that has one of them not is told of, and served on.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use front::Address;
use landlock::{
    ABI, Access, AccessFs, Ruleset, RulesetAttr, RulesetCreatedAttr, RulesetError, RulesetStatus, Scope,
    path_beneath_rules,
};
use seccompiler::{BpfProgram, SeccompAction, SeccompFilter, apply_filter};

use crate::{
    audit_copy::CopyTo,
    config::{Config, TlsFiles},
};

/// What is asked of the kernel (Linux 6.12); older ones do what they can.
const ASKED: ABI = ABI::V6;

/// Read by the resolver, by TLS to a database, by its lease (the boot's id), and as
/// dates are written.
const SYSTEM: [&str; 8] =
    ["/etc", "/usr", "/lib", "/lib64", "/proc/self", "/proc/sys/kernel/random", "/run/systemd/resolve", "/dev/urandom"];

/// Calls for which a server has no use: starting programs, looking into others,
/// the kernel's own affairs, and the interfaces in which it had most holes.
const CALLS: [i64; 43] = [
    libc::SYS_execve,
    libc::SYS_execveat,
    libc::SYS_ptrace,
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_pidfd_getfd,
    libc::SYS_kcmp,
    libc::SYS_mount,
    libc::SYS_umount2,
    libc::SYS_move_mount,
    libc::SYS_open_tree,
    libc::SYS_fsopen,
    libc::SYS_fsmount,
    libc::SYS_fsconfig,
    libc::SYS_fspick,
    libc::SYS_mount_setattr,
    libc::SYS_pivot_root,
    libc::SYS_chroot,
    libc::SYS_setns,
    libc::SYS_unshare,
    libc::SYS_open_by_handle_at,
    libc::SYS_bpf,
    libc::SYS_perf_event_open,
    libc::SYS_userfaultfd,
    libc::SYS_io_uring_setup,
    libc::SYS_io_uring_enter,
    libc::SYS_io_uring_register,
    libc::SYS_keyctl,
    libc::SYS_add_key,
    libc::SYS_request_key,
    libc::SYS_init_module,
    libc::SYS_finit_module,
    libc::SYS_delete_module,
    libc::SYS_kexec_load,
    libc::SYS_reboot,
    libc::SYS_swapon,
    libc::SYS_swapoff,
    libc::SYS_acct,
    libc::SYS_quotactl,
    libc::SYS_personality,
    libc::SYS_clock_settime,
    libc::SYS_settimeofday,
    libc::SYS_sethostname,
];

/// What the kernel holds the process to.
#[derive(Debug)]
#[must_use]
pub(crate) struct Confined {
    files: Result<RulesetStatus, RulesetError>,
    calls: Result<(), seccompiler::Error>,
}

/// Confines this thread, and all that it starts: to be called while there is no
/// other. The data folder has to be there.
pub(crate) fn confine(config: &Config, file: &Path) -> Confined {
    Confined { files: to_files(config, file), calls: without_calls() }
}

fn to_files(config: &Config, file: &Path) -> Result<RulesetStatus, RulesetError> {
    let sockets = AccessFs::MakeSock | AccessFs::RemoveFile;
    let copying = AccessFs::MakeReg | AccessFs::WriteFile | AccessFs::ReadFile;
    let status = Ruleset::default()
        .handle_access(AccessFs::from_all(ASKED))?
        .scope(Scope::Signal)?
        .create()?
        .add_rules(path_beneath_rules(SYSTEM, AccessFs::from_read(ASKED)))?
        .add_rules(path_beneath_rules(read_again(config, file), AccessFs::from_read(ASKED)))?
        .add_rules(path_beneath_rules(listening_in(config), sockets))?
        .add_rules(path_beneath_rules(copied_to(config), copying))?
        .add_rules(path_beneath_rules([&config.data], AccessFs::from_all(ASKED)))?
        .restrict_self()?;
    Ok(status.ruleset)
}

/// The folders of what is read again on SIGHUP and at the store's reconnecting.
/// Folders, since a new certificate is a new file; and where links lead, since
/// certbot's names are links.
fn read_again(config: &Config, file: &Path) -> Vec<PathBuf> {
    let tls = config.tls.iter().flat_map(TlsFiles::paths);
    let store = config.store.iter().flat_map(|store| [&store.password_file, &store.ca]).flatten().map(PathBuf::as_path);
    let masters = config.gateway.iter().filter_map(|gateway| gateway.service.password_file()).map(|file| file.path());
    let mail = config.notices.iter().filter_map(|notices| notices.login.as_ref()).map(|(_, file)| file.path());
    let named: Vec<&Path> = tls.chain(store).chain(masters).chain(mail).chain([file]).collect();
    let real = named.iter().filter_map(|path| path.canonicalize().ok());
    let all = named.iter().map(|path| path.to_path_buf()).chain(real);
    all.map(|path| folder_of(&path)).chain(config.apps_folder()).collect()
}

/// A path relative to the configuration may be a name alone.
fn folder_of(path: &Path) -> PathBuf {
    path.parent().filter(|parent| *parent != Path::new("")).unwrap_or(Path::new(".")).to_owned()
}

/// The folders of sockets.
fn listening_in(config: &Config) -> Vec<PathBuf> {
    let sockets = config.listening().filter_map(|(_, address)| match address {
        Address::Unix(path) => Some(folder_of(path)),
        Address::Tcp(_) => None,
    });
    sockets.collect()
}

/// The folder of the file that the audit is copied to.
fn copied_to(config: &Config) -> Option<PathBuf> {
    match &config.audit.as_ref()?.copy_to {
        CopyTo::File(path) => Some(folder_of(path)),
        CopyTo::Syslog(_) => None,
    }
}

fn without_calls() -> Result<(), seccompiler::Error> {
    let calls: BTreeMap<_, _> = CALLS.into_iter().map(|call| (call, Vec::new())).collect();
    let arch = std::env::consts::ARCH.try_into()?;
    // An error and no signal: a library that only tries goes on without.
    let refused = SeccompAction::Errno(libc::EPERM.unsigned_abs());
    let program: BpfProgram = SeccompFilter::new(calls, SeccompAction::Allow, refused, arch)?.try_into()?;
    apply_filter(&program)
}

impl Confined {
    /// Says so in the log, once there is one.
    pub(crate) fn tell(&self) {
        match &self.files {
            Ok(RulesetStatus::FullyEnforced) => tracing::info!("confined by Landlock to the site's own files"),
            Ok(RulesetStatus::PartiallyEnforced) => {
                tracing::info!(
                    "confined by Landlock to the site's own files, as far as this kernel can; Linux 6.12 can all"
                );
            }
            Ok(RulesetStatus::NotEnforced) => tracing::warn!(
                "this kernel has no Landlock, or keeps it off: the server can open whatever its user can (Linux 5.13 has it; look for lsm= on its command line)"
            ),
            Err(error) => tracing::warn!(%error, "not confined by Landlock: the server can open whatever its user can"),
        }
        match &self.calls {
            Ok(()) => tracing::info!("confined by seccomp: no program can be started from here"),
            Err(error) => {
                tracing::warn!(%error, "not confined by seccomp: this kernel, or the container, does not let a filter be set")
            }
        }
    }
}
