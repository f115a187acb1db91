//! Which behaviour a request meets: rules, and markers in the prompt.

use std::sync::{Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{Behaviour, SimulatorSettings};

/// Treats the requests that match it in one way; what is not named matches everything.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Rule {
    /// Only this model.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// Only paths that end so, as `/embeddings`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// Only streams, or only what is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stream: Option<bool>,
    /// Lets so many matching requests pass first.
    pub skip: u64,
    /// Only the next so many matching requests; then the rule is spent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<u64>,
    /// Only this share of the matching requests, 0 to 1, by the simulator's seeded dice.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rate: Option<f64>,
    /// What they get.
    #[serde(rename = "do")]
    pub behaviour: Behaviour,
}

impl Rule {
    /// Every request gets this.
    #[must_use]
    pub fn always(behaviour: Behaviour) -> Self {
        Self {
            behaviour,
            ..Self::default()
        }
    }

    fn takes(
        &mut self,
        path: &str,
        model: Option<&str>,
        stream: bool,
        dice: &mut fastrand::Rng,
    ) -> bool {
        let matches = self
            .model
            .as_deref()
            .is_none_or(|wanted| Some(wanted) == model)
            && self
                .path
                .as_deref()
                .is_none_or(|wanted| path.ends_with(wanted))
            && self.stream.is_none_or(|wanted| wanted == stream);
        if !matches || self.next == Some(0) {
            return false;
        }
        if self.skip > 0 {
            self.skip -= 1;
            return false;
        }
        if self.rate.is_some_and(|rate| dice.f64() >= rate) {
            return false;
        }
        if let Some(next) = &mut self.next {
            *next -= 1;
        }
        true
    }
}

/// The rules in force and the dice.
#[derive(Debug)]
pub(crate) struct Script {
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    rules: Vec<Rule>,
    dice: fastrand::Rng,
}

impl Script {
    /// The fault of the settings, if it has a rate, and nothing else.
    pub(crate) fn new(settings: &SimulatorSettings) -> Self {
        let dice = fastrand::Rng::with_seed(settings.seed);
        Self {
            state: Mutex::new(State {
                rules: Self::first_rules(settings),
                dice,
            }),
        }
    }

