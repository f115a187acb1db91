//! What a provider offers, asked live, and taking it over: `/api/providers/{id}/models` and `.../import-models`.

use std::{collections::HashSet, time::Duration};

use axum::{Json, extract::State};
use bytes::Bytes;
use catalog::{Provider, ProviderKind};
use entities::{model, model_provider};
use http::{HeaderValue, Request, Uri, header};
use http_body_util::{BodyExt, Limited};
use protocol::openai::ListedModel;
use router::ProviderId;
use sea_orm::{ActiveModelTrait, ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter};
use serde::{Deserialize, Serialize};
use upstream::Pieces;
use utoipa::ToSchema;

use crate::{
    AdminState,
    audit::Entry,
    auth::Caller,
    error::Error,
    extract::{Id, OptionalJson, read},
    input, model_providers, models,
    page::Page,
    providers,
};

const CONNECT_TIME: Duration = Duration::from_secs(5);
const WHOLE_TIME: Duration = Duration::from_secs(10);
/// Public aggregators list some hundred models, each with a description.
const ANSWER_BYTES: usize = 8 << 20;
const MOST_MODELS: usize = 5000;
/// Pages of a thousand each, where a provider has that many models.
const MOST_PAGES: usize = 10;

/// A model that a provider offers.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct OfferedModel {
    /// What the provider calls it.
    id: String,
    owned_by: Option<String>,
}

/// What a provider offers, asked now.
#[utoipa::path(get, path = "/providers/{id}/models", tag = "providers", params(("id" = i64, Path)),
    responses((status = 200, body = Page<OfferedModel>), (status = 409), (status = 502)))]
pub(crate) async fn list(
    State(state): State<AdminState>,
    Id(id): Id,
) -> Result<Json<Page<OfferedModel>>, Error> {
    let provider = usable(&state, id).await?;
    let offered = ask(&provider).await?.into_iter().map(|model| OfferedModel {
        id: model.id,
        owned_by: model.owned_by,
    });
    Ok(Json(Page::whole(offered.collect())))
}

async fn usable(state: &AdminState, id: i64) -> Result<std::sync::Arc<Provider>, Error> {
    let row = providers::find(&state.database, id).await?;
    let provider = state.catalog.snapshot().provider(ProviderId(id)).cloned();
    provider.ok_or_else(|| {
        providers::unusable(state, &row).unwrap_or(Error::Unavailable(
            "the provider is not loaded yet; try again in a second",
        ))
    })
}

/// Asks a provider for its list, page by page. Errors name neither its address nor what it says: that may hold secrets.
async fn ask(provider: &Provider) -> Result<Vec<ListedModel>, Error> {
    let Some(first) = provider.models_url() else {
        return Err(Error::Conflict {
            field: None,
            message: format!(
                "type {} has no list of what this provider offers; import models by their names",
                provider.kind.name()
            ),
        });
    };
    let asking = async {
        let mut models = Vec::new();
        let mut next = Some(first.clone());
        for _ in 0..MOST_PAGES {
            let Some(url) = next else { break };
            let (mut listed, body) = page(provider, url).await?;
            models.append(&mut listed);
            next = provider.next_models_url(&body);
        }
        Ok(models)
    };
    tokio::time::timeout(WHOLE_TIME, asking)
        .await
        .unwrap_or_else(|_| {
            let seconds = WHOLE_TIME.as_secs();
            let message = format!("the provider did not answer within {seconds} seconds");
            Err(failed(message, None))
        })
}

fn failed(message: String, status: Option<u16>) -> Error {
    Error::Upstream { message, status }
}

/// One page, and what it was read from.
async fn page(provider: &Provider, url: Uri) -> Result<(Vec<ListedModel>, Bytes), Error> {
    let mut request = Request::get(url)
        .body(Pieces::default())
        .map_err(|_| Error::Internal("a provider's address is no address"))?;
    *request.headers_mut() = provider.headers();
    request
        .headers_mut()
        .insert(header::ACCEPT, HeaderValue::from_static("application/json"));
    let response = provider
        .client
        .send(request, CONNECT_TIME)
        .await
        .map_err(|error| failed(format!("the provider did not answer: {error}"), None))?;
    let status = response.status();
    if !status.is_success() {
        let message = format!(
            "the provider answered with status {} instead of its models",
            status.as_u16()
        );
        return Err(failed(message, Some(status.as_u16())));
    }
    let body = Limited::new(response.into_body(), ANSWER_BYTES)
        .collect()
        .await
        .map_err(|_| {
            let message = "the provider's list of models broke off or is too large";
            failed(message.to_owned(), Some(status.as_u16()))
        })?
        .to_bytes();
    let listed = provider.kind.parse_models(&body).map_err(|_| {
        let message = "the provider answered with something that is no list of models";
        failed(message.to_owned(), Some(status.as_u16()))
    })?;
    Ok((listed, body))
}

