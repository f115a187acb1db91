//! nginx as Debian ships it, as a pass-through: what a web server in C makes of the same task.

use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use tempfile::TempDir;

use super::process::{Cores, Spawned};

/// How long it may take to listen.
const PATIENCE: Duration = Duration::from_secs(5);

/// A running nginx, with the folder that its files are in.
#[derive(Debug)]
pub(crate) struct Nginx {
    pub(crate) address: SocketAddr,
    pub(crate) process: Spawned,
    /// It has what it needs open, but writes large bodies here.
    pub(crate) folder: TempDir,
}

/// The program, where it is installed; Debian keeps it where only root looks.
pub(crate) fn find() -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).chain([PathBuf::from("/usr/sbin")]);
    folders
        .map(|folder| folder.join("nginx"))
        .find(|program| program.is_file())
}

impl Nginx {
    /// Starts it in front of `upstream`.
    pub(crate) fn start(
        cores: &Cores,
        program: &Path,
        upstream: SocketAddr,
    ) -> anyhow::Result<Self> {
        let folder = tempfile::tempdir().context("cannot make a folder for nginx")?;
        let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        let file = folder.path().join("nginx.conf");
        std::fs::write(&file, configuration(folder.path(), address, upstream))?;
        let mut command = cores.measured(program);
        command.arg("-p").arg(folder.path());
        // Else it complains of the folder that it was built for before it has read the file.
        command.arg("-e").arg(folder.path().join("error.log"));
        command.arg("-c").arg(&file);
        let process = Spawned::start(command)?;
        let start = Instant::now();
        while std::net::TcpStream::connect(address).is_err() {
            let log = std::fs::read_to_string(folder.path().join("error.log"));
            anyhow::ensure!(
                start.elapsed() < PATIENCE,
                "nginx does not listen: {}",
                log.unwrap_or_default().trim()
            );
            std::thread::sleep(Duration::from_millis(10));
        }
        Ok(Self {
            address,
            process,
            folder,
        })
    }
}

/// One process, connections kept on both sides, nothing logged, answers passed on as they come.
fn configuration(folder: &Path, address: SocketAddr, upstream: SocketAddr) -> String {
    let folder = folder.display();
    format!(
        "daemon off;
master_process off;
pid {folder}/nginx.pid;
error_log {folder}/error.log warn;
events {{ worker_connections 16384; }}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    client_max_body_size 64m;
    client_body_buffer_size 2m;
    keepalive_timeout 600s;
    keepalive_requests 1000000000;
    tcp_nodelay on;
    upstream provider {{
        server {upstream};
        keepalive 4096;
        keepalive_requests 1000000000;
        keepalive_timeout 600s;
    }}
    server {{
        listen {address} backlog=4096;
        location / {{
            proxy_pass http://provider;
            proxy_http_version 1.1;
            proxy_set_header Connection \"\";
            proxy_buffering off;
        }}
    }}
}}
"
    )
}
