//! Channels, which become providers and their associations.

use std::collections::{BTreeSet, HashSet};

use catalog::ProviderKind;
use serde_json::{Map, Value, json};

use super::types::{Behind, Flavour};
use crate::{
    document::Kind,
    foreign::{
        draft::Draft,
        value::{flag, integer, names, object, text},
    },
};

const ENABLED: i64 = 1;
const DISABLED_BY_ITSELF: i64 = 3;

/// Channels without a priority have 0, providers here 100.
const PRIORITY: i64 = 100;

/// Of each, where none has one.
const WEIGHT: i64 = 100;

/// Since then new-api leaves the dots in the names of Azure's deployments: 2025-05-10.
const DOTS_STAY: i64 = 1_746_835_200;

pub(super) fn read(draft: &mut Draft, flavour: Flavour, channels: &[Value]) {
    // Where no channel has a weight, all are alike; one-api knows none.
    let has_weights = flavour == Flavour::NewApi
        && channels
            .iter()
            .any(|channel| integer(channel, "weight").is_some_and(|weight| weight > 0));
    for (index, channel) in channels.iter().enumerate() {
        let name = text(channel, "name").unwrap_or_else(|| format!("channel {}", index + 1));
        let at = format!("channels '{name}'");
        let channel = Channel {
            flavour,
            at,
            name,
            fields: channel,
        };
        channel.read(draft, has_weights);
    }
}

struct Channel<'a> {
    flavour: Flavour,
    at: String,
    name: String,
    fields: &'a Value,
}

