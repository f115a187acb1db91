//! Changes of the configuration while requests run.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use anyhow::Context as _;
use http::{Method, StatusCode};
use serde::Serialize;
use serde_json::{Value, json};

use super::providers::{KINDS, Providers};
use super::report::Check;
use super::traffic::Target;
use crate::admin::Admin;
use crate::run::PROVIDER_KEY;

/// Between two changes.
const EVERY: Duration = Duration::from_millis(700);

/// How the calls ended.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub(crate) struct Calls {
    pub(crate) done: u64,
    /// 503, while the database was away.
    pub(crate) unavailable: u64,
    /// 409 or 404: what an earlier call of unknown end has done already.
    pub(crate) conflicts: u64,
    /// Anything else, which is a fault of the gateway.
    pub(crate) failed: u64,
}

/// Who changes what.
#[derive(Clone, Debug)]
pub(crate) struct Changes {
    pub(crate) admin: Admin,
    pub(crate) target: Target,
    pub(crate) calls: Rc<Cell<Calls>>,
    /// What went wrong, in words.
    pub(crate) failures: Rc<RefCell<Vec<String>>>,
    providers: Vec<i64>,
    models: Vec<i64>,
}

/// Clocks short enough for hanging providers to be given up while the soak runs; what is slow is raced, what breaks off
/// resumed.
fn policy(strategy: &str) -> Value {
    json!({
        "strategy": strategy, "connect_timeout": 1.0, "first_content_timeout": 1.5, "response_timeout": 3.0,
        "stream_idle_timeout": 1.5, "total_timeout": 12.0, "hedge_after_ms": 400, "verified_resume": true,
    })
}

const STRATEGIES: [&str; 6] = [
    "weighted",
    "round_robin",
    "least_latency",
    "least_busy",
    "cheapest",
    "sticky",
];

impl Changes {
    /// Creates what the soak begins with: two models, the first at all providers, the second at the last three.
    pub(crate) async fn configure(
        admin: Admin,
        target: Target,
        simulators: &Providers,
    ) -> anyhow::Result<Self> {
        let mut providers = Vec::new();
        for ((name, kind, base), simulator) in KINDS.iter().zip(simulators.all.iter()) {
            let base_url = format!("{}{base}", simulator.origin());
            let config = json!({"base_url": base_url, "api_key": PROVIDER_KEY});
            let provider = json!({"name": name, "type": kind, "config": config});
            let provider = admin.create("/api/providers", &provider).await?;
            // Of so many digits that a sum of floats would be another.
            let price = json!({
                "provider_id": provider, "model_pattern": "*", "input": format!("{provider}.234567891"),
                "output": format!("1{provider}.345678912"), "per_request": "0.000000007",
            });
            admin.create("/api/prices", &price).await?;
            providers.push(provider);
        }
        let mut models = Vec::new();
        for (name, served_by) in [("soak-a", &providers[..]), ("soak-b", &providers[1..])] {
            let model = admin.create("/api/models", &json!({"name": name})).await?;
            for provider in served_by {
                let association = json!({"model_id": model, "provider_id": provider, "provider_model": "soak-upstream"});
                admin.create("/api/model-providers", &association).await?;
            }
            let path = format!("/api/policies/{model}");
            let (status, body) = admin.call(Method::PUT, &path, &policy("weighted")).await?;
            anyhow::ensure!(status.is_success(), "{path}: {status} {body}");
            target.models.borrow_mut().push(name.to_owned());
            models.push(model);
        }
        Ok(Self {
            admin,
            target,
            calls: Rc::default(),
            failures: Rc::default(),
            providers,
            models,
        })
    }

    /// Whether the gateway took what it was told.
    pub(crate) fn check(&self) -> Check {
        let calls = self.calls.get();
        let first = self.failures.borrow().first().cloned();
        Check::new(
            "the configuration could be changed",
            calls.failed == 0 && calls.done > 0,
            first.unwrap_or_else(|| format!("{} calls done", calls.done)),
        )
    }

