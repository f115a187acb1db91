//! A gateway's admin side without a gateway: database, catalog, health and router.

use admin::{AdminKey, AdminState, Gate, Origin};
use axum::{Router, body::Body};
use catalog::{Catalog, CatalogSettings, Poller, Secrets, Snapshot};
use health::{Health, Moment, Settings, WatchedAssociation, WatchedProvider};
use http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::BodyExt;
use sea_orm::DatabaseConnection;
use secrecy::SecretString;
use serde_json::{Value, json};
use stats::Tail;
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;
use upstream::{Clients, NetworkPolicy};

pub(crate) const SECRET_KEY: &str = "0123456789abcdef";
pub(crate) const ADMIN_KEY: &str = "admin-key-of-the-tests";

/// An admin API of its own, on a database of its own.
pub(crate) struct Api {
    pub(crate) router: Router,
    pub(crate) catalog: Catalog,
    pub(crate) health: Health,
    pub(crate) database: DatabaseConnection,
    pub(crate) tail: Tail,
    /// Cancelled when the gateway shuts down.
    pub(crate) ending: CancellationToken,
    /// Until a test runs it.
    pub(crate) poller: Option<Poller>,
    url: String,
    _folder: Option<TempDir>,
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) text: String,
}

impl Answer {
    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|_| panic!("no JSON: {self:?}"))
    }

    /// The body, of an answer that went well.
    #[track_caller]
    pub(crate) fn ok(&self) -> Value {
        assert!(self.status.is_success(), "{self:?}");
        self.json()
    }

    #[track_caller]
    pub(crate) fn id(&self) -> i64 {
        self.ok()["id"].as_i64().expect("an id is an integer")
    }

    /// Asserts an error of this status and code, in the one format, and gives its message.
    #[track_caller]
    pub(crate) fn error(&self, status: u16, code: &str) -> String {
        assert_eq!(self.status.as_u16(), status, "{self:?}");
        let body = self.json();
        assert_eq!(body["error"]["code"], code, "{self:?}");
        assert!(body["error"]["details"].is_object(), "{self:?}");
        assert_eq!(body.as_object().unwrap().len(), 1, "{self:?}");
        body["error"]["message"].as_str().unwrap().to_owned()
    }

    /// Asserts a 422 that names `field`, in its message too.
    #[track_caller]
    pub(crate) fn invalid(&self, field: &str) {
        let message = self.error(422, "invalid_value");
        assert_eq!(self.json()["error"]["details"]["field"], field, "{self:?}");
        assert!(message.starts_with(&format!("{field}: ")), "{self:?}");
    }
}

impl Api {
    pub(crate) async fn start() -> Self {
        Self::with_secret_key(Some(SECRET_KEY)).await
    }

    pub(crate) async fn with_secret_key(secret_key: Option<&str>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite://{}/test.db?mode=rwc", folder.path().display());
        let mut api = Self::at(url, secret_key).await;
        api._folder = Some(folder);
        api
    }

    /// One on the database at `url`, whose schema is made where it is missing.
    pub(crate) async fn at(url: String, secret_key: Option<&str>) -> Self {
        let database = migration::connect(&url).await.unwrap();
        migration::up(&database).await.unwrap();
        let health = Health::new(&Settings::default());
        let (catalog, poller) = load(database.clone(), secret_key, health.clone()).await;
        let (tail, ending) = (Tail::default(), CancellationToken::new());
        let router = admin::router(AdminState {
            database: database.clone(),
            catalog: catalog.clone(),
            health: health.clone(),
            gate: Gate::new(AdminKey::new(&ADMIN_KEY.into()), database.clone()),
            tail: tail.clone(),
            ending: ending.clone(),
            settings: [setting()].into(),
            scratch: std::env::temp_dir().into(),
        });
        Self {
            router,
            catalog,
            poller: Some(poller),
            health,
            database,
            tail,
            ending,
            url,
            _folder: None,
        }
    }

