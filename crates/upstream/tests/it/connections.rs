//! Connections: kept, lost, refused.

use std::{
    future::Future,
    io,
    net::SocketAddr,
    pin::Pin,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use simulator::{Behaviour, Fault, KeepAlive, Point, Simulator, SimulatorSettings};
use tokio::{
    net::{TcpSocket, TcpStream},
    time::Instant,
};
use upstream::{
    Clients, Dial, Link, NetworkPolicy, Patience, SendErrorKind, SetupError, TransportSettings,
};

use crate::server::{ConnectProxy, PATIENCE, client, plain, post, read, saying};

async fn simulator() -> (Simulator, String) {
    let simulator = Simulator::start(SimulatorSettings::default())
        .await
        .unwrap();
    let url = format!("{}/chat/completions", simulator.base_url());
    (simulator, url)
}

#[tokio::test]
async fn a_connection_is_used_again_and_a_new_one_on_demand() {
    let (simulator, url) = simulator().await;
    let client = plain();
    for _ in 0..3 {
        read(client.send(post(&url), PATIENCE).await).await;
    }
    assert_eq!(simulator.counts().connections, 1);
    read(client.send_on_new_connection(post(&url), PATIENCE).await).await;
    read(client.send_on_new_connection(post(&url), PATIENCE).await).await;
    assert_eq!(simulator.counts().connections, 3);
    read(client.send(post(&url), PATIENCE).await).await;
    assert_eq!(
        (simulator.counts().connections, simulator.counts().received),
        (3, 6)
    );
}

#[tokio::test]
async fn a_reset_of_a_reused_connection_is_told_apart() {
    let (simulator, url) = simulator().await;
    simulator.fail(Behaviour {
        keep_alive: Some(KeepAlive::ResetOnReuse),
        ..Behaviour::default()
    });
    let client = plain();
    read(client.send(post(&url), PATIENCE).await).await;
    let error = client.send(post(&url), PATIENCE).await.unwrap_err();
    assert_eq!(
        (error.kind, error.on_reused_connection),
        (SendErrorKind::Connection, true)
    );
    read(client.send_on_new_connection(post(&url), PATIENCE).await).await;
}

#[tokio::test]
async fn a_reset_of_a_new_connection_is_the_providers() {
    for said in [
        &b""[..],
        b"HTTP/1.1 200",
        b"nonsense\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: x\r\n\r\n",
    ] {
        let (address, accepted) = saying(said).await;
        let error = plain()
            .send(post(&format!("http://{address}/")), PATIENCE)
            .await
            .unwrap_err();
        assert_eq!(
            (error.kind, error.on_reused_connection),
            (SendErrorKind::Connection, false),
            "{said:?}"
        );
        assert_eq!(
            accepted.load(Ordering::Relaxed),
            1,
            "never sent twice behind our back"
        );
    }
}

#[tokio::test]
async fn what_cannot_be_reached_is_a_connect_error() {
    let (simulator, url) = simulator().await;
    simulator.refuse().await;
    for url in [
        url.as_str(),
        "http://no-such-host.invalid/",
        "http://127.0.0.1:1/",
    ] {
        let error = plain().send(post(url), PATIENCE).await.unwrap_err();
        assert_eq!(
            (error.kind, error.on_reused_connection),
            (SendErrorKind::Connect, false),
            "{url}: {error:?}"
        );
    }
}

/// A listener whose queue is full drops what else comes, as a black hole does.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_black_hole_is_a_connect_timeout() {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let listener = socket.listen(1).unwrap();
    let address = listener.local_addr().unwrap();
    let mut queued = Vec::new();
    while let Ok(Ok(stream)) =
        tokio::time::timeout(Duration::from_millis(100), TcpStream::connect(address)).await
    {
        queued.push(stream);
    }
    let error = plain()
        .send(
            post(&format!("http://{address}/")),
            Duration::from_millis(200),
        )
        .await
        .unwrap_err();
    assert_eq!(
        (error.kind, error.on_reused_connection),
        (SendErrorKind::ConnectTimeout, false)
    );
    // Where there is even less time for the answer, that is what it has not kept.
    let patience = Patience {
        connect: PATIENCE,
        head: Some(Instant::now() + Duration::from_millis(200)),
    };
    let url = format!("http://{address}/");
    let error = plain().send(post(&url), patience).await.unwrap_err();
    assert_eq!(error.kind, SendErrorKind::HeadTimeout);
}