/// Which of a provider's models to import.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ImportInput {
    /// As the provider calls them, whether it lists them or not; everything it lists if absent.
    #[schema(example = json!(["gpt-5"]))]
    models: Option<Vec<String>>,
}

/// What was imported.
#[derive(Debug, Default, Serialize, ToSchema)]
pub(crate) struct ImportBody {
    created: Vec<Imported>,
    skipped: Vec<Skipped>,
}

/// A model that the provider serves from now on.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Imported {
    model: String,
    model_id: i64,
    model_provider_id: i64,
    /// Whether the model is new too.
    model_created: bool,
}

/// A model that was left out.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Skipped {
    model: String,
    reason: String,
}

/// Creates the models that a provider offers, where they do not exist, and associates them with it, where they are not.
#[utoipa::path(post, path = "/providers/{id}/import-models", tag = "providers", params(("id" = i64, Path)),
    request_body = Option<ImportInput>, responses((status = 200, body = ImportBody), (status = 502)))]
pub(crate) async fn import(
    State(state): State<AdminState>,
    caller: Caller,
    Id(id): Id,
    OptionalJson(fields): OptionalJson,
) -> Result<Json<ImportBody>, Error> {
    let input: ImportInput = read(fields)?;
    let names = match input.models {
        Some(names) if names.len() > MOST_MODELS => {
            let reason = format!("must not have more than {MOST_MODELS} entries");
            return Err(Error::invalid("models", reason));
        }
        Some(names) => names
            .into_iter()
            .map(|name| input::name("models", Some(name)))
            .collect::<Result<Vec<_>, _>>()?,
        None => {
            let provider = usable(&state, id).await?;
            let listed = ask(&provider).await?;
            listed.into_iter().map(|model| model.id).collect()
        }
    };
    let change = state.change(&caller).await?;
    let provider = providers::find(change.on(), id).await?;
    let kind: Option<ProviderKind> = provider.kind.parse().ok();
    let mut report = ImportBody::default();
    let mut seen = HashSet::new();
    for name in names {
        if !seen.insert(name.clone()) {
            continue;
        }
        // A provider's own list may hold more than fits.
        let skip = if report.created.len() >= MOST_MODELS {
            Some(format!("more than {MOST_MODELS} at once"))
        } else {
            let refused = kind.and_then(|kind| kind.refuses(&name)).map(str::to_owned);
            refused.or_else(|| {
                let error = input::name("model", Some(name.clone())).err()?;
                Some(error.to_string())
            })
        };
        let result = match skip {
            Some(reason) => Err(reason),
            None => import_one(change.on(), id, &name).await?,
        };
        match result {
            Ok(imported) => report.created.push(imported),
            Err(reason) => report.skipped.push(Skipped {
                model: name,
                reason,
            }),
        }
    }
    let entry = Entry::of("provider", id, &provider.name).done_as("import", &report);
    change.commit(entry).await?;
    Ok(Json(report))
}

/// Imports one model; says why if there is nothing to do.
async fn import_one(
    connection: &impl ConnectionTrait,
    provider_id: i64,
    name: &str,
) -> Result<Result<Imported, String>, Error> {
    let known = model::Entity::find()
        .filter(model::Column::Name.eq(name))
        .one(connection)
        .await?;
    let model_created = known.is_none();
    let model_id = match known {
        Some(row) => row.id,
        None => {
            let row = models::new_row(name.to_owned()).insert(connection).await?;
            row.id
        }
    };
    let associated = model_provider::Entity::find()
        .filter(model_provider::Column::ModelId.eq(model_id))
        .filter(model_provider::Column::ProviderId.eq(provider_id))
        .filter(model_provider::Column::ProviderModel.eq(name))
        .one(connection)
        .await?;
    if associated.is_some() {
        return Ok(Err("it is associated already".to_owned()));
    }
    let row = model_providers::new_row(model_id, provider_id, name.to_owned())
        .insert(connection)
        .await?;
    Ok(Ok(Imported {
        model: name.to_owned(),
        model_id,
        model_provider_id: row.id,
        model_created,
    }))
}
