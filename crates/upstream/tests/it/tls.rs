//! TLS with an authority of one's own, over HTTP/1.1 and HTTP/2.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use bytes::Bytes;
use http::{Response, Version};
use http_body_util::Full;
use hyper::service::service_fn;
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto,
};
use rustls::ServerConfig;
use rustls_pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use upstream::{Clients, NetworkPolicy, SendErrorKind, TransportSettings};

use crate::server::{ConnectProxy, PATIENCE, client, plain, post, read};

struct Secure {
    address: SocketAddr,
    authority: tempfile::NamedTempFile,
    connections: Arc<AtomicUsize>,
}

/// A certificate for `localhost`, and the authority that alone vouches for it.
fn vouched(alpn: &[&str]) -> (TlsAcceptor, tempfile::NamedTempFile) {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let authority = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(authority.path(), made.cert.pem()).unwrap();
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(made.signing_key.serialize_der()));
    let mut config = ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)
        .unwrap();
    config.alpn_protocols = alpn.iter().map(|name| name.as_bytes().to_vec()).collect();
    (TlsAcceptor::from(Arc::new(config)), authority)
}

/// A server that speaks these protocols, with a certificate for `localhost` that only its own authority vouches for.
async fn secure(alpn: &[&str]) -> Secure {
    let (acceptor, authority) = vouched(alpn);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let connections = Arc::new(AtomicUsize::new(0));
    let count = connections.clone();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            count.fetch_add(1, Ordering::Relaxed);
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                let Ok(stream) = acceptor.accept(stream).await else {
                    return;
                };
                let service = service_fn(|_| async {
                    Ok::<_, hyper::Error>(Response::new(Full::new(Bytes::from_static(b"hi"))))
                });
                let _ = auto::Builder::new(TokioExecutor::new())
                    .serve_connection(TokioIo::new(stream), service)
                    .await;
            });
        }
    });
    Secure {
        address,
        authority,
        connections,
    }
}

impl Secure {
    fn url(&self) -> String {
        format!("https://localhost:{}/v1", self.address.port())
    }

    fn settings(&self, proxy: Option<&ConnectProxy>) -> TransportSettings {
        TransportSettings {
            proxy: proxy.map(|proxy| format!("http://{}", proxy.address)),
            ca_file: Some(self.authority.path().to_owned()),
        }
    }
}

#[tokio::test]
async fn an_authority_of_ones_own_is_trusted_over_both_protocols() {
    for (alpn, version) in [
        (&["http/1.1"][..], Version::HTTP_11),
        (&["h2", "http/1.1"], Version::HTTP_2),
        (&[], Version::HTTP_11),
    ] {
        let server = secure(alpn).await;
        let client = client(NetworkPolicy::Any, &server.settings(None));
        for _ in 0..3 {
            let sent = client.send(post(&server.url()), PATIENCE).await;
            assert_eq!(read(sent).await, (version, "hi".to_owned()));
        }
        assert_eq!(server.connections.load(Ordering::Relaxed), 1, "{alpn:?}");
        let fresh = client
            .send_on_new_connection(post(&server.url()), PATIENCE)
            .await;
        assert_eq!(read(fresh).await.0, version);
        assert_eq!(server.connections.load(Ordering::Relaxed), 2, "{alpn:?}");
    }
}

#[tokio::test]
async fn a_new_authority_in_the_same_file_is_trusted_and_the_old_one_no_more() {
    let (old, new) = (secure(&["http/1.1"]).await, secure(&["http/1.1"]).await);
    let clients = Clients::new(NetworkPolicy::Any);
    let settings = old.settings(None);
    let before = clients.get(&settings).unwrap();
    assert!(Arc::ptr_eq(&before, &clients.get(&settings).unwrap()));
    read(before.send(post(&old.url()), PATIENCE).await).await;

    std::fs::copy(new.authority.path(), old.authority.path()).unwrap();
    let after = clients.get(&settings).unwrap();
    read(after.send(post(&new.url()), PATIENCE).await).await;
    assert!(after.send(post(&old.url()), PATIENCE).await.is_err());
}

#[tokio::test]
async fn http2_shares_one_connection_among_requests() {
    let server = secure(&["h2"]).await;
    let client = client(NetworkPolicy::Any, &server.settings(None));
    read(client.send(post(&server.url()), PATIENCE).await).await;
    let url = server.url();
    let (one, two) = tokio::join!(
        client.send(post(&url), PATIENCE),
        client.send(post(&url), PATIENCE)
    );
    assert_eq!(
        (read(one).await.1, read(two).await.1),
        ("hi".into(), "hi".into())
    );
    assert_eq!(server.connections.load(Ordering::Relaxed), 1);
}

