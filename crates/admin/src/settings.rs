//! The settings of this process: `/api/settings`.

use axum::{Json, extract::State};
use serde::Serialize;
use utoipa::ToSchema;

use crate::AdminState;

/// A setting in force.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Setting {
    /// The environment variable's name; in the file it stands in lower case.
    #[schema(example = "GATEWAY_LISTEN")]
    pub name: String,
    /// As it was given, or the default; a secret is masked, and null is not set.
    pub value: Option<String>,
    /// `flag`, `environment`, `file` or `default`.
    #[schema(value_type = String, example = "environment")]
    pub source: &'static str,
    /// What it does.
    pub about: String,
}

/// All settings.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SettingsBody {
    data: Vec<Setting>,
}

/// What this process was started with. Settings change at a restart.
#[utoipa::path(get, path = "/settings", tag = "gateway", responses((status = 200, body = SettingsBody)))]
pub(crate) async fn list(State(state): State<AdminState>) -> Json<SettingsBody> {
    Json(SettingsBody {
        data: state.settings.to_vec(),
    })
}
