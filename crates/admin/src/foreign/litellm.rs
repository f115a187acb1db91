//! LiteLLM's proxy: its `config.yaml`. Source: <https://docs.litellm.ai/docs/proxy/config_settings>.
//!
//! A deployment has its key and its address in itself; those that share them become one provider. Fallbacks become
//! associations of weight 0, which come after all others; aliases become models of their own.

mod deployment;
mod vendor;

use std::collections::{BTreeMap, HashMap};

use serde_json::{Map, Value, json};

use self::deployment::Deployment;
use super::{
    draft::Draft,
    value::{integer, number, object, text},
    whole,
};
use crate::{
    document::{Document, Fault, Kind},
    error::Error,
};

const HEAVIEST: f64 = 1_000_000.0;
const MOST_RETRIES: i64 = 20;
const LONGEST: f64 = 86_400.0;
/// Of what has no `order`.
const PRIORITY: i64 = 100;

/// Sections whose members are read one by one below.
const READ: [(&str, &[&str]); 3] = [
    (
        "router_settings",
        &[
            "routing_strategy",
            "num_retries",
            "timeout",
            "stream_timeout",
            "fallbacks",
            "default_fallbacks",
            "model_group_alias",
        ],
    ),
    (
        "litellm_settings",
        &[
            "num_retries",
            "request_timeout",
            "fallbacks",
            "default_fallbacks",
        ],
    ),
    ("general_settings", &[]),
];
const SECTIONS: [&str; 6] = [
    "model_list",
    "router_settings",
    "litellm_settings",
    "general_settings",
    "environment_variables",
    "credential_list",
];

/// What entries refer to.
#[derive(Debug, Default)]
struct Context {
    /// Variables that the file sets itself.
    variables: Value,
    credentials: HashMap<String, Map<String, Value>>,
}

impl Context {
    fn of(config: &Value) -> Self {
        let mut credentials = HashMap::new();
        for one in list(config, "credential_list") {
            if let Some(name) = text(one, "credential_name") {
                credentials.insert(name, object(one, "credential_values").unwrap_or_default());
            }
        }
        Self {
            variables: object(config, "environment_variables").map_or(Value::Null, Value::Object),
            credentials,
        }
    }

    /// A secret: itself, or a reference to the variable that it is in.
    fn secret(&self, of: &Value, name: &str) -> Option<String> {
        let given = text(of, name)?;
        let Some(variable) = given.strip_prefix("os.environ/") else {
            return Some(given);
        };
        let set = text(&self.variables, variable);
        Some(set.unwrap_or_else(|| format!("env:{variable}")))
    }

    /// What is no secret and has to stand in the file.
    fn plain(&self, of: &Value, name: &str) -> Result<Option<String>, String> {
        match self.secret(of, name) {
            Some(text) if text.starts_with("env:") => {
                let variable = text.trim_start_matches("env:");
                Err(format!(
                    "{name} is in the variable {variable}: only secrets may be, so write it into the file"
                ))
            }
            found => Ok(found),
        }
    }
}

/// A provider that some deployments share.
struct Provider {
    at: String,
    name: String,
    kind: &'static str,
    config: Value,
    models: Map<String, Value>,
}

/// Reads a configuration.
pub(super) fn document(config: &Value) -> Result<(Document, Vec<Fault>), Error> {
    if !config.get("model_list").is_some_and(Value::is_array) {
        return Err(whole(
            "has no model_list: it is no config.yaml of LiteLLM's",
        ));
    }
    let mut draft = Draft::default();
    let context = Context::of(config);
    let mut groups: BTreeMap<String, Vec<Deployment>> = BTreeMap::new();
    for (index, entry) in list(config, "model_list").iter().enumerate() {
        let at = format!("model_list[{index}]");
        match deployment::read(&context, at.clone(), entry) {
            Ok(deployment) => groups
                .entry(deployment.group.clone())
                .or_default()
                .push(deployment),
            Err(reason) => draft.warn(&at, format!("is left out: {reason}")),
        }
    }
    let ties = Ties::make(&mut draft, groups);
    let ties = with_fallbacks(&mut draft, config, ties);
    let ties = with_aliases(&mut draft, config, ties);
    models(&mut draft, config, &ties);
    for (section, known) in READ {
        let there = object(config, section).unwrap_or_default();
        let rest: Vec<_> = there
            .keys()
            .filter(|name| !known.contains(&name.as_str()))
            .map(String::as_str)
            .collect();
        if !rest.is_empty() {
            draft.warn(
                section,
                format!("settings without a counterpart: {}", rest.join(", ")),
            );
        }
    }
    let sections = config.as_object().into_iter().flat_map(Map::keys);
    for section in sections.filter(|name| !SECTIONS.contains(&name.as_str())) {
        draft.warn(section, "is left out");
    }
    Ok(draft.finish())
}