/// How a server treats the first request of its first connection.
#[derive(Clone, Copy, Debug)]
enum First {
    Refused,
    Cancelled,
    /// Answered, and then told to go away.
    Last,
}

/// A server of bare HTTP/2 frames; all but the first request are answered.
async fn framed(first: First) -> Secure {
    let (acceptor, authority) = vouched(&["h2"]);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let connections = Arc::new(AtomicUsize::new(0));
    let count = connections.clone();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let mut is_first = count.fetch_add(1, Ordering::Relaxed) == 0;
            let stream = acceptor.accept(stream).await.unwrap();
            tokio::spawn(async move {
                let mut connection = h2::server::handshake(stream).await.unwrap();
                while let Some(Ok((_, mut respond))) = connection.accept().await {
                    match (std::mem::take(&mut is_first), first) {
                        (true, First::Refused) => respond.send_reset(h2::Reason::REFUSED_STREAM),
                        (true, First::Cancelled) => respond.send_reset(h2::Reason::CANCEL),
                        (is_last, _) => {
                            respond.send_response(Response::new(()), true).unwrap();
                            if is_last {
                                connection.graceful_shutdown();
                            }
                        }
                    }
                }
            });
        }
    });
    Secure {
        address,
        authority,
        connections,
    }
}

#[tokio::test]
async fn a_refused_stream_may_be_sent_again_and_a_cancelled_one_not() {
    for (first, may_repeat) in [(First::Refused, true), (First::Cancelled, false)] {
        let server = framed(first).await;
        let client = client(NetworkPolicy::Any, &server.settings(None));
        let error = client
            .send(post(&server.url()), PATIENCE)
            .await
            .unwrap_err();
        assert_eq!(
            (error.kind, error.may_repeat()),
            (SendErrorKind::Connection, may_repeat),
            "{first:?}: {error:?}"
        );
        read(
            client
                .send_on_new_connection(post(&server.url()), PATIENCE)
                .await,
        )
        .await;
    }
}

#[tokio::test]
async fn after_a_goodbye_the_next_request_takes_a_new_connection() {
    let server = framed(First::Last).await;
    let client = client(NetworkPolicy::Any, &server.settings(None));
    for _ in 0..3 {
        let sent = client.send(post(&server.url()), PATIENCE).await;
        let sent = match sent {
            Err(error) if error.may_repeat() => {
                client
                    .send_on_new_connection(post(&server.url()), PATIENCE)
                    .await
            }
            sent => sent,
        };
        read(sent).await;
    }
    assert!(server.connections.load(Ordering::Relaxed) >= 2);
}

#[tokio::test]
async fn whoever_is_not_vouched_for_is_a_connect_error() {
    let (server, other) = (secure(&["h2"]).await, secure(&["h2"]).await);
    for client in [plain(), client(NetworkPolicy::Any, &other.settings(None))] {
        let error = client
            .send(post(&server.url()), PATIENCE)
            .await
            .unwrap_err();
        assert_eq!(error.kind, SendErrorKind::Connect, "{error:?}");
    }
    let own = client(NetworkPolicy::Any, &server.settings(None));
    let by_address = format!("https://127.0.0.1:{}/", server.address.port());
    let error = own.send(post(&by_address), PATIENCE).await.unwrap_err();
    assert_eq!(
        error.kind,
        SendErrorKind::Connect,
        "the certificate names another host"
    );
}

#[tokio::test]
async fn the_guard_stands_before_tls() {
    let server = secure(&["h2"]).await;
    let client = client(NetworkPolicy::Public, &server.settings(None));
    let error = client
        .send(post(&server.url()), PATIENCE)
        .await
        .unwrap_err();
    assert_eq!(error.kind, SendErrorKind::AddressRefused, "{error:?}");
    assert_eq!(server.connections.load(Ordering::Relaxed), 0);
}

#[tokio::test]
async fn tls_goes_through_the_proxys_tunnel() {
    let server = secure(&["h2", "http/1.1"]).await;
    let proxy = ConnectProxy::start(Some(server.address)).await;
    let client = client(NetworkPolicy::Any, &server.settings(Some(&proxy)));
    let sent = client
        .send(post("https://localhost:444/v1"), PATIENCE)
        .await;
    assert_eq!(read(sent).await, (Version::HTTP_2, "hi".to_owned()));
    assert_eq!(
        *proxy.asked.lock().unwrap(),
        ["CONNECT localhost:444 HTTP/1.1"]
    );
}
