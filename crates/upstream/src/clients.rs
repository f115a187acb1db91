//! The clients in use.

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use rustls::RootCertStore;
use rustls_pki_types::{CertificateDer, pem::PemObject};
use sockets::Round;

use crate::{
    Client, Connections, NetworkPolicy, SetupError, TransportSettings, connector::Network,
    dial::Dial, read_small_file,
};

/// A file of certificate authorities, and what was in it.
#[derive(Debug, PartialEq, Eq)]
struct Authorities {
    path: PathBuf,
    pem: Vec<u8>,
}

impl Authorities {
    fn read(path: &Path) -> Result<Self, SetupError> {
        let path = path.to_owned();
        match read_small_file(&path) {
            Ok(pem) => Ok(Self { path, pem }),
            Err(error) => Err(SetupError::CaFile {
                path,
                source: error.into(),
            }),
        }
    }
}

fn read_roots(file: &Authorities) -> Result<RootCertStore, SetupError> {
    let fail = |source| SetupError::CaFile {
        path: file.path.clone(),
        source,
    };
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(&file.pem) {
        let certificate = certificate.map_err(|error| fail(error.into()))?;
        roots.add(certificate).map_err(|error| fail(error.into()))?;
    }
    if roots.is_empty() {
        Err(fail("no certificate in it".into()))
    } else {
        Ok(roots)
    }
}

/// The clients in use, by settings.
#[derive(Debug)]
pub struct Clients {
    network: Network,
    by_settings: Mutex<HashMap<TransportSettings, Made>>,
}

/// A client, and the authorities that it was made with.
#[derive(Debug)]
struct Made {
    client: Arc<Client>,
    authorities: Option<Authorities>,
}

impl Clients {
    /// No client yet; every one will obey `policy`.
    #[must_use]
    pub fn new(policy: NetworkPolicy) -> Self {
        Self::over(Network {
            policy,
            dial: None,
            round: Round::default(),
            connections: Arc::default(),
        })
    }

    /// As [`Self::new`], on connections that `dial` makes.
    #[must_use]
    pub fn dialling(policy: NetworkPolicy, dial: Arc<dyn Dial>) -> Self {
        let mut clients = Self::new(policy);
        clients.network.dial = Some(dial);
        clients
    }

    fn over(network: Network) -> Self {
        Self {
            network,
            by_settings: Mutex::default(),
        }
    }

    /// The same, whose short writes are sent together at the end of each `round`, but for what goes over connections that
    /// `dial` makes.
    #[must_use]
    pub fn sending(mut self, round: Round) -> Self {
        self.network.round = round;
        self
    }

    /// No client yet; every one will connect as these do, and share no connection with them.
    #[must_use]
    pub fn apart(&self) -> Self {
        Self::over(Network {
            connections: Arc::default(),
            ..self.network.clone()
        })
    }

    /// The connections of all clients made here.
    #[must_use]
    pub fn connections(&self) -> &Arc<Connections> {
        &self.network.connections
    }

    /// What providers' addresses are judged by.
    #[must_use]
    pub fn policy(&self) -> NetworkPolicy {
        self.network.policy
    }

    /// The client for these settings, made on first use, and anew where the content of `ca_file` is another now. Clients that
    /// nobody holds any more are dropped on the way, with their connections.
    ///
    /// # Errors
    /// The settings cannot be used.
    pub fn get(&self, settings: &TransportSettings) -> Result<Arc<Client>, SetupError> {
        let authorities = settings
            .ca_file
            .as_deref()
            .map(Authorities::read)
            .transpose()?;
        let mut clients = self
            .by_settings
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        clients.retain(|known, made| known == settings || Arc::strong_count(&made.client) > 1);
        if let Some(made) = clients.get(settings)
            && made.authorities == authorities
        {
            return Ok(made.client.clone());
        }
        let roots = match &authorities {
            Some(file) => read_roots(file)?,
            None => RootCertStore {
                roots: webpki_roots::TLS_SERVER_ROOTS.to_vec(),
            },
        };
        let client = Client::new(self.network.clone(), settings, roots)?;
        let client = Arc::new(client);
        let made = Made {
            client: client.clone(),
            authorities,
        };
        clients.insert(settings.clone(), made);
        Ok(client)
    }
}
