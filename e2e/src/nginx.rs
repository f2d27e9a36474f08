//! Debian's nginx as a server of files: GET and PUT, and nothing clever.

use std::{fs, io, process::Command};

use crate::process::{Running, answers, free_port, until};

/// A running nginx with a folder of files.
#[derive(Debug)]
pub struct Nginx {
    running: Running,
    folder: tempfile::TempDir,
    /// Where it speaks HTTP, on loopback.
    pub port: u16,
}

impl Nginx {
    /// Starts it.
    ///
    /// # Errors
    /// When nginx is not installed or does not come up; its log is in the text.
    pub fn start() -> io::Result<Self> {
        let folder = tempfile::Builder::new().prefix("postern-nginx-").tempdir()?;
        let (port, here) = (free_port()?, folder.path());
        fs::set_permissions(here, std::os::unix::fs::PermissionsExt::from_mode(0o755))?;
        for part in ["files", "body", "other"] {
            fs::create_dir(here.join(part))?;
        }
        let path = here.display();
        let root = if rustix::process::geteuid().is_root() { "user root;\n" } else { "" };
        let config = format!(
            "{root}daemon off;\nmaster_process off;\npid {path}/pid;\nerror_log stderr;\nevents {{ }}\n\
             http {{\n access_log off;\n client_body_temp_path {path}/body;\n proxy_temp_path {path}/other;\n \
             fastcgi_temp_path {path}/other;\n uwsgi_temp_path {path}/other;\n scgi_temp_path {path}/other;\n \
             client_max_body_size 0;\n server {{\n  listen 127.0.0.1:{port};\n  root {path}/files;\n  \
             dav_methods PUT DELETE MKCOL COPY MOVE;\n }}\n}}\n"
        );
        let file = here.join("nginx.conf");
        fs::write(&file, config)?;
        let mut command = Command::new("nginx");
        command.arg("-c").arg(&file).arg("-p").arg(here);
        let running = Running::start(&mut command, &here.join("log"))?;
        let nginx = Self { running, folder, port };
        until("nginx to answer", || answers(port))
            .map_err(|late| io::Error::other(format!("{late}; it said:\n{}", nginx.log())))?;
        Ok(nginx)
    }

    /// A file that it serves.
    pub fn file(&self, name: &str) -> std::path::PathBuf {
        self.folder.path().join("files").join(name)
    }

    /// What it has logged.
    pub fn log(&self) -> String {
        self.running.said()
    }
}
