//! Import and export of the configuration: `/api/export`, `/api/import`.

use axum::{
    Json,
    extract::{Request, State},
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, header};
use secrecy::SecretString;
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};

use crate::{
    AdminState,
    auth::{Caller, Role},
    document::{
        self, Document, Fault, Mode, Options, Passphrase, Report, Rows, SecretsIn, from_value,
        parse_toml,
    },
    error::Error,
    extract::{self, Query, flag},
    foreign::{self, Origin},
};

/// Largest document, in bytes: tens of thousands of objects.
const DOCUMENT_BYTES: usize = 16 << 20;

/// Largest database of another gateway, in bytes: there may be logs in it too.
const DATABASE_BYTES: usize = 64 << 20;

const PASSPHRASE: HeaderName = HeaderName::from_static("x-gateway-passphrase");

const JSON: &str = "application/json";
const TOML: &str = "application/toml";
const XLSX: &str = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet";

/// How a document is written.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Format {
    #[default]
    Json,
    Toml,
    Xlsx,
}

impl Format {
    fn media_type(self) -> &'static str {
        match self {
            Self::Json => JSON,
            Self::Toml => TOML,
            Self::Xlsx => XLSX,
        }
    }

    fn file_name(self) -> &'static str {
        match self {
            Self::Json => "gateway.json",
            Self::Toml => "gateway.toml",
            Self::Xlsx => "gateway.xlsx",
        }
    }
}

/// What a body that is imported is.
#[derive(Debug, Clone, Copy)]
enum Source {
    Document(Format),
    /// Another gateway's; where it is not said whose, it is whose it looks like.
    Foreign(Option<Origin>),
}

impl Source {
    /// By what it is labelled as.
    fn of(headers: &HeaderMap) -> Result<Self, Error> {
        match &*extract::media_type(headers) {
            "application/json" => Ok(Self::Document(Format::Json)),
            "application/toml" | "text/toml" | "text/x-toml" => Ok(Self::Document(Format::Toml)),
            XLSX => Ok(Self::Document(Format::Xlsx)),
            "application/yaml" | "application/x-yaml" | "text/yaml" | "text/x-yaml" => {
                Ok(Self::Foreign(Some(Origin::Litellm)))
            }
            "application/vnd.sqlite3" | "application/x-sqlite3" => Ok(Self::Foreign(None)),
            _ => Err(Error::NoDocument),
        }
    }

    /// How many bytes it may have.
    fn limit(self) -> usize {
        match self {
            Self::Document(_) | Self::Foreign(Some(Origin::Litellm)) => DOCUMENT_BYTES,
            Self::Foreign(_) => DATABASE_BYTES,
        }
    }
}

/// What is imported, where it is not told by how the body is labelled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum ImportFormat {
    Json,
    Toml,
    Xlsx,
    /// A `config.yaml` of LiteLLM's proxy.
    Litellm,
    /// An llmio database (SQLite).
    Llmio,
    /// Channels of one-api: its database (SQLite), or what its API lists (JSON).
    OneApi,
    /// Channels of new-api: likewise.
    NewApi,
}

impl From<ImportFormat> for Source {
    fn from(format: ImportFormat) -> Self {
        match format {
            ImportFormat::Json => Self::Document(Format::Json),
            ImportFormat::Toml => Self::Document(Format::Toml),
            ImportFormat::Xlsx => Self::Document(Format::Xlsx),
            ImportFormat::Litellm => Self::Foreign(Some(Origin::Litellm)),
            ImportFormat::Llmio => Self::Foreign(Some(Origin::Llmio)),
            ImportFormat::OneApi => Self::Foreign(Some(Origin::OneApi)),
            ImportFormat::NewApi => Self::Foreign(Some(Origin::NewApi)),
        }
    }
}

/// What becomes of secrets that are no references.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum SecretsQuery {
    /// They are left out.
    #[default]
    Omitted,
    /// They are sealed under the passphrase in `x-gateway-passphrase`.
    Sealed,
}

/// What is exported.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(crate) struct ExportQuery {
    /// `json` by default.
    #[serde(default)]
    #[param(inline)]
    format: Format,
    /// `omitted` by default: `****` stands where a secret is left out. Client keys are exported as their hashes.
    #[serde(default)]
    #[param(inline)]
    secrets: SecretsQuery,
}

