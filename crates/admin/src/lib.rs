//! The REST admin API: providers, models, their associations, client keys, policies, health, statistics and logs.
//!
//! Every change is one transaction that also raises the configuration's version, and is live in this process when the call
//! returns. Input is refused by the name of the field at fault before anything is written, so a change that is committed
//! can be loaded. Secrets go in and never come out: provider keys and header values come back as masks, a client key is
//! told once, when it is made.
//!
//! The OpenAPI document is generated from the handlers, which are registered and documented in one step, so that no route
//! is missing in it.

mod auth;
mod change;
mod docs;
mod error;
mod explain;
mod extract;
mod figures;
mod fleet;
mod input;
mod keys;
mod logs;
mod model_providers;
mod models;
mod money;
mod offered;
mod page;
mod policies;
mod provider_config;
mod providers;

use axum::{Router, middleware, routing::any};
use catalog::Catalog;
use health::Health;
use http::Method;
use sea_orm::DatabaseConnection;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::error::Error;

pub use auth::AdminKey;

/// What the admin API works on; cheap to clone.
#[derive(Debug, Clone)]
pub struct AdminState {
    /// Where the configuration and the logs live.
    pub database: DatabaseConnection,
    /// Reloaded after every change; also seals provider keys.
    pub catalog: Catalog,
    /// Asked how providers fare.
    pub health: Health,
    /// Without one every request is refused.
    pub admin_key: Option<AdminKey>,
}

/// `/api/*` behind the admin key, and `/openapi.json` and `/docs` for everybody. Any other path is the caller's.
pub fn router(state: AdminState) -> Router {
    let api = OpenApiRouter::new()
        .routes(routes!(providers::list, providers::create))
        .routes(routes!(providers::get, providers::patch, providers::delete))
        .routes(routes!(offered::list))
        .routes(routes!(offered::import))
        .routes(routes!(fleet::check))
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
        .routes(routes!(logs::list, logs::delete))
        .routes(routes!(logs::get))
        .routes(routes!(keys::list, keys::create))
        .routes(routes!(keys::get, keys::patch, keys::delete));
    let (api, paths) = api.split_for_parts();
    let document = docs::document(paths);
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
        .merge(docs::router(&document))
}

async fn unknown_path() -> Error {
    Error::NotFound("such path".to_owned())
}
