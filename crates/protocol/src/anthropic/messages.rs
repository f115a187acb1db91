//! Messages, to and from the canonical form.

pub(crate) mod count;
mod members;
pub(crate) mod request;
pub(crate) mod response;
pub(crate) mod stream;

#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