/// The whole configuration as one document.
///
/// It holds providers, models, associations, policies, prices and client keys, by name. Imported as it is, it changes
/// nothing.
#[utoipa::path(get, path = "/export", tag = "documents",
    params(ExportQuery, ("x-gateway-passphrase" = Option<String>, Header,
        description = "With `secrets=sealed`: what secrets are sealed under, at least 12 characters.")),
    responses((status = 200, content((Object = "application/json"), (String = "application/toml"),
        (Vec<u8> = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"))), (status = 409)))]
pub(crate) async fn export(
    State(state): State<AdminState>,
    caller: Caller,
    Query(query): Query<ExportQuery>,
    headers: HeaderMap,
) -> Result<Response, Error> {
    let secrets = match query.secrets {
        SecretsQuery::Omitted => None,
        SecretsQuery::Sealed => {
            caller.must_be(Role::Admin)?;
            Some(passphrase(&headers)?.ok_or_else(|| {
                Error::invalid("x-gateway-passphrase", "is missing: send it as a header")
            })?)
        }
    };
    let rows = Rows::read(&state.database).await?;
    let format = query.format;
    let bytes = blocking(move || {
        let secrets = match secrets {
            None => SecretsIn::Nothing,
            Some(passphrase) => SecretsIn::Sealed(document::sealer(&passphrase)?),
        };
        let document = rows.document(state.catalog.secrets(), &secrets)?;
        match format {
            Format::Json => document::json(&document),
            Format::Toml => document::toml(&document),
            Format::Xlsx => document::write_workbook(&document),
        }
    })
    .await?;
    Ok(file(format, format.file_name(), bytes))
}

/// How a document is imported.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(crate) struct ImportQuery {
    /// Only tell what would change.
    #[serde(default, deserialize_with = "flag")]
    dry_run: bool,
    /// What becomes of fields that the document does not name, of objects that exist: `merge` (the default) keeps them,
    /// `replace` gives them their defaults, but keeps a provider's secrets.
    #[serde(default)]
    #[param(inline)]
    mode: Mode,
    /// What the body is: by default what `Content-Type` says, which is YAML for LiteLLM's configuration and
    /// `application/vnd.sqlite3` for databases. JSON is told apart by what is in it.
    #[param(inline)]
    format: Option<ImportFormat>,
    /// Delete what a section of the document does not name. Sections that are absent are left alone.
    #[serde(default, deserialize_with = "flag")]
    prune: bool,
}

/// Imports a document, wholly or not at all.
///
/// The document has the form of an export: any of the sections `providers`, `models`, `associations`, `policies`,
/// `prices` and `keys`, as JSON, TOML or a workbook. Objects are known by their names. If anything is wrong nothing is
/// changed, and the error `invalid_document` has all `faults`, by their places.
///
/// Configurations of LiteLLM, llmio, one-api and new-api are understood too; what of them cannot be carried over stands in
/// `warnings`.
#[utoipa::path(post, path = "/import", tag = "documents",
    params(ImportQuery, ("x-gateway-passphrase" = Option<String>, Header,
        description = "What the document's secrets are sealed under.")),
    request_body(content((Object = "application/json"), (String = "application/toml"),
        (Vec<u8> = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"),
        (String = "application/yaml"), (Vec<u8> = "application/vnd.sqlite3"))),
    responses((status = 200, body = Report)))]
pub(crate) async fn import(
    State(state): State<AdminState>,
    caller: Caller,
    Query(query): Query<ImportQuery>,
    request: Request,
) -> Result<Json<Report>, Error> {
    // It can say where secrets go.
    caller.must_be(Role::Admin)?;
    let source = match query.format {
        Some(format) => Ok(format.into()),
        None => Source::of(request.headers()),
    };
    let passphrase = passphrase(request.headers())?;
    let limit = source
        .as_ref()
        .map_or(DOCUMENT_BYTES, |source| source.limit());
    let bytes = extract::bytes_within(request.into_body(), limit).await?;
    let (document, warnings) = read(&state, source?, bytes, passphrase).await?;
    let options = Options {
        mode: query.mode,
        prune: query.prune,
        dry_run: query.dry_run,
        ..Options::default()
    };
    let mut report = document::apply(&state, &caller, &document, options).await?;
    report.warnings.splice(..0, warnings);
    Ok(Json(report))
}

async fn read(
    state: &AdminState,
    source: Source,
    bytes: Bytes,
    passphrase: Option<Passphrase>,
) -> Result<(Document, Vec<Fault>), Error> {
    match source {
        Source::Foreign(origin) => foreign::read(origin, bytes, &state.scratch).await,
        Source::Document(format) => {
            blocking(move || read_document(format, &bytes, passphrase.as_ref())).await
        }
    }
}

fn read_document(
    format: Format,
    bytes: &Bytes,
    passphrase: Option<&Passphrase>,
) -> Result<(Document, Vec<Fault>), Error> {
    let (mut document, warnings) = match format {
        Format::Json => {
            let value = serde_json::from_slice(bytes).map_err(Error::BadJson)?;
            if foreign::is_list_of_channels(&value) {
                return foreign::channels(None, value);
            }
            (from_value(value)?, Vec::new())
        }
        Format::Toml => (parse_toml(bytes)?, Vec::new()),
        Format::Xlsx => document::read_workbook(bytes)?,
    };
    document::open(&mut document, passphrase)?;
    Ok((document, warnings))
}

/// A workbook to fill in, for imports.
#[utoipa::path(get, path = "/import/template.xlsx", tag = "documents",
    responses((status = 200, body = Vec<u8>,
        content_type = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet")))]
pub(crate) async fn template() -> Result<Response, Error> {
    let bytes = blocking(document::template).await?;
    Ok(file(Format::Xlsx, "template.xlsx", bytes))
}

fn passphrase(headers: &HeaderMap) -> Result<Option<Passphrase>, Error> {
    let Some(value) = headers.get(PASSPHRASE) else {
        return Ok(None);
    };
    let text = str::from_utf8(value.as_bytes())
        .map_err(|_| Error::invalid(PASSPHRASE.as_str().to_owned(), "is not UTF-8"))?;
    Ok(Some(Passphrase(SecretString::from(text))))
}

/// Runs what takes its time where that holds up nobody.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Error> + Send + 'static,
) -> Result<T, Error> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|_| Error::Internal("work on a document ended early"))?
}

fn file(format: Format, name: &str, bytes: Vec<u8>) -> Response {
    let disposition = format!("attachment; filename=\"{name}\"");
    let mut response = bytes.into_response();
    let headers = response.headers_mut();
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static(format.media_type()),
    );
    if let Ok(value) = HeaderValue::from_str(&disposition) {
        headers.insert(header::CONTENT_DISPOSITION, value);
    }
    response
}
