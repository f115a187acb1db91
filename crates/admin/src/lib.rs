//! The REST admin API: providers, models, their associations, client keys, policies,
//! prices, health, statistics and logs.
//!
//! Every change is one transaction that also raises the configuration's version, and is live in this process when the call
//! returns. Input is refused by the name of the field at fault before anything is written, so a change that is committed
//! can be loaded. Secrets go in and never come out: provider keys and header values come back as masks, a client key is
//! told once, when it is made.
//!
//! The OpenAPI document is generated from the handlers, which are registered and documented in one step, so that no route
//! is missing in it.

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
use utoipa_axum::{router::OpenApiRouter, routes};

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

/// The operations below `/api`, each with its documentation.
fn operations() -> OpenApiRouter<AdminState> {
    OpenApiRouter::new()
        .routes(routes!(providers::list, providers::create))
        .routes(routes!(providers::get, providers::patch, providers::delete))
        .routes(routes!(offered::list))
        .routes(routes!(offered::import))
        .routes(routes!(batch::of_providers))
        .routes(routes!(batch::of_models))
        .routes(routes!(batch::of_associations))
        .routes(routes!(batch::of_keys))
        .routes(routes!(fleet::check))
        .routes(routes!(fleet::transitions))
        .routes(routes!(models::list, models::create))
        .routes(routes!(models::get, models::patch, models::delete))
        .routes(routes!(model_providers::list, model_providers::create))
        .routes(routes!(
            model_providers::get,
            model_providers::patch,
            model_providers::delete
        ))
        .routes(routes!(fleet::status))
        .routes(routes!(policies::get, policies::put, policies::delete))
        .routes(routes!(explain::get))
        .routes(routes!(fleet::all))
        .routes(routes!(figures::summary))
        .routes(routes!(figures::daily))
        .routes(routes!(series::get))
        .routes(routes!(settings::list))
        .routes(routes!(usage::get))
        .routes(routes!(prices::list, prices::create))
        .routes(routes!(prices::get, prices::patch, prices::delete))
        .routes(routes!(logs::list, logs::delete))
        .routes(routes!(tail::tail))
        .routes(routes!(logs::get))
        .routes(routes!(logs::bodies))
        .routes(routes!(documents::export))
        .routes(routes!(documents::import))
        .routes(routes!(documents::template))
        .routes(routes!(keys::list, keys::create))
        .routes(routes!(keys::get, keys::patch, keys::delete))
        .routes(routes!(rotation::rotate))
        .routes(routes!(admin_keys::me))
        .routes(routes!(admin_keys::list, admin_keys::create))
        .routes(routes!(
            admin_keys::get,
            admin_keys::patch,
            admin_keys::delete
        ))
        .routes(routes!(audit::list))
}

/// `/api/*` behind an admin key, and `/openapi.json` and `/docs` for everybody. Any other path is the caller's.
pub fn router(state: AdminState) -> Router {
    let (api, _) = operations().split_for_parts();
    let api = api
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
