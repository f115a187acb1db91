//! What providers charge: `/api/prices`.

use access::{ListPrice, Price, list_prices, money};
use axum::{Json, extract::State};
use catalog::price_of_row;
use chrono::{DateTime, NaiveDate, Utc};
use entities::{price, provider};
use http::StatusCode;
use sea_orm::{
    ActiveModelTrait,
    ActiveValue::{NotSet, Set},
    ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter,
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use url::Url;
use utoipa::{IntoParams, ToSchema};

use crate::{
    AdminState,
    audit::Entry,
    auth::Caller,
    change,
    declared::{self, Marks},
    document::Kind,
    error::Error,
    extract::{Id, JsonObject, Query, flag, read},
    input,
    page::{self, Page, PageQuery},
};

/// A million dollars, in nano-USD: no price, and the most that is kept of a cost.
const MOST: i64 = 1_000_000_000_000_000;
const SOURCE_CHARS: usize = 255;

/// Amounts are decimal numbers of USD in strings, exact to the nano-dollar: of tokens per million, 0 to 1000000. What is
/// absent or null is not priced, which is not the same as free.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PriceInput {
    /// Whose price it is; of every provider by default.
    provider_id: Option<i64>,
    /// The provider's name of the model, 1 to 100 characters. `*` stands for any characters, `?` for one.
    #[schema(required = true, nullable = false, example = "gpt-5*")]
    model_pattern: Option<String>,
    /// Input tokens.
    #[schema(example = "1.25")]
    input: Option<String>,
    /// Output tokens.
    #[schema(example = "10")]
    output: Option<String>,
    /// Input tokens read from the provider's cache; as `input` by default.
    #[schema(example = "0.125")]
    cache_read: Option<String>,
    /// Input tokens written to the provider's cache; as `input` by default.
    cache_write: Option<String>,
    /// Output tokens spent on reasoning; as `output` by default.
    reasoning: Option<String>,
    /// Each request, whatever it uses.
    per_request: Option<String>,
    /// Each image. Images are not counted yet: an attempt at such a price stays unpriced.
    per_image: Option<String>,
    /// Each second of sound or video. Seconds are not counted yet: an attempt at such a price stays unpriced.
    per_second: Option<String>,
    /// URL of the page that says so, up to 255 characters.
    #[schema(example = "https://example.com/pricing")]
    source: Option<String>,
    /// The day that page was read.
    source_date: Option<NaiveDate>,
}

/// A price: a row of the table, or one that is built in.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct PriceBody {
    /// Null where it is built in.
    id: Option<i64>,
    /// Whether it is a list price that comes with the gateway. Any row for the same models wins over it.
    builtin: bool,
    /// Of a built-in price, the type of provider whose vendor charges it, at the vendor's own address.
    provider_type: Option<&'static str>,
    /// Null is every provider.
    provider_id: Option<i64>,
    model_pattern: String,
    #[serde(flatten)]
    amounts: Amounts,
    source: Option<String>,
    source_date: Option<NaiveDate>,
    /// The file that declares it, which alone can change it; null where none does.
    declared_by: Option<String>,
    created_at: Option<DateTime<Utc>>,
    updated_at: Option<DateTime<Utc>>,
}

/// USD as decimals, of tokens per million; null is not priced.
#[derive(Debug, Serialize, ToSchema)]
struct Amounts {
    #[schema(example = "1.25")]
    input: Option<String>,
    output: Option<String>,
    cache_read: Option<String>,
    cache_write: Option<String>,
    reasoning: Option<String>,
    per_request: Option<String>,
    per_image: Option<String>,
    per_second: Option<String>,
}

impl From<Price> for Amounts {
    fn from(price: Price) -> Self {
        let shown = |amount: Option<i64>| amount.map(money::usd);
        Self {
            input: shown(price.input),
            output: shown(price.output),
            cache_read: shown(price.cache_read),
            cache_write: shown(price.cache_write),
            reasoning: shown(price.reasoning),
            per_request: shown(price.per_request),
            per_image: shown(price.per_image),
            per_second: shown(price.per_second),
        }
    }
}

impl From<price::Model> for PriceBody {
    fn from(row: price::Model) -> Self {
        Self {
            id: Some(row.id),
            builtin: false,
            provider_type: None,
            provider_id: row.provider_id,
            amounts: price_of_row(&row).into(),
            model_pattern: row.model_pattern,
            source: row.source,
            source_date: row.source_date,
            declared_by: None,
            created_at: Some(row.created_at),
            updated_at: Some(row.updated_at),
        }
    }
}

