//! Whether a gateway that runs is ready, for platforms that ask by a command.

use std::{
    io::{Read, Write},
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream},
    time::Duration,
};

use anyhow::{Context, bail};
use rustls::{ClientConnection, StreamOwned};

use crate::settings::Settings;

mod pinned;

/// Longest that connecting, and then each piece of the answer, may take.
const PATIENCE: Duration = Duration::from_secs(2);
/// More than the head of an answer takes.
const MOST: u64 = 4096;

/// Asks `/readyz` of the gateway that listens by these settings.
///
/// # Errors
/// It cannot be reached, or is not ready.
pub(crate) fn ask(settings: &Settings) -> anyhow::Result<()> {
    let tls = settings.tls.as_ref().map(pinned::client).transpose()?;
    ask_at(settings.listen, tls)
}

fn ask_at(listen: SocketAddr, tls: Option<ClientConnection>) -> anyhow::Result<()> {
    let address = SocketAddr::new(within(listen.ip()), listen.port());
    let status = status(address, tls).with_context(|| format!("no answer from {address}"))?;
    match status.as_deref() {
        Some("200") => Ok(()),
        Some(status) => bail!("not ready: status {status}"),
        None => bail!("{address} does not speak HTTP"),
    }
}

/// An address of this machine on which one who listens on `ip` is reached.
fn within(ip: IpAddr) -> IpAddr {
    match ip {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    }
}

/// The status of its answer; `None` where that is no HTTP.
fn status(address: SocketAddr, tls: Option<ClientConnection>) -> std::io::Result<Option<String>> {
    let connection = TcpStream::connect_timeout(&address, PATIENCE)?;
    connection.set_read_timeout(Some(PATIENCE))?;
    connection.set_write_timeout(Some(PATIENCE))?;
    match tls {
        None => exchange(connection, address),
        Some(tls) => exchange(StreamOwned::new(tls, connection), address),
    }
}

fn exchange(
    mut connection: impl Read + Write,
    address: SocketAddr,
) -> std::io::Result<Option<String>> {
    write!(
        connection,
        "GET /readyz HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n"
    )?;
    connection.flush()?;
    let mut answer = Vec::new();
    connection.take(MOST).read_to_end(&mut answer)?;
    let answer = String::from_utf8_lossy(&answer);
    let mut words = answer.split_ascii_whitespace();
    let is_http = words.next().is_some_and(|word| word.starts_with("HTTP/1."));
    Ok(words.next().filter(|_| is_http).map(str::to_owned))
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    fn told(answer: &'static str) -> anyhow::Result<()> {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let server = std::thread::spawn(move || {
            let (mut connection, _) = listener.accept().unwrap();
            let mut head = Vec::new();
            let mut piece = [0; 64];
            while !head.ends_with(b"\r\n\r\n") {
                let length = connection.read(&mut piece).unwrap();
                head.extend_from_slice(&piece[..length]);
            }
            connection.write_all(answer.as_bytes()).unwrap();
        });
        let anywhere = SocketAddr::new(Ipv4Addr::UNSPECIFIED.into(), address.port());
        let result = ask_at(anywhere, None);
        server.join().unwrap();
        result
    }

    #[test]
    fn only_200_is_ready() {
        assert!(told("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").is_ok());
        let error = told("HTTP/1.1 503 Service Unavailable\r\n\r\n").unwrap_err();
        assert!(error.to_string().contains("503"), "{error}");
        assert!(told("SSH-2.0-OpenSSH 200").is_err());
        let nobody = SocketAddr::from(([127, 0, 0, 1], 1));
        assert!(
            ask_at(nobody, None)
                .unwrap_err()
                .to_string()
                .contains("127.0.0.1:1")
        );
    }
}
