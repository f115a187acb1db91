//! One HTTP/1.1 connection, read just far enough to know where an answer ends.
//!
//! A full client costs more than what is measured, and this one shares its core with the simulator.

use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::time::Instant;

use memchr::memmem;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// An open connection.
#[derive(Debug)]
pub(crate) struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
}

/// What a head told.
#[derive(Debug)]
pub(crate) struct Head {
    pub(crate) status: u16,
    pub(crate) keep_alive: bool,
    /// Whether it says when to come again.
    pub(crate) retry_after: bool,
    /// When the first byte of the body was there.
    pub(crate) first_byte: Instant,
}

/// What stands in a head.
struct Told {
    status: u16,
    keep_alive: bool,
    retry_after: bool,
    framing: Framing,
}

enum Framing {
    Length(usize),
    Chunked,
}

impl Connection {
    /// Connects.
    pub(crate) async fn open(target: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect(target).await?;
        stream.set_nodelay(true)?;
        Ok(Self {
            stream,
            buffer: Vec::with_capacity(16 * 1024),
        })
    }

    /// Sends a request and reads its answer's decoded body into `body`.
    pub(crate) async fn exchange(
        &mut self,
        request: &[u8],
        body: &mut Vec<u8>,
    ) -> io::Result<Head> {
        self.buffer.clear();
        body.clear();
        self.stream.write_all(request).await?;
        let body_start = loop {
            if let Some(at) = memmem::find(&self.buffer, b"\r\n\r\n") {
                break at + 4;
            }
            self.read_more().await?;
        };
        let told = told(&self.buffer[..body_start])?;
        while self.buffer.len() == body_start && !matches!(told.framing, Framing::Length(0)) {
            self.read_more().await?;
        }
        let first_byte = Instant::now();
        match told.framing {
            Framing::Length(length) => {
                self.fill(body_start + length).await?;
                body.extend_from_slice(&self.buffer[body_start..body_start + length]);
            }
            Framing::Chunked => self.read_chunks(body_start, body).await?,
        }
        Ok(Head {
            status: told.status,
            keep_alive: told.keep_alive,
            retry_after: told.retry_after,
            first_byte,
        })
    }

    async fn read_chunks(&mut self, mut at: usize, body: &mut Vec<u8>) -> io::Result<()> {
        loop {
            let line_end = loop {
                if let Some(length) = memmem::find(&self.buffer[at..], b"\r\n") {
                    break at + length;
                }
                self.read_more().await?;
            };
            let size = std::str::from_utf8(&self.buffer[at..line_end]).ok();
            let size = size.and_then(|size| usize::from_str_radix(size, 16).ok());
            let size = size
                .ok_or_else(|| io::Error::new(ErrorKind::InvalidData, "a chunk without a size"))?;
            at = line_end + 2;
            self.fill(at + size + 2).await?;
            body.extend_from_slice(&self.buffer[at..at + size]);
            at += size + 2;
            if size == 0 {
                return Ok(());
            }
        }
    }

    async fn fill(&mut self, length: usize) -> io::Result<()> {
        while self.buffer.len() < length {
            self.read_more().await?;
        }
        Ok(())
    }

    async fn read_more(&mut self) -> io::Result<()> {
        if self.stream.read_buf(&mut self.buffer).await? == 0 {
            return Err(ErrorKind::UnexpectedEof.into());
        }
        Ok(())
    }
}

fn told(head: &[u8]) -> io::Result<Told> {
    let invalid = |what: &'static str| io::Error::new(ErrorKind::InvalidData, what);
    let head = std::str::from_utf8(head).map_err(|_| invalid("a head that is no text"))?;
    let mut lines = head.split("\r\n");
    let status = lines.next().and_then(|line| line.get(9..12)?.parse().ok());
    let (mut keep_alive, mut retry_after, mut framing) = (true, false, None);
    for (name, value) in lines.filter_map(|line| line.split_once(": ")) {
        if name.eq_ignore_ascii_case("content-length") {
            framing = value.parse().ok().map(Framing::Length);
        } else if name.eq_ignore_ascii_case("transfer-encoding") {
            framing = value
                .eq_ignore_ascii_case("chunked")
                .then_some(Framing::Chunked);
        } else if name.eq_ignore_ascii_case("connection") {
            keep_alive = !value.eq_ignore_ascii_case("close");
        } else if name.eq_ignore_ascii_case("retry-after") {
            retry_after = true;
        }
    }
    Ok(Told {
        status: status.ok_or_else(|| invalid("a head without a status"))?,
        keep_alive,
        retry_after,
        framing: framing.ok_or_else(|| invalid("a body without an end"))?,
    })
}
