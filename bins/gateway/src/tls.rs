//! TLS on the listener, by a certificate that may be replaced while the gateway runs.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, SystemTime},
};

use anyhow::{Context, ensure};
use arc_swap::ArcSwap;
use rustls::{
    ServerConfig,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
};
use tokio::signal::unix::Signal;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use upstream::read_small_file;

/// How often the files are looked at.
const LOOK: Duration = Duration::from_secs(5);

/// What the settings name.
#[derive(Debug, Clone)]
pub(crate) struct TlsFiles {
    /// PEM file with the certificate and those between it and its authority.
    pub(crate) certificate: PathBuf,
    /// PEM file with its private key.
    pub(crate) key: PathBuf,
}

impl TlsFiles {
    /// The certificates, the gateway's own first.
    pub(crate) fn certificates(&self) -> anyhow::Result<Vec<CertificateDer<'static>>> {
        let read = || -> anyhow::Result<Vec<_>> {
            let bytes = read_small_file(&self.certificate)?;
            let found: Vec<_> = CertificateDer::pem_slice_iter(&bytes).collect::<Result<_, _>>()?;
            ensure!(!found.is_empty(), "holds no certificate");
            Ok(found)
        };
        read().with_context(|| format!("GATEWAY_TLS_CERT: {}", self.certificate.display()))
    }

    fn key(&self) -> anyhow::Result<PrivateKeyDer<'static>> {
        let read =
            || Ok::<_, anyhow::Error>(PrivateKeyDer::from_pem_slice(&read_small_file(&self.key)?)?);
        read().with_context(|| format!("GATEWAY_TLS_KEY: {}", self.key.display()))
    }

    fn load(&self) -> anyhow::Result<ServerConfig> {
        let mut config = ServerConfig::builder()
            .with_no_client_auth()
            .with_single_cert(self.certificates()?, self.key()?)
            .context("GATEWAY_TLS_KEY: does not fit the certificate of GATEWAY_TLS_CERT")?;
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(config)
    }

    /// What changes when either file does.
    async fn stamps(&self) -> [Option<(SystemTime, u64)>; 2] {
        [stamp(&self.certificate).await, stamp(&self.key).await]
    }
}

async fn stamp(path: &Path) -> Option<(SystemTime, u64)> {
    let metadata = tokio::fs::metadata(path).await.ok()?;
    Some((metadata.modified().ok()?, metadata.len()))
}

/// The certificate in force; connections that are open keep theirs.
#[derive(Debug)]
pub(crate) struct Tls {
    files: TlsFiles,
    config: ArcSwap<ServerConfig>,
}

impl Tls {
    /// Loads the files.
    ///
    /// # Errors
    /// They cannot be used; the error names the setting.
    pub(crate) fn load(files: TlsFiles) -> anyhow::Result<Self> {
        let config = ArcSwap::from_pointee(files.load()?);
        Ok(Self { files, config })
    }

    /// For the next connection.
    pub(crate) fn acceptor(&self) -> TlsAcceptor {
        self.config.load_full().into()
    }

    /// Takes up new files when they change or at each SIGHUP, until `stop`. Files that cannot be used change nothing.
    pub(crate) async fn watch(self: Arc<Self>, mut hangups: Signal, stop: CancellationToken) {
        let mut known = self.files.stamps().await;
        loop {
            let is_asked = tokio::select! {
                () = stop.cancelled() => return,
                _ = hangups.recv() => true,
                () = tokio::time::sleep(LOOK) => false,
            };
            let stamps = self.files.stamps().await;
            if stamps != known || is_asked {
                known = stamps;
                self.reload();
            }
        }
    }

    fn reload(&self) {
        match self.files.load() {
            Ok(config) => {
                self.config.store(Arc::new(config));
                tracing::info!("the certificate was read anew");
            }
            Err(error) => {
                let error = format!("{error:#}");
                tracing::error!(
                    error,
                    "the new certificate cannot be used; the old one stays"
                );
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use rcgen::{CertifiedKey, generate_simple_self_signed};
    use tempfile::TempDir;

    use super::*;

    struct Folder(TempDir);

    impl Folder {
        fn new() -> Self {
            // Another test of this process may have been first.
            let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
            Self(tempfile::tempdir().unwrap())
        }

        fn files(&self) -> TlsFiles {
            TlsFiles {
                certificate: self.0.path().join("cert.pem"),
                key: self.0.path().join("key.pem"),
            }
        }

        /// Writes a new pair and tells its certificate.
        fn write(&self) -> CertificateDer<'static> {
            let CertifiedKey { cert, signing_key } =
                generate_simple_self_signed(["localhost".to_owned()]).unwrap();
            std::fs::write(self.files().certificate, cert.pem()).unwrap();
            std::fs::write(self.files().key, signing_key.serialize_pem()).unwrap();
            cert.der().clone()
        }
    }

    #[test]
    fn what_cannot_be_used_is_named() {
        let folder = Folder::new();
        let refused = |expected: &str| {
            let error = format!("{:#}", Tls::load(folder.files()).unwrap_err());
            assert!(error.starts_with(expected), "{error}");
        };
        refused("GATEWAY_TLS_CERT: ");
        folder.write();
        let old_key = std::fs::read(folder.files().key).unwrap();
        folder.write();
        std::fs::write(folder.files().key, old_key).unwrap();
        refused("GATEWAY_TLS_KEY: does not fit");
        std::fs::write(folder.files().key, "none").unwrap();
        refused("GATEWAY_TLS_KEY: ");
        std::fs::write(folder.files().certificate, "none").unwrap();
        refused("GATEWAY_TLS_CERT: ");
    }

    #[test]
    fn a_new_certificate_is_taken_up_and_a_broken_one_is_not() {
        let folder = Folder::new();
        let first = folder.write();
        assert_eq!(folder.files().certificates().unwrap(), [first]);
        let tls = Tls::load(folder.files()).unwrap();
        let at_first = tls.config.load_full();
        std::fs::write(folder.files().key, "broken").unwrap();
        tls.reload();
        assert!(Arc::ptr_eq(&tls.config.load_full(), &at_first));
        folder.write();
        tls.reload();
        assert!(!Arc::ptr_eq(&tls.config.load_full(), &at_first));
    }
}