    /// One in another process on the same database.
    pub(crate) async fn another(&self) -> Self {
        Self::at(self.url.clone(), Some(SECRET_KEY)).await
    }

    pub(crate) async fn send(&self, request: Request<Body>) -> Answer {
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (head, body) = response.into_parts();
        let bytes = body.collect().await.unwrap().to_bytes();
        Answer {
            status: head.status,
            headers: head.headers,
            text: String::from_utf8_lossy(&bytes).into_owned(),
        }
    }

    pub(crate) async fn call(&self, method: Method, path: &str, body: Option<Value>) -> Answer {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("authorization", format!("Bearer {ADMIN_KEY}"));
        let request = match body {
            Some(body) => request
                .header("content-type", "application/json")
                .body(body.to_string().into()),
            None => request.body(Body::empty()),
        };
        self.send(request.unwrap()).await
    }

    /// As with [`ADMIN_KEY`], with another key, from an address.
    pub(crate) async fn call_as(
        &self,
        (key, ip): (&str, Option<&str>),
        (method, path): (Method, &str),
        body: Option<Value>,
    ) -> Answer {
        let origin = Origin {
            ip: ip.map(|ip| ip.parse().unwrap()),
            request_id: Some("the-request".to_owned()),
        };
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("authorization", format!("Bearer {key}"))
            .header("content-type", "application/json")
            .extension(origin)
            .body(body.map_or_else(Body::empty, |body| body.to_string().into()));
        self.send(request.unwrap()).await
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.call(Method::GET, path, None).await
    }

    pub(crate) async fn post(&self, path: &str, body: Value) -> Answer {
        self.call(Method::POST, path, Some(body)).await
    }

    pub(crate) async fn patch(&self, path: &str, body: Value) -> Answer {
        self.call(Method::PATCH, path, Some(body)).await
    }

    pub(crate) async fn delete(&self, path: &str) -> Answer {
        self.call(Method::DELETE, path, None).await
    }

    /// A provider at an address where nothing listens; its id.
    pub(crate) async fn provider(&self, name: &str) -> i64 {
        let config = json!({"base_url": "http://127.0.0.1:9/v1", "api_key": "sk-0123456789abcdef"});
        self.post(
            "/api/providers",
            json!({"name": name, "type": "openai", "config": config}),
        )
        .await
        .id()
    }

    pub(crate) async fn model(&self, name: &str) -> i64 {
        self.post("/api/models", json!({"name": name})).await.id()
    }

    pub(crate) async fn association(&self, model: i64, provider: i64) -> i64 {
        let body = json!({"model_id": model, "provider_id": provider, "provider_model": "up"});
        self.post("/api/model-providers", body).await.id()
    }
}

async fn load(
    database: DatabaseConnection,
    secret_key: Option<&str>,
    health: Health,
) -> (Catalog, Poller) {
    let secret_key = secret_key.map(SecretString::from);
    let settings = CatalogSettings {
        file: None,
        database,
        secrets: Secrets::new(secret_key.as_ref()).unwrap(),
        clients: Clients::new(NetworkPolicy::Any),
        fixed_keys: Vec::new(),
        on_change: Box::new(move |snapshot| watch(&health, snapshot)),
    };
    Catalog::load(settings).await.unwrap()
}

fn watch(health: &Health, snapshot: &Snapshot) {
    let providers: Vec<_> = snapshot
        .revisions()
        .map(|(provider, revision)| WatchedProvider { provider, revision })
        .collect();
    let associations: Vec<_> = snapshot
        .candidates()
        .map(|(candidate, provider, revision)| WatchedAssociation {
            candidate,
            provider,
            revision,
            cost: snapshot.price(candidate).and_then(|it| it.expected()),
        })
        .collect();
    health.configure(&providers, &associations, Moment::now());
}

/// The one setting that the process is told to have been started with.
fn setting() -> admin::Setting {
    admin::Setting {
        name: "GATEWAY_LISTEN".to_owned(),
        value: Some("127.0.0.1:8000".to_owned()),
        source: "default",
        about: "Address and port to listen on".to_owned(),
    }
}