/// A head of some three hundred bytes that takes 0.4 s and more.
const SLOW_HEAD: Fault = Fault::SlowHeaders {
    bytes: 50,
    every_ms: 100,
};

/// The connect clock is not the answer's.
#[tokio::test]
async fn a_slow_answer_is_no_connect_timeout() {
    let (simulator, url) = simulator().await;
    simulator.fail(Behaviour::fault(SLOW_HEAD));
    let client = plain();
    for _ in 0..2 {
        read(client.send(post(&url), Duration::from_millis(200)).await).await;
    }
}

#[tokio::test]
async fn an_answer_that_is_not_there_by_its_moment_is_not_waited_for() {
    let (simulator, url) = simulator().await;
    let client = plain();
    let by = |connect, head| Patience {
        connect: Duration::from_millis(connect),
        head: Some(Instant::now() + Duration::from_millis(head)),
    };
    simulator.fail(Behaviour::fault(Fault::Hang {
        at: Point::BeforeHeaders,
    }));
    // The connection, there at once, has longer or less long than the answer.
    for connect in [100, 2_000] {
        let error = client.send(post(&url), by(connect, 500)).await.unwrap_err();
        assert_eq!(error.kind, SendErrorKind::HeadTimeout, "{connect}");
    }
    simulator.fail(Behaviour::fault(SLOW_HEAD));
    read(client.send(post(&url), by(100, 10_000)).await).await;
}

#[tokio::test]
async fn an_address_is_judged_after_the_name_is_resolved() {
    let (simulator, _) = simulator().await;
    let port = simulator.address().port();
    let public = client(NetworkPolicy::Public, &TransportSettings::default());
    for host in [
        "localhost",
        "127.0.0.1",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "0.0.0.0",
    ] {
        let url = format!("http://{host}:{port}/v1/models");
        let error = public.send(post(&url), PATIENCE).await.unwrap_err();
        assert_eq!(
            error.kind,
            SendErrorKind::AddressRefused,
            "{host}: {error:?}"
        );
        let error = public
            .send_on_new_connection(post(&url), PATIENCE)
            .await
            .unwrap_err();
        assert_eq!(
            error.kind,
            SendErrorKind::AddressRefused,
            "{host}: {error:?}"
        );
    }
    assert_eq!(simulator.counts().connections, 0);
    read(
        plain()
            .send(
                post(&format!("http://localhost:{port}/v1/chat/completions")),
                PATIENCE,
            )
            .await,
    )
    .await;
    for never in [
        "169.254.169.254",
        "[fe80::1]",
        "224.0.0.1",
        "[::ffff:169.254.169.254]",
        "0.0.0.0",
    ] {
        let error = plain()
            .send(post(&format!("http://{never}:{port}/")), PATIENCE)
            .await
            .unwrap_err();
        assert_eq!(error.kind, SendErrorKind::AddressRefused, "{never}");
    }
}

#[tokio::test]
async fn an_egress_proxy_makes_the_connection() {
    let (simulator, _) = simulator().await;
    let proxy = ConnectProxy::start(Some(simulator.address())).await;
    // The proxy lives on a private address, which the policy for providers does not concern.
    let client = client(NetworkPolicy::Public, &proxy.settings());
    for _ in 0..2 {
        read(
            client
                .send(
                    post("http://provider.invalid:81/v1/chat/completions"),
                    PATIENCE,
                )
                .await,
        )
        .await;
    }
    assert_eq!(
        *proxy.asked.lock().unwrap(),
        ["CONNECT provider.invalid:81 HTTP/1.1"]
    );
    let headers = &simulator.requests()[0].headers;
    assert_eq!(headers["host"], "provider.invalid:81");
    let literal = client
        .send(post("http://10.0.0.1/"), PATIENCE)
        .await
        .unwrap_err();
    assert_eq!(
        literal.kind,
        SendErrorKind::AddressRefused,
        "the proxy is not a way around the guard"
    );
}