/// Who serves a name, and how patiently.
#[derive(Debug, Clone, Default)]
struct Group {
    /// Where, provider, its model, weight, what it can do.
    served: Vec<(String, String, String, i64, Value)>,
    timeouts: [Option<f64>; 2],
}

struct Ties(BTreeMap<String, Group>);

impl Ties {
    fn make(draft: &mut Draft, groups: BTreeMap<String, Vec<Deployment>>) -> Self {
        let mut providers: Vec<Provider> = Vec::new();
        let mut ties = BTreeMap::new();
        for (name, deployments) in groups {
            let weights = weights(&deployments);
            let last = deployments.iter().filter_map(|one| one.order).max();
            let mut group = Group::default();
            for (deployment, weight) in deployments.into_iter().zip(weights) {
                // Those without an order come after those that have one.
                let order = deployment.order.or(last.map(|last| last + 1)).unwrap_or(1);
                for warning in &deployment.warnings {
                    draft.warn(&deployment.at, warning);
                }
                let provider = provider(draft, &mut providers, &deployment, PRIORITY + 1 - order);
                for (all, one) in group.timeouts.iter_mut().zip(deployment.timeouts) {
                    *all = all.iter().copied().chain(one).reduce(f64::max);
                }
                let Some(provider_model) = deployment.provider_model.clone() else {
                    continue;
                };
                price(draft, &deployment, &provider.name, &provider_model);
                if !deployment.settings.is_empty() {
                    let settings = Value::Object(deployment.settings);
                    let held = provider
                        .models
                        .entry(provider_model.clone())
                        .or_insert_with(|| settings.clone());
                    if *held != settings {
                        draft.warn(&deployment.at, "another deployment of this provider's model has other limits or parameters, which hold");
                    }
                }
                group.served.push((
                    deployment.at,
                    provider.name.clone(),
                    provider_model,
                    weight,
                    deployment.flags,
                ));
            }
            if !group.served.is_empty() {
                ties.insert(name, group);
            }
        }
        for mut provider in providers {
            if !provider.models.is_empty() {
                provider.config["models"] = Value::Object(provider.models);
            }
            let fields =
                json!({"name": provider.name, "type": provider.kind, "config": provider.config});
            draft.add(Kind::Provider, &provider.at, fields);
        }
        Self(ties)
    }
}

/// The provider that the deployment is at.
fn provider<'a>(
    draft: &mut Draft,
    providers: &'a mut Vec<Provider>,
    deployment: &Deployment,
    priority: i64,
) -> &'a mut Provider {
    let mut config = deployment.config.clone();
    config["priority"] = priority.into();
    let is_it = |one: &Provider| one.kind == deployment.kind && one.config == config;
    let index = providers.iter().position(is_it).unwrap_or_else(|| {
        providers.push(Provider {
            at: deployment.at.clone(),
            name: draft.unique(Kind::Provider, &deployment.provider),
            kind: deployment.kind,
            config: config.clone(),
            models: Map::new(),
        });
        providers.len() - 1
    });
    &mut providers[index]
}

fn price(draft: &mut Draft, deployment: &Deployment, provider: &str, provider_model: &str) {
    if deployment.prices.is_empty()
        || !draft.is_new(Kind::Price, &format!("{provider}/{provider_model}"))
    {
        return;
    }
    let mut fields = json!({"provider": provider, "model_pattern": provider_model});
    for (name, amount) in &deployment.prices {
        fields[*name] = amount.as_str().into();
    }
    draft.add(Kind::Price, &deployment.at, fields);
}

/// LiteLLM shuffles by weights, where any has one, else by requests, else by tokens per minute.
fn weights(deployments: &[Deployment]) -> Vec<i64> {
    let by = (0..3).find(|by| {
        deployments
            .iter()
            .any(|one| one.shares[*by].is_some_and(|share| share > 0.0))
    });
    let Some(by) = by else {
        return vec![1; deployments.len()];
    };
    let shares = || {
        deployments
            .iter()
            .map(|one| one.shares[by].unwrap_or(0.0).max(0.0))
    };
    let heaviest = shares().fold(0.0, f64::max);
    let is_whole = shares().all(|share| share.fract() == 0.0);
    let scale = if is_whole && heaviest <= HEAVIEST {
        1.0
    } else {
        (1000.0 / heaviest).min(1000.0)
    };
    #[expect(clippy::cast_possible_truncation, reason = "bounded by the heaviest")]
    let weight = |share: f64| {
        if share > 0.0 {
            (share * scale).round().max(1.0) as i64
        } else {
            0
        }
    };
    shares().map(weight).collect()
}

