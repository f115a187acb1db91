//! The operations below `/api`: where one is registered it is documented.

use axum::{Router, routing::on};
use utoipa::Path as _;
use utoipa_axum::PathItemExt as _;
#[cfg(test)]
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    AdminState, admin_keys, audit, batch, documents, explain, figures, fleet, keys, logs,
    model_providers, models, offered, policies, prices, providers, rotation, series, settings,
    tail, usage,
};

/// From one list, what answers and what documents. The document is checked in, so that only the test of it makes it.
macro_rules! operations {
    ($($module:ident :: $name:ident,)+) => {
        /// Routes to all of them. Methods and paths are those that their documentation tells.
        pub(crate) fn router() -> Router<AdminState> {
            let mut router = Router::new();
            $(pastey::paste! {
                let path = $module::[<__path_ $name>]::path();
                for method in $module::[<__path_ $name>]::methods() {
                    router = router.route(&path, on(method.to_method_filter(), $module::$name));
                }
            })+
            router
        }

        /// The documentation of all of them.
        #[cfg(test)]
        pub(crate) fn documented() -> utoipa::openapi::OpenApi {
            let router: OpenApiRouter<AdminState> = OpenApiRouter::new();
            router$(.routes(routes!($module::$name)))+.into_openapi()
        }
    };
}

operations! {
    providers::list,
    providers::create,
    providers::get,
    providers::patch,
    providers::delete,
    offered::list,
    offered::import,
    batch::of_providers,
    batch::of_models,
    batch::of_associations,
    batch::of_keys,
    fleet::check,
    fleet::transitions,
    models::list,
    models::create,
    models::get,
    models::patch,
    models::delete,
    model_providers::list,
    model_providers::create,
    model_providers::get,
    model_providers::patch,
    model_providers::delete,
    fleet::status,
    policies::get,
    policies::put,
    policies::delete,
    explain::get,
    fleet::all,
    figures::summary,
    figures::daily,
    series::get,
    settings::list,
    usage::get,
    prices::list,
    prices::create,
    prices::get,
    prices::patch,
    prices::delete,
    logs::list,
    logs::delete,
    tail::tail,
    logs::get,
    logs::bodies,
    documents::export,
    documents::import,
    documents::template,
    keys::list,
    keys::create,
    keys::get,
    keys::patch,
    keys::delete,
    rotation::rotate,
    admin_keys::me,
    admin_keys::list,
    admin_keys::create,
    admin_keys::get,
    admin_keys::patch,
    admin_keys::delete,
    audit::list,
}