#[tokio::test]
async fn a_proxy_that_refuses_is_a_connect_error() {
    let proxy = ConnectProxy::start(None).await;
    let client = client(NetworkPolicy::Any, &proxy.settings());
    let error = client
        .send(post("http://provider.invalid/"), PATIENCE)
        .await
        .unwrap_err();
    assert_eq!(error.kind, SendErrorKind::Connect);
}

#[tokio::test]
async fn equal_settings_share_a_pool_and_wrong_ones_are_refused() {
    let clients = Clients::new(NetworkPolicy::Any);
    let plain = TransportSettings::default();
    let proxied = |proxy: &str| TransportSettings {
        proxy: Some(proxy.into()),
        ca_file: None,
    };
    let one = clients.get(&plain).unwrap();
    assert!(std::sync::Arc::ptr_eq(&one, &clients.get(&plain).unwrap()));
    let other = clients.get(&proxied("http://proxy:3128")).unwrap();
    assert!(!std::sync::Arc::ptr_eq(&one, &other));
    for wrong in [
        "proxy:3128",
        "https://proxy",
        "socks5://proxy",
        "http://proxy/path",
        "http://",
        "",
    ] {
        assert!(
            matches!(clients.get(&proxied(wrong)), Err(SetupError::Proxy(_))),
            "{wrong}"
        );
    }
}

/// Connects within the process, and notes to where.
#[derive(Debug)]
struct Within {
    simulator: Simulator,
    dialled: std::sync::Mutex<Vec<SocketAddr>>,
}

impl Dial for Within {
    fn dial(&self, address: SocketAddr) -> Pin<Box<dyn Future<Output = io::Result<Link>> + Send>> {
        self.dialled.lock().unwrap().push(address);
        let link: io::Result<Link> = match address.port() {
            80 => Ok(Box::new(self.simulator.connect())),
            _ => Err(io::ErrorKind::ConnectionRefused.into()),
        };
        Box::pin(async move {
            if address.port() == 81 {
                std::future::pending::<()>().await;
            }
            link
        })
    }
}

#[tokio::test(start_paused = true)]
async fn a_network_of_ones_own_is_dialled_and_guarded_like_any_other() {
    let within = Arc::new(Within {
        simulator: Simulator::unbound(SimulatorSettings::default()).unwrap(),
        dialled: std::sync::Mutex::default(),
    });
    let clients = Clients::dialling(NetworkPolicy::Any, within.clone());
    let client = clients.get(&TransportSettings::default()).unwrap();
    let url = |origin: &str| format!("http://{origin}/v1/chat/completions");
    for _ in 0..2 {
        read(client.send(post(&url("10.0.0.1")), PATIENCE).await).await;
    }
    assert_eq!(within.simulator.counts().connections, 1, "pooled");
    for (origin, kind) in [
        ("10.0.0.1:81", SendErrorKind::ConnectTimeout),
        ("10.0.0.1:82", SendErrorKind::Connect),
        ("169.254.169.254", SendErrorKind::AddressRefused),
    ] {
        let sent = client.send(post(&url(origin)), PATIENCE).await;
        assert_eq!(sent.unwrap_err().kind, kind, "{origin}");
    }
    let dialled = within.dialled.lock().unwrap();
    let dialled: Vec<_> = dialled.iter().map(ToString::to_string).collect();
    assert_eq!(dialled, ["10.0.0.1:80", "10.0.0.1:81", "10.0.0.1:82"]);
}