/// Who steps in for whom, of either section that says so.
fn with_fallbacks(draft: &mut Draft, config: &Value, ties: Ties) -> Ties {
    let mut fallbacks: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut default = Vec::new();
    for section in ["router_settings", "litellm_settings"] {
        let Some(settings) = config.get(section) else {
            continue;
        };
        for entry in list(settings, "fallbacks") {
            for (name, targets) in entry.as_object().into_iter().flatten() {
                let named = targets
                    .as_array()
                    .into_iter()
                    .flatten()
                    .filter_map(Value::as_str)
                    .map(str::to_owned);
                if name == "*" {
                    default.extend(named)
                } else {
                    fallbacks.entry(name.clone()).or_default().extend(named)
                }
            }
        }
        default.extend(
            list(settings, "default_fallbacks")
                .iter()
                .filter_map(Value::as_str)
                .map(str::to_owned),
        );
    }
    let mut all = ties.0.clone();
    for name in fallbacks.keys().filter(|name| !ties.0.contains_key(*name)) {
        draft.warn(
            "fallbacks",
            format!("there is no model '{name}' to step in for"),
        );
    }
    for (name, group) in &mut all {
        let targets = fallbacks.get(name).unwrap_or(&default);
        let mut found = 0;
        for target in targets.iter().filter(|target| *target != name) {
            let Some(other) = ties.0.get(target) else {
                draft.warn(
                    "fallbacks",
                    format!("'{target}', which steps in for '{name}', is not served here"),
                );
                continue;
            };
            found += 1;
            for (at, provider, provider_model, _, flags) in &other.served {
                group.served.push((
                    at.clone(),
                    provider.clone(),
                    provider_model.clone(),
                    0,
                    flags.clone(),
                ));
            }
        }
        if found > 1 {
            draft.warn("fallbacks", format!("those that step in for '{name}' are tried in any order: for one of your own give providers priorities"));
        }
    }
    Ties(all)
}

/// Other names for a group.
fn with_aliases(draft: &mut Draft, config: &Value, mut ties: Ties) -> Ties {
    let settings = config.get("router_settings").cloned().unwrap_or_default();
    for (alias, target) in object(&settings, "model_group_alias").unwrap_or_default() {
        let target = match &target {
            Value::String(name) => Some(name.clone()),
            other => text(other, "model"),
        };
        let group = target.as_ref().and_then(|name| ties.0.get(name)).cloned();
        match group {
            Some(group) if !ties.0.contains_key(&alias) => {
                ties.0.insert(alias, group);
            }
            _ => draft.warn("router_settings.model_group_alias", format!("'{alias}' is left out: what it stands for is not served here, or it is a model itself")),
        }
    }
    ties
}

/// Models, who serves them, and their policies.
fn models(draft: &mut Draft, config: &Value, ties: &Ties) {
    let router = config.get("router_settings").cloned().unwrap_or_default();
    let litellm = config.get("litellm_settings").cloned().unwrap_or_default();
    let retries = integer(&router, "num_retries").or_else(|| integer(&litellm, "num_retries"));
    let whole = number(&router, "timeout").or_else(|| number(&litellm, "request_timeout"));
    let first = number(&router, "stream_timeout");
    let strategy = text(&router, "routing_strategy").and_then(|name| match name.as_str() {
        "simple-shuffle" => None,
        "least-busy" => Some("least_busy"),
        "latency-based-routing" => Some("least_latency"),
        "cost-based-routing" => Some("cheapest"),
        other => {
            draft.warn(
                "router_settings.routing_strategy",
                format!("'{other}' becomes 'weighted'"),
            );
            None
        }
    });
    for (name, group) in &ties.0 {
        let at = group.served.first().map_or("model_list", |(at, ..)| at);
        let retries = retries.map(|most| most.clamp(0, MOST_RETRIES));
        draft.add(Kind::Model, at, json!({"name": name, "max_retry": retries}));
        for (at, provider, provider_model, weight, flags) in &group.served {
            let names = [name.as_str(), provider, provider_model];
            if *weight > 0 || !draft.is_associated(names) {
                draft.associate(at, names, *weight, flags.clone());
            }
        }
        let seconds = |own: Option<f64>, all: Option<f64>| {
            own.or(all).filter(|it| *it > 0.0).map(|it| it.min(LONGEST))
        };
        let (response, content) = (
            seconds(group.timeouts[0], whole),
            seconds(group.timeouts[1], first),
        );
        if strategy.is_some() || response.is_some() || content.is_some() {
            let fields = json!({
                "model": name, "strategy": strategy, "response_timeout": response, "first_content_timeout": content,
            });
            draft.add(Kind::Policy, at, fields);
        }
    }
}

fn list<'a>(of: &'a Value, name: &str) -> &'a [Value] {
    of.get(name)
        .and_then(Value::as_array)
        .map_or(&[], Vec::as_slice)
}