impl From<&'static ListPrice> for PriceBody {
    fn from(list: &'static ListPrice) -> Self {
        Self {
            id: None,
            builtin: true,
            provider_type: Some(&list.provider_type),
            provider_id: None,
            model_pattern: list.model_pattern.clone(),
            amounts: list.price.into(),
            source: Some(list.source.clone()),
            source_date: Some(list.source_date),
            declared_by: None,
            created_at: None,
            updated_at: None,
        }
    }
}

impl PriceBody {
    /// The same, with what declares it.
    fn declared(mut self, marks: &Marks) -> Self {
        self.declared_by = self.id.and_then(|id| marks.shown(Kind::Price, id));
        self
    }
}

fn amount(field: &'static str, given: Option<String>) -> Result<Option<i64>, Error> {
    let Some(text) = given else { return Ok(None) };
    match money::parse_usd(&text) {
        Ok(nano @ ..=MOST) => Ok(Some(nano)),
        Ok(_) => Err(Error::invalid(field, "must be at most 1000000")),
        Err(error) => Err(Error::invalid(field, error.to_string())),
    }
}

fn source(given: Option<String>) -> Result<Option<String>, Error> {
    let Some(text) = given else { return Ok(None) };
    if text.chars().count() > SOURCE_CHARS {
        let reason = format!("must have at most {SOURCE_CHARS} characters");
        return Err(Error::invalid("source", reason));
    }
    let is_page = Url::parse(&text).is_ok_and(|url| matches!(url.scheme(), "http" | "https"));
    if !is_page || text.contains(|c: char| c.is_control() || c.is_whitespace()) {
        return Err(Error::invalid("source", "must be an http or https URL"));
    }
    Ok(Some(text))
}

/// Checks the fields and turns them into a row's values, `except` for which nothing else may have the same provider and
/// pattern.
pub(crate) async fn checked(
    connection: &impl ConnectionTrait,
    fields: Map<String, Value>,
    except: Option<i64>,
) -> Result<price::ActiveModel, Error> {
    let input: PriceInput = read(fields)?;
    let pattern = input::name("model_pattern", input.model_pattern)?;
    let provider_id = input.provider_id;
    if let Some(id) = provider_id
        && provider::Entity::find_by_id(id)
            .one(connection)
            .await?
            .is_none()
    {
        let reason = format!("there is no provider {id}");
        return Err(Error::invalid("provider_id", reason));
    }
    let now = change::now();
    let values = price::ActiveModel {
        id: NotSet,
        provider_id: Set(provider_id),
        input: Set(amount("input", input.input)?),
        output: Set(amount("output", input.output)?),
        cache_read: Set(amount("cache_read", input.cache_read)?),
        cache_write: Set(amount("cache_write", input.cache_write)?),
        reasoning: Set(amount("reasoning", input.reasoning)?),
        per_request: Set(amount("per_request", input.per_request)?),
        per_image: Set(amount("per_image", input.per_image)?),
        per_second: Set(amount("per_second", input.per_second)?),
        source: Set(source(input.source)?),
        source_date: Set(input.source_date),
        created_at: Set(now),
        updated_at: Set(now),
        model_pattern: Set(pattern.clone()),
    };
    must_be_free(connection, provider_id, &pattern, except).await?;
    Ok(values)
}

/// The database takes any number of rows for every provider, since nulls are never equal to it.
async fn must_be_free(
    connection: &impl ConnectionTrait,
    provider_id: Option<i64>,
    pattern: &str,
    except: Option<i64>,
) -> Result<(), Error> {
    use price::Column;
    let same_provider = match provider_id {
        Some(id) => Column::ProviderId.eq(id),
        None => Column::ProviderId.is_null(),
    };
    let taken = price::Entity::find()
        .filter(Column::ModelPattern.eq(pattern))
        .filter(same_provider)
        .one(connection)
        .await?;
    if taken.is_some_and(|row| Some(row.id) != except) {
        let message = format!("model_pattern: '{pattern}' has a price for this provider already");
        return Err(Error::conflict("model_pattern", message));
    }
    Ok(())
}

async fn find(connection: &impl ConnectionTrait, id: i64) -> Result<price::Model, Error> {
    price::Entity::find_by_id(id)
        .one(connection)
        .await?
        .ok_or_else(|| Error::NotFound(format!("price {id}")))
}

/// Which prices are asked for.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(crate) struct ListQuery {
    /// Only this provider's own.
    provider_id: Option<i64>,
    /// The list prices that are built in, on one page, instead of the rows of the table.
    #[serde(default, deserialize_with = "flag")]
    builtin: bool,
    /// Entries per page, 1 to 1000; 50 if absent.
    limit: Option<u64>,
    /// `next` of the page before.
    cursor: Option<String>,
}

