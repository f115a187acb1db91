//! The REST admin API: providers, models, their associations, client keys, policies,
//! prices, health, statistics and logs.
//!
//! Every change is one transaction that also raises the configuration's version, and is live in this process when the call
//! returns. Input is refused by the name of the field at fault before anything is written, so a change that is committed
//! can be loaded. Secrets go in and never come out: provider keys and header values come back as masks, a client key is
//! told once, when it is made.
//!
//! The OpenAPI document is generated from the handlers, which are registered and documented by one list (`operations.rs`),
//! so that no route is missing in it.

mod admin_keys;
mod audit;
mod auth;
mod batch;
mod change;
mod declare;
mod declared;
mod docs;
mod document;
mod documents;
mod error;
mod explain;
mod extract;
mod figures;
mod fleet;
mod foreign;
mod guarding;
mod input;
mod keys;
mod limits;
mod logs;
mod model_providers;
mod models;
mod offered;
mod operations;
mod page;
mod policies;
mod prices;
mod provider_config;
mod providers;
mod rotation;
mod series;
mod settings;
mod spending;
mod tail;
mod transaction;
mod usage;

use std::{path::Path, sync::Arc};

use axum::{Router, middleware, routing::any};
use catalog::Catalog;
use health::Health;
use http::Method;
use sea_orm::DatabaseConnection;
use stats::Tail;
use tokio_util::sync::CancellationToken;

use crate::error::Error;

pub use auth::{AdminKey, Gate, Origin, Role};
pub use declare::{Declaration, Declared, NotDeclared, Rest, declare, sections};
pub use settings::Setting;

/// What the admin API works on; cheap to clone.
#[derive(Debug, Clone)]
pub struct AdminState {
    /// Where the configuration and the logs live.
    pub database: DatabaseConnection,
    /// Reloaded after every change; also seals provider keys.
    pub catalog: Catalog,
    /// Asked how providers fare.
    pub health: Health,
    /// Who is let in.
    pub gate: Gate,
    /// Shows requests as they end.
    pub tail: Tail,
    /// Cancelled when the process begins to shut down: answers that would go on for ever end then.
    pub ending: CancellationToken,
    /// What the process was started with, to be shown.
    pub settings: Arc<[Setting]>,
    /// A folder where files may be kept while they are read, which is made where it is missing.
    pub scratch: Arc<Path>,
}

/// `/api/*` behind an admin key, and `/openapi.json` and `/docs` for everybody. Any other path is the caller's.
pub fn router(state: AdminState) -> Router {
    let api = operations::router()
        .method_not_allowed_fallback(async |method: Method| Error::MethodNotAllowed(method))
        .fallback(unknown_path)
        .layer(middleware::from_fn_with_state(state.clone(), auth::guard))
        .with_state(state.clone());
    // The one path below a nested router that its fallback does not see.
    let bare = any(unknown_path).layer(middleware::from_fn_with_state(state, auth::guard));
    Router::new()
        .route("/api/", bare)
        .nest("/api", api)
        .merge(docs::router())
}

async fn unknown_path() -> Error {
    Error::NotFound("such path".to_owned())
}
