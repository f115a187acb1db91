//! Who would serve a request, and why the others would not: `/api/route`.

use std::collections::HashSet;

use access::Names;
use axum::{Json, extract::State};
use catalog::Snapshot;
use health::Moment;
use router::{Capabilities, Explained, Fate, LeftOut, ProviderId, Refusal, Request};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::{
    AdminState,
    error::Error,
    extract::{Query, flag},
    keys,
};

/// A request to explain.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(crate) struct RouteQuery {
    /// The model it asks for.
    #[param(required = true)]
    model: Option<String>,
    /// Whether it has tools or tool messages.
    #[serde(default, deserialize_with = "flag")]
    tools: bool,
    /// Whether it has images.
    #[serde(default, deserialize_with = "flag")]
    image: bool,
    /// Whether it wants a JSON or schema response format.
    #[serde(default, deserialize_with = "flag")]
    structured: bool,
    /// The name of the client key it comes with; without it any key without restrictions.
    key: Option<String>,
}

/// What would become of a request.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct RouteBody {
    model: String,
    model_id: i64,
    enabled: bool,
    strategy: &'static str,
    /// Why it would be refused; null if it would be tried.
    refusal: Option<Why>,
    /// Whether candidates would be tried in spite of their health, as nobody else is left.
    forced: bool,
    /// Every association of the model: first those that would be tried, in the most likely order; then the others.
    candidates: Vec<CandidateBody>,
}

/// A reason.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Why {
    #[schema(example = "missing_capability")]
    code: &'static str,
    message: String,
}

/// An association's part in it.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct CandidateBody {
    model_provider_id: i64,
    provider_id: i64,
    provider: String,
    provider_model: String,
    priority: i32,
    /// Provider weight x association weight.
    weight: u64,
    /// Whether it would be tried, if those before it fail.
    included: bool,
    /// Its tier among those in use, from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    tier: Option<usize>,
    /// Its position over all tiers, from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    position: Option<usize>,
    /// How often it comes first in its tier, in percent; null where load, latency or price decide.
    share_percent: Option<f64>,
    /// Whether its weight is 0, which puts it last.
    spare: bool,
    /// Whether it was unhealthy, and this would be its trial.
    trial: bool,
    /// Why it would not be tried.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<Why>,
}

/// Who would serve a request, in which order and with which shares; and who would not, and why.
///
/// It looks at health and cooldowns as they are now, and changes nothing.
#[utoipa::path(get, path = "/route", tag = "routing", params(RouteQuery),
    responses((status = 200, body = RouteBody), (status = 404)))]
pub(crate) async fn get(
    State(state): State<AdminState>,
    Query(query): Query<RouteQuery>,
) -> Result<Json<RouteBody>, Error> {
    let name = query
        .model
        .ok_or_else(|| Error::invalid("model", "is missing"))?;
    let allowed = match &query.key {
        Some(key) => allowed(&state, key).await?,
        None => Allowed::default(),
    };
    let snapshot = state.catalog.snapshot();
    let Some((_, route)) = snapshot.model(&name) else {
        return Err(Error::NotFound(format!("model '{name}'")));
    };
    let providers = allowed.providers.map(|names| ids(&snapshot, &names));
    let request = Request {
        requirements: Capabilities::new(query.tools, query.structured, query.image),
        allowed_providers: providers.as_deref(),
        ..Request::default()
    };
    let explanation = route.explain(&request, &state.health, Moment::now().instant);
    let is_allowed = allowed
        .models
        .is_none_or(|models| Names::new(models).include(&name));
    let refusal = if is_allowed {
        explanation.refusal.as_ref().map(refused)
    } else {
        Some(Why {
            code: "model_not_allowed",
            message: "the key may not use this model".to_owned(),
        })
    };
    Ok(Json(RouteBody {
        model: name,
        model_id: route.id().0,
        enabled: route.is_enabled(),
        strategy: explanation.strategy.name(),
        refusal,
        forced: explanation.is_forced,
        candidates: explanation
            .candidates
            .iter()
            .map(|explained| candidate(explained, &snapshot))
            .collect(),
    }))
}

/// What a key may use; `None` allows all.
#[derive(Debug, Default)]
struct Allowed {
    models: Option<HashSet<String>>,
    providers: Option<HashSet<String>>,
}