/// All prices, newest first; or those that are built in.
#[utoipa::path(get, path = "/prices", tag = "prices", params(ListQuery),
    responses((status = 200, body = Page<PriceBody>)))]
pub(crate) async fn list(
    State(state): State<AdminState>,
    Query(query): Query<ListQuery>,
) -> Result<Json<Page<PriceBody>>, Error> {
    if query.builtin {
        let all = list_prices().iter().map(Into::into).collect();
        return Ok(Json(Page::whole(all)));
    }
    let mut select = price::Entity::find();
    if let Some(id) = query.provider_id {
        select = select.filter(price::Column::ProviderId.eq(id));
    }
    let page = PageQuery {
        limit: query.limit,
        cursor: query.cursor,
    };
    let rows = page::rows(&state.database, select, price::Column::Id, page, |row| {
        row.id
    })
    .await?;
    let ids = rows.data.iter().map(|row| row.id);
    let marks = Marks::of(&state.database, Kind::Price, ids).await?;
    Ok(Json(rows.map(|row| PriceBody::from(row).declared(&marks))))
}

/// Sets a price. It holds for attempts from now on; what has been recorded stays.
#[utoipa::path(post, path = "/prices", tag = "prices", request_body = PriceInput,
    responses((status = 201, body = PriceBody)))]
pub(crate) async fn create(
    State(state): State<AdminState>,
    caller: Caller,
    JsonObject(fields): JsonObject,
) -> Result<(StatusCode, Json<PriceBody>), Error> {
    let change = state.change(&caller).await?;
    let values = checked(change.on(), fields, None).await?;
    let body = PriceBody::from(values.insert(change.on()).await?);
    let entry = Entry::of("price", body.id, &body.model_pattern).created(&body);
    change.commit(entry).await?;
    Ok((StatusCode::CREATED, Json(body)))
}

/// One price.
#[utoipa::path(get, path = "/prices/{id}", tag = "prices", params(("id" = i64, Path)),
    responses((status = 200, body = PriceBody)))]
pub(crate) async fn get(
    State(state): State<AdminState>,
    Id(id): Id,
) -> Result<Json<PriceBody>, Error> {
    let body = PriceBody::from(find(&state.database, id).await?);
    let marks = Marks::of(&state.database, Kind::Price, [id]).await?;
    Ok(Json(body.declared(&marks)))
}

/// Changes a price.
///
/// A merge patch: what is absent stays, null takes the default.
#[utoipa::path(patch, path = "/prices/{id}", tag = "prices", params(("id" = i64, Path)),
    request_body(content = PriceInput, content_type = "application/merge-patch+json"),
    responses((status = 200, body = PriceBody)))]
pub(crate) async fn patch(
    State(state): State<AdminState>,
    caller: Caller,
    Id(id): Id,
    JsonObject(patch): JsonObject,
) -> Result<Json<PriceBody>, Error> {
    let change = state.change(&caller).await?;
    let row = find(change.on(), id).await?;
    declared::must_be_free(change.on(), Kind::Price, id, &row.model_pattern).await?;
    let before = PriceBody::from(row.clone());
    let mut fields = input::fields(json!({
        "provider_id": row.provider_id, "model_pattern": row.model_pattern, "source": row.source,
        "source_date": row.source_date,
    }));
    for (name, amount) in price_of_row(&row).amounts() {
        fields.insert(name.to_owned(), amount.map(money::usd).into());
    }
    input::merge(&mut fields, patch);
    let changed = price::ActiveModel {
        id: Set(id),
        created_at: Set(row.created_at),
        ..checked(change.on(), fields, Some(id)).await?
    };
    let body = PriceBody::from(changed.update(change.on()).await?);
    let entry = Entry::of("price", id, &body.model_pattern).changed(&before, &body);
    change.commit(entry).await?;
    Ok(Json(body))
}

/// Deletes a price. What it priced takes the next in line, which may be a built-in one, or is unpriced.
#[utoipa::path(delete, path = "/prices/{id}", tag = "prices", params(("id" = i64, Path)),
    responses((status = 204)))]
pub(crate) async fn delete(
    State(state): State<AdminState>,
    caller: Caller,
    Id(id): Id,
) -> Result<StatusCode, Error> {
    let change = state.change(&caller).await?;
    let row = find(change.on(), id).await?;
    declared::must_be_free(change.on(), Kind::Price, id, &row.model_pattern).await?;
    let gone = PriceBody::from(row);
    price::Entity::delete_by_id(id).exec(change.on()).await?;
    let entry = Entry::of("price", id, &gone.model_pattern).deleted(&gone);
    change.commit(entry).await?;
    Ok(StatusCode::NO_CONTENT)
}
