//! `GET /v1/models` and `GET /v1/models/{id}`

use http::StatusCode;
use serde_json::{Value, json};

use super::error::ApiError;
use crate::SimulatorSettings;
use crate::answer::Answer;

/// Listed when every name is served.
const ANY: &str = "sim-model";

/// Lists the models, or describes the one at the end of `path`.
pub(crate) fn serve(settings: &SimulatorSettings, path: &str) -> Result<Answer, ApiError> {
    let Some(id) = path.strip_prefix("/models/") else {
        let any = [ANY.to_owned()];
        let names = if settings.models.is_empty() {
            &any[..]
        } else {
            &settings.models[..]
        };
        let data: Vec<Value> = names.iter().map(|name| model(name)).collect();
        return Ok(Answer::json(
            StatusCode::OK,
            json!({"object": "list", "data": data}).to_string(),
        ));
    };
    if !settings.models.is_empty() && !settings.models.iter().any(|name| name == id) {
        return Err(ApiError::no_model(id));
    }
    Ok(Answer::json(StatusCode::OK, model(id).to_string()))
}

fn model(id: &str) -> Value {
    json!({"id": id, "object": "model", "created": 1_735_689_600, "owned_by": "simulator"})
}