    fn first_rules(settings: &SimulatorSettings) -> Vec<Rule> {
        if settings.fault_rate == 0.0 {
            return Vec::new();
        }
        vec![Rule {
            rate: Some(settings.fault_rate),
            ..Rule::always(settings.fault.clone())
        }]
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Back to the settings, dice included.
    pub(crate) fn reset(&self, settings: &SimulatorSettings) {
        *self.state() = State {
            rules: Self::first_rules(settings),
            dice: fastrand::Rng::with_seed(settings.seed),
        };
    }

    /// Replaces all rules.
    pub(crate) fn set(&self, rules: Vec<Rule>) {
        self.state().rules = rules;
    }

    /// Puts a rule before all others.
    pub(crate) fn push_first(&self, rule: Rule) {
        self.state().rules.insert(0, rule);
    }

    /// The rules as they stand, counts used up so far included.
    pub(crate) fn rules(&self) -> Vec<Rule> {
        self.state().rules.clone()
    }

    /// The behaviour of the first rule that takes this request.
    pub(crate) fn pick(&self, path: &str, model: Option<&str>, stream: bool) -> Option<Behaviour> {
        let mut state = self.state();
        let State { rules, dice } = &mut *state;
        let rule = rules
            .iter_mut()
            .find_map(|rule| rule.takes(path, model, stream, dice).then_some(&*rule))?;
        Some(rule.behaviour.clone())
    }
}

/// The behaviour a marker in any text of the request asks of the simulator called `name`; the last one wins.
///
/// A marker that cannot be read is an error, told to the caller: a test with a typo must not pass.
pub(crate) fn marker(json: &Value, name: &str) -> Option<Result<Behaviour, String>> {
    match json {
        Value::String(text) => marker_in(text, name),
        Value::Array(items) => items.iter().rev().find_map(|item| marker(item, name)),
        Value::Object(fields) => fields.values().rev().find_map(|field| marker(field, name)),
        _ => None,
    }
}

fn marker_in(text: &str, name: &str) -> Option<Result<Behaviour, String>> {
    text.rmatch_indices("[[sim").find_map(|(start, mark)| {
        let rest = &text[start + mark.len()..];
        let (target, body) = rest.split_once(':')?;
        let mine = target.is_empty() || target.strip_prefix('@') == Some(name);
        if !mine {
            return None;
        }
        let mut values = serde_json::Deserializer::from_str(body).into_iter::<Behaviour>();
        Some(match values.next() {
            Some(Ok(_)) if !body[values.byte_offset()..].starts_with("]]") => {
                Err("expected ]] after it".to_owned())
            }
            Some(Ok(behaviour)) => Ok(behaviour),
            Some(Err(error)) => Err(error.to_string()),
            None => Err("it is empty".to_owned()),
        })
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn pick(rule: Rule, path: &str, model: &str, stream: bool) -> bool {
        let script = Script::new(&SimulatorSettings::default());
        script.set(vec![rule]);
        script.pick(path, Some(model), stream).is_some()
    }

    #[test]
    fn a_rule_takes_what_it_names() {
        let rule = |model: Option<&str>, path: Option<&str>, stream| Rule {
            model: model.map(str::to_owned),
            path: path.map(str::to_owned),
            stream,
            ..Rule::always(Behaviour::status(500))
        };
        let table = [
            (rule(None, None, None), true),
            (rule(Some("m"), None, None), true),
            (rule(Some("n"), None, None), false),
            (rule(None, Some("/chat/completions"), None), true),
            (rule(None, Some("/embeddings"), None), false),
            (rule(None, None, Some(true)), true),
            (rule(None, None, Some(false)), false),
        ];
        for (rule, expected) in table {
            assert_eq!(
                pick(rule.clone(), "/v1/chat/completions", "m", true),
                expected,
                "{rule:?}"
            );
        }
    }

    #[test]
    fn skip_and_next_count_matching_requests_only() {
        let script = Script::new(&SimulatorSettings::default());
        let rule = Rule {
            model: Some("m".into()),
            skip: 1,
            next: Some(2),
            ..Rule::always(Behaviour::status(503))
        };
        script.set(vec![rule]);
        assert_eq!(script.pick("/", Some("other"), false), None);
        let taken: Vec<bool> = (0..5)
            .map(|_| script.pick("/", Some("m"), false).is_some())
            .collect();
        assert_eq!(taken, [false, true, true, false, false]);
    }

    #[test]
    fn a_rate_is_met_and_repeats_under_its_seed() {
        let settings = SimulatorSettings {
            fault_rate: 0.3,
            seed: 7,
            ..SimulatorSettings::default()
        };
        let script = Script::new(&settings);
        let draw = || -> Vec<bool> {
            (0..2000)
                .map(|_| script.pick("/", None, false).is_some())
                .collect()
        };
        let first = draw();
        let hits = first.iter().filter(|hit| **hit).count();
        assert!((500..700).contains(&hits), "{hits}");
        assert_ne!(first, draw());
        script.reset(&settings);
        assert_eq!(first, draw());
    }

    #[test]
    fn markers_are_found_in_any_text() {
        let ask = |text: &str| json!({"messages": [{"role": "user", "content": [{"type": "text", "text": text}]}]});
        let status = |text: &str| match marker(&ask(text), "a") {
            None => "none".to_owned(),
            Some(Ok(behaviour)) => behaviour.status.unwrap_or(0).to_string(),
            Some(Err(_)) => "error".to_owned(),
        };
        let table = [
            ("hello", "none"),
            (r#"x [[sim:{"status":503}]] y"#, "503"),
            (r#"[[sim@a:{"status":503}]]"#, "503"),
            (r#"[[sim@b:{"status":503}]]"#, "none"),
            (
                r#"[[sim@b:{"status":503}]] [[sim@a:{"status":429}]]"#,
                "429",
            ),
            (r#"[[sim:{"status":503}]] [[sim:{"status":429}]]"#, "429"),
            (r#"[[sim:{"body":{"a":[[1]]}}]]"#, "0"),
            (r#"[[sim:{"stauts":503}]]"#, "error"),
            (r#"[[sim:{"status":503}"#, "error"),
            (r#"[[sim:]]"#, "error"),
        ];
        for (text, expected) in table {
            assert_eq!(status(text), expected, "{text}");
        }
    }
}