async fn allowed(state: &AdminState, key: &str) -> Result<Allowed, Error> {
    if key.starts_with(keys::FROM_SETTINGS) {
        return Ok(Allowed::default());
    }
    let row = keys::by_name(&state.database, key)
        .await?
        .ok_or_else(|| Error::invalid("key", format!("there is no key called '{key}'")))?;
    let names = |list: Option<serde_json::Value>| {
        // A list that cannot be read turns every request away.
        list.map(|list| serde_json::from_value(list).unwrap_or_default())
    };
    Ok(Allowed {
        models: names(row.allowed_models),
        providers: names(row.allowed_providers),
    })
}

fn ids(snapshot: &Snapshot, names: &HashSet<String>) -> Vec<ProviderId> {
    names
        .iter()
        .filter_map(|name| snapshot.routes.provider_id(name))
        .collect()
}

fn candidate(explained: &Explained<'_>, snapshot: &Snapshot) -> CandidateBody {
    let candidate = explained.candidate;
    let mut body = CandidateBody {
        model_provider_id: candidate.id().0,
        provider_id: candidate.provider().0,
        provider: candidate.provider_name().to_string(),
        provider_model: candidate.provider_model().to_string(),
        priority: candidate.priority(),
        weight: candidate.weight(),
        included: false,
        tier: None,
        position: None,
        share_percent: None,
        spare: candidate.weight() == 0,
        trial: false,
        reason: None,
    };
    match &explained.fate {
        Fate::Included {
            tier,
            position,
            share_percent,
            is_spare,
            is_trial,
        } => {
            body.included = true;
            body.tier = Some(*tier);
            body.position = Some(*position);
            body.share_percent = *share_percent;
            body.spare = *is_spare;
            body.trial = *is_trial;
        }
        Fate::LeftOut(reason) => {
            let problem = snapshot.problem(candidate.provider());
            body.reason = Some(left_out(*reason, problem));
        }
    }
    body
}

fn left_out(reason: LeftOut, problem: Option<&str>) -> Why {
    let (code, message) = match (reason, problem) {
        (LeftOut::ProviderDisabled, Some(problem)) => (
            "provider_unusable",
            format!("the provider cannot be called: {problem}"),
        ),
        (LeftOut::NotNamed, _) => ("not_named", "the request names other providers".to_owned()),
        (LeftOut::AssociationDisabled, _) => (
            "association_disabled",
            "the association is disabled".to_owned(),
        ),
        (LeftOut::ProviderDisabled, None) => {
            ("provider_disabled", "the provider is disabled".to_owned())
        }
        (LeftOut::NotAllowed, _) => ("not_allowed", "the key may not use the provider".to_owned()),
        (LeftOut::EndpointNotServed, _) => (
            "endpoint_not_served",
            "the provider does not serve this kind of request".to_owned(),
        ),
        (LeftOut::MissingCapability(missing), _) => {
            ("missing_capability", format!("it lacks {missing}"))
        }
        (LeftOut::NotPinned, _) => (
            "not_pinned",
            "the request must stay with another provider".to_owned(),
        ),
        (LeftOut::Open { retry_in, errors }, _) => (
            "unhealthy",
            format!(
                "unhealthy after {errors} errors; its next trial is due in {} s",
                retry_in.as_secs()
            ),
        ),
        (LeftOut::Cooling { ends_in }, _) => (
            "cooling",
            format!("it asked for a pause of {} s more", ends_in.as_secs()),
        ),
        (_, _) => ("left_out", "it would not be tried".to_owned()),
    };
    Why { code, message }
}

fn refused(refusal: &Refusal) -> Why {
    let code = match refusal {
        Refusal::ModelDisabled => "model_disabled",
        Refusal::ProviderUnknown { .. } => "provider_unknown",
        Refusal::NothingEnabled => "nothing_enabled",
        Refusal::NotAllowed => "not_allowed",
        Refusal::EndpointNotServed => "endpoint_not_served",
        Refusal::MissingCapability(_) => "missing_capability",
        Refusal::AllCooling { .. } => "all_cooling",
        _ => "refused",
    };
    Why {
        code,
        message: refusal.to_string(),
    }
}