    /// Changes something every moment, without end.
    pub(crate) async fn run(self) -> anyhow::Result<()> {
        let mut dice = fastrand::Rng::with_seed(7);
        for round in 0_usize.. {
            tokio::time::sleep(EVERY).await;
            let provider = format!(
                "/api/providers/{}",
                self.providers[round / 6 % self.providers.len()]
            );
            match round % 6 {
                0 => {
                    let config = json!({"config": {"weight": dice.u32(1..200)}});
                    self.call(Method::PATCH, &provider, &config).await?;
                }
                1 => {
                    let policy = policy(STRATEGIES[round / 6 % STRATEGIES.len()]);
                    let path = format!("/api/policies/{}", self.models[round / 6 % 2]);
                    self.call(Method::PUT, &path, &policy).await?;
                }
                2 => {
                    self.call(Method::PATCH, &provider, &json!({"enabled": false}))
                        .await?;
                }
                3 => {
                    self.call(Method::PATCH, &provider, &json!({"enabled": true}))
                        .await?;
                }
                4 => self.another_model(round).await?,
                _ => self.another_key(round).await?,
            }
        }
        Ok(())
    }

    /// A model that lives until the next one comes; some of its requests are under way when it goes.
    async fn another_model(&self, round: usize) -> anyhow::Result<()> {
        let old = self.target.models.borrow().get(2).cloned();
        let name = format!("soak-extra-{round}");
        let model = self
            .call(
                Method::POST,
                "/api/models",
                &json!({"name": name, "remark": "soak"}),
            )
            .await?;
        if let Some(id) = model["id"].as_i64() {
            for provider in &self.providers {
                let association = json!({"model_id": id, "provider_id": provider, "provider_model": "soak-extra"});
                self.call(Method::POST, "/api/model-providers", &association)
                    .await?;
            }
            self.call(
                Method::PUT,
                &format!("/api/policies/{id}"),
                &policy("weighted"),
            )
            .await?;
            self.target.models.borrow_mut().push(name);
        }
        let Some(old) = old else { return Ok(()) };
        let models = self
            .call(Method::GET, "/api/models?limit=1000", &Value::Null)
            .await?;
        let listed = models["data"].as_array().into_iter().flatten();
        let found = listed
            .into_iter()
            .find(|model| model["name"] == old.as_str());
        if let Some(id) = found.and_then(|model| model["id"].as_i64()) {
            self.call(Method::DELETE, &format!("/api/models/{id}"), &Value::Null)
                .await?;
            self.target.models.borrow_mut().retain(|name| *name != old);
        }
        Ok(())
    }

    /// A key that lives until the next one comes.
    async fn another_key(&self, round: usize) -> anyhow::Result<()> {
        let body = json!({"name": format!("soak-{round}")});
        let key = self.call(Method::POST, "/api/keys", &body).await?;
        let (Some(id), Some(secret)) = (key["id"].as_i64(), key["key"].as_str()) else {
            return Ok(());
        };
        self.target.keys.borrow_mut().push(secret.to_owned());
        tokio::time::sleep(EVERY).await;
        self.call(
            Method::PATCH,
            &format!("/api/keys/{id}"),
            &json!({"enabled": false}),
        )
        .await?;
        // Requests with it come for a moment longer.
        tokio::time::sleep(EVERY / 4).await;
        self.target
            .keys
            .borrow_mut()
            .retain(|known| known != secret);
        Ok(())
    }

    async fn call(&self, method: Method, path: &str, body: &Value) -> anyhow::Result<Value> {
        let (status, answer) = self
            .admin
            .call(method.clone(), path, body)
            .await
            .with_context(|| format!("{method} {path} was not answered"))?;
        let mut calls = self.calls.get();
        match status {
            _ if status.is_success() => calls.done += 1,
            StatusCode::SERVICE_UNAVAILABLE => calls.unavailable += 1,
            StatusCode::CONFLICT | StatusCode::NOT_FOUND => calls.conflicts += 1,
            _ => {
                calls.failed += 1;
                self.failures
                    .borrow_mut()
                    .push(format!("{method} {path}: {status} {answer}"));
            }
        }
        self.calls.set(calls);
        Ok(answer)
    }
}
