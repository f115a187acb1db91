//! Connections over a network of the caller's own.

use std::{fmt, future::Future, io, net::SocketAddr, pin::Pin};

use tokio::io::{AsyncRead, AsyncWrite};

/// A connection that [`Dial`] made.
pub type Link = Box<dyn Socket>;

/// What a connection is made of; everything that fits is one.
pub trait Socket: AsyncRead + AsyncWrite + Send + Unpin + 'static {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin + 'static> Socket for T {}

/// Connects in place of TCP: through a tunnel, or within a process. TLS is still spoken over what it answers, where the
/// address asks for it; an egress proxy is not. The address guard, the clocks and the pools stay what they are.
pub trait Dial: fmt::Debug + Send + Sync + 'static {
    /// Connects to `address`, which the policy allows. However long it takes, callers wait no longer than their clock for
    /// connecting says.
    fn dial(&self, address: SocketAddr) -> Pin<Box<dyn Future<Output = io::Result<Link>> + Send>>;
}