impl Channel<'_> {
    fn text(&self, name: &str) -> Option<String> {
        text(self.fields, name)
    }

    fn read(&self, draft: &mut Draft, has_weights: bool) {
        let at = &self.at;
        let number = integer(self.fields, "type").unwrap_or_default();
        let Some(behind) = self.flavour.behind(number) else {
            let flavour = self.flavour.name();
            draft.warn(at, format!("is of {flavour}'s type {number}, whose protocol is not spoken here, and is left out"));
            return;
        };
        let (kind, config) = match self.config(draft, behind) {
            Ok(found) => found,
            Err(reason) => return draft.warn(at, format!("{reason}, and is left out")),
        };
        let status = integer(self.fields, "status").unwrap_or(ENABLED);
        if status == DISABLED_BY_ITSELF {
            draft.warn(
                at,
                "had been disabled after failures, and is disabled here: enable it when it works",
            );
        }
        let keys = self.keys(behind);
        if keys.is_empty() {
            let message =
                "has no key in the file: their API leaves keys out, their database has them";
            if matches!(behind, Behind::Bedrock | Behind::Vertex) {
                return draft.warn(
                    at,
                    format!("{message}; it is left out, as its region or project is in it"),
                );
            }
            draft.warn(at, message);
        }
        let weight = if has_weights {
            integer(self.fields, "weight").unwrap_or(0)
        } else {
            WEIGHT
        };
        let count = keys.len().max(1);
        let mut refused = BTreeSet::new();
        for index in 0..count {
            let mut config = config.clone();
            config["priority"] = (PRIORITY + integer(self.fields, "priority").unwrap_or(0)).into();
            // The keys of a channel share what it gets.
            let share = i64::try_from(count).map_or(weight, |count| (weight + count - 1) / count);
            config["weight"] = share.into();
            if let Some(key) = keys.get(index)
                && let Err(reason) = credentials(&mut config, behind, key)
            {
                draft.warn(at, format!("{reason}, and is left out"));
                continue;
            }
            let enabled = status == ENABLED && self.is_enabled(index);
            let name = draft.unique(Kind::Provider, &self.name);
            let fields = json!({"name": name, "type": kind, "config": config, "enabled": enabled});
            draft.add(Kind::Provider, at, fields);
            self.associate(draft, &name, (kind, behind), &mut refused);
        }
        for message in refused {
            draft.warn(at, message);
        }
        self.tell(draft);
    }

    /// Ties the channel's models to one of its providers; what cannot be asked for there is put to `refused`.
    fn associate(
        &self,
        draft: &mut Draft,
        provider: &str,
        (kind, behind): (&str, Behind),
        refused: &mut BTreeSet<String>,
    ) {
        let kind: Option<ProviderKind> = kind.parse().ok();
        for model in names(self.fields, "models") {
            let there = self.named_there(&model, behind);
            if let Some(reason) = kind.and_then(|kind| kind.refuses(&there)) {
                refused.insert(format!("model '{model}' is left out: {reason}"));
                continue;
            }
            draft.model(&self.at, &model);
            // Neither of the two asks what a model can do.
            let flags = json!({"tool_call": true, "structured_output": true, "image": true});
            draft.associate(&self.at, [&model, provider, &there], 1, flags);
        }
    }

    /// The type of the provider, and what it is reached by but for its key.
    fn config(&self, draft: &mut Draft, behind: Behind) -> Result<(&'static str, Value), String> {
        let given = self
            .text("base_url")
            .map(|url| url.trim_end_matches('/').to_owned());
        let mut config = json!({});
        let kind = match behind {
            Behind::OpenAi { address, start } => {
                let url = given.clone().unwrap_or_else(|| address.to_owned());
                if url.is_empty() {
                    return Err("has no address".to_owned());
                }
                let url = if url.ends_with(start) {
                    url
                } else {
                    format!("{url}{start}")
                };
                if url != "https://api.openai.com/v1" {
                    // Chat Completions is what was spoken so far; the rest is translated.
                    config["api"] = "chat".into();
                }
                config["base_url"] = url.into();
                "openai"
            }
            Behind::Custom => {
                let url = given.clone().ok_or("has no address")?;
                let url = url.strip_suffix("/chat/completions").unwrap_or(&url);
                config["base_url"] = url.into();
                config["api"] = "chat".into();
                "openai"
            }
            Behind::Anthropic => "anthropic",
            Behind::Gemini => "gemini",
            Behind::Azure => {
                given.as_ref().ok_or("has no address")?;
                config["api_version"] = self
                    .text("other")
                    .or_else(|| self.setting("api_version"))
                    .into();
                "azure"
            }
            Behind::Bedrock => "bedrock",
            Behind::Vertex => {
                config["location"] = self.region().unwrap_or_else(|| "global".to_owned()).into();
                "vertex"
            }
        };
        if let (Some(url), Behind::Anthropic | Behind::Gemini | Behind::Azure) = (given, behind) {
            config["base_url"] = url.into();
        }
        let mut headers = Map::new();
        if let Some(organization) = self.text("openai_organization") {
            headers.insert("openai-organization".to_owned(), organization.into());
        }
        for (name, value) in object(self.fields, "header_override").unwrap_or_default() {
            match value {
                Value::String(text) if !text.contains('{') => {
                    headers.insert(name, text.into());
                }
                _ => draft.warn(
                    &self.at,
                    format!("its header '{name}' is made of something else, and is left out"),
                ),
            }
        }
        if !headers.is_empty() {
            config["headers"] = Value::Object(headers);
        }
        match self.setting("proxy") {
            Some(proxy) if proxy.starts_with("http://") => config["proxy"] = proxy.into(),
            Some(_) => draft.warn(&self.at, "its proxy is none of http://, and is left out"),
            None => {}
        }
        Ok((kind, config))
    }

    /// A member of the settings, in whichever of the columns that hold such.
    fn setting(&self, name: &str) -> Option<String> {
        ["setting", "settings", "config"]
            .into_iter()
            .find_map(|column| {
                let settings = object(self.fields, column)?;
                text(&Value::Object(settings), name)
            })
    }

    /// Of Vertex: a name, or one for each model, of which `default` is for all others.
    fn region(&self) -> Option<String> {
        let by_model = object(self.fields, "other").map(Value::Object);
        by_model
            .and_then(|regions| text(&regions, "default"))
            .or_else(|| self.text("other").filter(|text| !text.starts_with('{')))
            .or_else(|| self.setting("region"))
    }

    /// The keys of a channel; new-api's may have several, one on each line or in a list.
    fn keys(&self, behind: Behind) -> Vec<String> {
        let Some(key) = self.text("key") else {
            return Vec::new();
        };
        if let Ok(Value::Array(list)) = serde_json::from_str(&key) {
            let key = |one: Value| match one {
                Value::String(text) => text,
                other => other.to_string(),
            };
            return list.into_iter().map(key).collect();
        }
        // A key file of Google's has lines of its own.
        if behind == Behind::Vertex {
            return vec![key];
        }
        let lines = key.lines().map(str::trim).filter(|line| !line.is_empty());
        lines.map(str::to_owned).collect()
    }

    /// Whether the key at that place has not been disabled by itself.
    fn is_enabled(&self, index: usize) -> bool {
        let states = object(self.fields, "channel_info")
            .and_then(|info| object(&Value::Object(info), "multi_key_status_list"));
        let state = states.and_then(|states| integer(&Value::Object(states), &index.to_string()));
        state.is_none_or(|state| state == ENABLED)
    }

    /// What the channel's vendor calls a model.
    fn named_there(&self, model: &str, behind: Behind) -> String {
        let mapping = Value::Object(object(self.fields, "model_mapping").unwrap_or_default());
        let mut name = model.to_owned();
        let mut seen = HashSet::new();
        while seen.insert(name.clone()) {
            let Some(next) = text(&mapping, &name) else {
                break;
            };
            name = next;
            // Only new-api follows chains.
            if self.flavour == Flavour::OneApi {
                break;
            }
        }
        let created = integer(self.fields, "created_time").unwrap_or(0);
        if behind == Behind::Azure && (self.flavour == Flavour::OneApi || created < DOTS_STAY) {
            name = name.replace('.', "");
        }
        name
    }

    /// Tells of what has no place here.
    fn tell(&self, draft: &mut Draft) {
        let at = &self.at;
        let groups = names(self.fields, "group");
        if groups.iter().any(|group| group != "default") {
            let groups = groups.join(", ");
            draft.warn(at, format!("was for the groups {groups}: restrict client keys by 'allowed_providers' instead"));
        }
        let objects = [
            (
                "param_override",
                "its override of parameters is left out: members that are added, not replaced, stand in 'extra_body' of a provider's model",
            ),
            (
                "status_code_mapping",
                "its mapping of status codes is left out: failures are judged by what they are",
            ),
        ];
        for (column, message) in objects {
            if object(self.fields, column).is_some() {
                draft.warn(at, message);
            }
        }
        if self
            .text("system_prompt")
            .or_else(|| self.setting("system_prompt"))
            .is_some()
        {
            draft.warn(
                at,
                "its system prompt is left out: requests are passed on as they are",
            );
        }
        let switches = [
            "force_format",
            "thinking_to_content",
            "pass_through_body_enabled",
        ];
        let settings = Value::Object(object(self.fields, "setting").unwrap_or_default());
        let on: Vec<_> = switches
            .into_iter()
            .filter(|name| flag(&settings, name) == Some(true))
            .collect();
        if !on.is_empty() {
            draft.warn(
                at,
                format!("its settings {} have no counterpart", on.join(", ")),
            );
        }
    }
}

/// Puts a key where its type has it.
fn credentials(config: &mut Value, behind: Behind, key: &str) -> Result<(), &'static str> {
    match behind {
        Behind::Bedrock => {
            let parts: Vec<&str> = key.split('|').map(str::trim).collect();
            match parts[..] {
                [id, secret, region] => {
                    config["access_key_id"] = id.into();
                    config["secret_access_key"] = secret.into();
                    config["region"] = region.into();
                }
                [api_key, region] => {
                    config["api_key"] = api_key.into();
                    config["region"] = region.into();
                }
                _ => return Err("has a key that is not in three parts, id|secret|region"),
            }
        }
        Behind::Vertex => {
            let file: Value = serde_json::from_str(key)
                .map_err(|_| "has a key that is no key file of Google's")?;
            config["project"] = text(&file, "project_id").into();
            config["service_account"] = key.into();
        }
        _ => config["api_key"] = key.into(),
    }
    Ok(())
}
