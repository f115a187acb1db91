//! Why a request got no answer of a provider's own.

use std::time::Duration;

use bytes::Bytes;
use protocol::{ClientError, ErrorKind, Protocol, RequestError};
use router::Refusal;

use crate::admission::{COME_BACK, Full};

/// What the client is told, and what the log says.
#[derive(Debug)]
pub(crate) struct Error {
    /// For the client.
    pub(crate) told: Told,
    /// The provider's status, where it is to be kept although the words are ours.
    pub(crate) status: Option<u16>,
    /// For the log: a short name of the kind.
    pub(crate) class: &'static str,
    /// When it is worth trying again.
    pub(crate) retry_after: Option<Duration>,
    /// Everything was tried: the client's SDK should not try again by itself.
    pub(crate) is_final: bool,
    /// A provider that was not asked since it was full, where nothing else was asked either.
    pub(crate) full: Option<Box<Full>>,
}

/// What the client is told.
#[derive(Debug)]
pub(crate) enum Told {
    /// In our words.
    Ours(ClientError),
    /// In the provider's: its status and its body, which is JSON.
    Providers {
        /// HTTP status.
        status: u16,
        /// JSON, without secrets of ours.
        body: Bytes,
        /// The provider's sentence, without secrets of ours.
        message: String,
        /// Whose error that is: clients of other protocols could not read it.
        protocol: Option<Protocol>,
    },
}

impl Error {
    pub(crate) fn new(kind: ErrorKind, class: &'static str, message: impl Into<String>) -> Self {
        let told = Told::Ours(ClientError::new(kind, message));
        Self {
            told,
            status: None,
            class,
            retry_after: None,
            is_final: false,
            full: None,
        }
    }

    /// Too many requests are being served.
    pub(crate) fn shed() -> Self {
        let message = "the gateway is serving as many requests as it may";
        let mut error = Self::new(ErrorKind::Overloaded, "shed", message);
        error.retry_after = Some(COME_BACK);
        error
    }

    /// An endpoint that no operation of the provider's answers, although its type says so.
    pub(crate) fn unroutable() -> Self {
        let message = "the provider has no operation for this endpoint";
        Self::new(ErrorKind::Internal, "internal", message)
    }

    /// What the log says.
    pub(crate) fn message(&self) -> &str {
        match &self.told {
            Told::Ours(error) => &error.message,
            Told::Providers { message, .. } => message,
        }
    }
}

impl From<ClientError> for Error {
    fn from(error: ClientError) -> Self {
        let class = match error.kind {
            ErrorKind::Authentication | ErrorKind::Permission => "client_denied",
            ErrorKind::RequestTimeout => "client_timeout",
            ErrorKind::TooLarge => "client_too_large",
            _ => "client_error",
        };
        Self {
            told: Told::Ours(error),
            status: None,
            class,
            retry_after: None,
            is_final: false,
            full: None,
        }
    }
}

impl From<RequestError> for Error {
    fn from(error: RequestError) -> Self {
        ClientError::from(error).into()
    }
}

/// No provider model of those that could be tried can be asked this.
impl From<protocol::Refusal> for Error {
    fn from(refusal: protocol::Refusal) -> Self {
        let mut error = ClientError::new(ErrorKind::InvalidRequest, refusal.to_string());
        error.param = Some(refusal.param);
        error.into()
    }
}

/// The model does not exist, or is switched off; clients cannot tell which.
pub(crate) fn model_not_found(model: &str) -> Error {
    /// No model has a longer name; what is longer is not worth repeating.
    const LONGEST: usize = 100;
    let end = model.char_indices().nth(LONGEST).map(|(end, _)| end);
    let model = end.and_then(|end| model.get(..end)).unwrap_or(model);
    let mut error = ClientError::new(
        ErrorKind::ModelNotFound,
        format!("The model '{model}' does not exist"),
    );
    error.param = Some("model".to_owned());
    error.into()
}

/// What a refusal of the router means for a request for `model`.
pub(crate) fn refused(refusal: Refusal, model: &str) -> Error {
    let invalid = |message: String, param: Option<&str>| {
        let mut error = ClientError::new(ErrorKind::InvalidRequest, message);
        error.param = param.map(str::to_owned);
        Error::from(error)
    };
    match refusal {
        Refusal::ModelDisabled => model_not_found(model),
        Refusal::ProviderUnknown { name } => invalid(
            format!("provider '{name}' does not serve the model '{model}'"),
            Some("provider"),
        ),
        Refusal::MissingCapability(missing) => invalid(
            format!("no provider of the model '{model}' supports: {missing}"),
            None,
        ),
        Refusal::EndpointNotServed => invalid(
            format!("no provider of the model '{model}' serves this endpoint"),
            None,
        ),
        Refusal::NotAllowed => {
            let message = format!("this API key may use no provider of the model '{model}'");
            ClientError::new(ErrorKind::Permission, message).into()
        }
        Refusal::AllCooling { retry_after } => {
            let message = format!("every provider of the model '{model}' is rate limited");
            let mut error = Error::new(ErrorKind::RateLimited, "rate_limited", message);
            error.retry_after = Some(retry_after);
            error
        }
        _ => Error::new(
            ErrorKind::Unavailable,
            "no_provider",
            format!("no provider of the model '{model}' is enabled"),
        ),
    }
}
