//! Guards that can be used.

use std::{collections::HashSet, sync::Arc, time::Duration};

use http::Uri;
use regex::{Regex, RegexBuilder};
use secrecy::SecretString;

use crate::{
    Action, GuardError, GuardsFields, ModerationFields, On, OnFailure, RuleFields, Streams,
};

/// Rules in one set.
const MOST_RULES: usize = 50;
const LONGEST_NAME: usize = 100;
const LONGEST_PATTERN: usize = 2000;
const LONGEST_REPLACEMENT: usize = 100;
/// Bytes of a compiled pattern.
const LARGEST_PATTERN: usize = 1 << 20;
/// Bytes of the longest match that a stream is held back for.
const LONGEST_MATCH: usize = 4096;
/// What stands in the place of a match by default.
const REPLACEMENT: &str = "[redacted]";
/// Milliseconds that a moderation endpoint may take.
const TIMEOUTS_MS: std::ops::RangeInclusive<u64> = 10..=60_000;
const TIMEOUT_MS: u64 = 2000;

/// A rule that can be used.
#[derive(Debug)]
pub struct Rule {
    /// Tells it from the others.
    pub name: Arc<str>,
    pub(crate) regex: Regex,
    pub(crate) action: Action,
    on: On,
    pub(crate) replacement: Box<str>,
    /// Bytes of its longest match; none where it has no end.
    pub(crate) longest: Option<usize>,
}

/// A moderation endpoint that can be asked.
#[derive(Debug)]
pub struct Moderation {
    /// Where it is; an error where it may not be, so that it cannot be asked.
    pub url: Result<Uri, String>,
    /// Its key; an error where that cannot be had, so that it cannot be asked.
    pub key: Result<Option<SecretString>, String>,
    /// Sent as `model`.
    pub model: Option<String>,
    /// How long it may take.
    pub timeout: Duration,
    /// What becomes of requests, and of answers, while it does not answer.
    pub on_failure: OnFailure,
    /// What becomes of requests for streams, where it is asked about answers.
    pub streams: Streams,
    on: On,
}

/// The guards of a model, of a key or of all.
#[derive(Debug)]
pub struct Guards {
    rules: Vec<Arc<Rule>>,
    /// Who else is asked.
    pub moderation: Option<Arc<Moderation>>,
    fields: GuardsFields,
}

impl PartialEq for Guards {
    fn eq(&self, other: &Self) -> bool {
        self.fields == other.fields
    }
}

impl Eq for Guards {}

impl Guards {
    /// Reads guards; `None` where nothing is guarded. `open` answers with the secret behind a reference, `locate` with the
    /// address that a URL is of, if that may be connected to.
    ///
    /// # Errors
    /// A field does not hold what it should.
    pub fn of(
        fields: &GuardsFields,
        open: impl Fn(&str) -> Result<SecretString, String>,
        locate: impl Fn(&str) -> Result<Uri, String>,
    ) -> Result<Option<Self>, GuardError> {
        if fields.rules.len() > MOST_RULES {
            let reason = format!("must not have more than {MOST_RULES} entries");
            return Err(error("rules", reason));
        }
        let mut names = HashSet::new();
        let mut rules = Vec::with_capacity(fields.rules.len());
        for (index, rule) in fields.rules.iter().enumerate() {
            if !names.insert(&rule.name) {
                let reason = "another rule has this name";
                return Err(error(&format!("rules[{index}].name"), reason));
            }
            rules.push(Arc::new(Rule::of(rule, &format!("rules[{index}]."))?));
        }
        let moderation = fields.moderation.as_ref();
        let moderation = moderation.map(|it| Moderation::of(it, open, locate));
        let guards = Self {
            moderation: moderation.transpose()?.map(Arc::new),
            rules,
            fields: fields.clone(),
        };
        let is_any = !guards.rules.is_empty() || guards.moderation.is_some();
        Ok(is_any.then_some(guards))
    }

    /// The rules for what clients send.
    pub fn of_requests(&self) -> impl Iterator<Item = &Arc<Rule>> {
        self.rules.iter().filter(|rule| rule.on.requests())
    }

    /// The rules for what models answer.
    pub fn of_responses(&self) -> impl Iterator<Item = &Arc<Rule>> {
        self.rules.iter().filter(|rule| rule.on.answers())
    }

    /// As they are written down.
    #[must_use]
    pub fn fields(&self) -> &GuardsFields {
        &self.fields
    }
}

impl Rule {
    fn of(fields: &RuleFields, at: &str) -> Result<Self, GuardError> {
        let wrong = |field: &str, reason: String| Err(error(&format!("{at}{field}"), reason));
        if !(1..=LONGEST_NAME).contains(&fields.name.chars().count()) {
            return wrong("name", format!("must have 1 to {LONGEST_NAME} characters"));
        }
        if !(1..=LONGEST_PATTERN).contains(&fields.pattern.chars().count()) {
            let reason = format!("must have 1 to {LONGEST_PATTERN} characters");
            return wrong("pattern", reason);
        }
        let parsed = match regex_syntax::parse(&fields.pattern) {
            Ok(parsed) => parsed,
            Err(error) => return wrong("pattern", one_line(&error.to_string())),
        };
        match parsed.properties().minimum_len() {
            None => return wrong("pattern", "can never match".to_owned()),
            Some(0) => return wrong("pattern", "must not match where no text is".to_owned()),
            Some(_) => {}
        }
        let longest = parsed.properties().maximum_len();
        if fields.on.answers() && longest.is_none_or(|longest| longest > LONGEST_MATCH) {
            let reason = format!(
                "must match at most {LONGEST_MATCH} bytes to be looked for in answers, which are held back for as long: \
                write a{{1,64}} in place of a+, or look in requests only"
            );
            return wrong("pattern", reason);
        }
        let compiled = RegexBuilder::new(&fields.pattern)
            .size_limit(LARGEST_PATTERN)
            .build();
        let regex = match compiled {
            Ok(regex) => regex,
            Err(error) => return wrong("pattern", one_line(&error.to_string())),
        };
        let replacement = fields.replacement.as_deref();
        if fields.action == Action::Deny && replacement.is_some() {
            let reason = "is for rules that redact".to_owned();
            return wrong("replacement", reason);
        }
        let replacement = replacement.unwrap_or(REPLACEMENT);
        if !(1..=LONGEST_REPLACEMENT).contains(&replacement.chars().count()) {
            let reason = format!("must have 1 to {LONGEST_REPLACEMENT} characters");
            return wrong("replacement", reason);
        }
        if fields.action == Action::Redact && regex.is_match(replacement) {
            let reason = format!("must not match the pattern itself, as '{replacement}' does");
            return wrong("replacement", reason);
        }
        Ok(Self {
            name: fields.name.as_str().into(),
            regex,
            action: fields.action,
            on: fields.on,
            replacement: replacement.into(),
            longest,
        })
    }
}

impl Moderation {
    fn of(
        fields: &ModerationFields,
        open: impl Fn(&str) -> Result<SecretString, String>,
        locate: impl Fn(&str) -> Result<Uri, String>,
    ) -> Result<Self, GuardError> {
        let key = fields.api_key.as_deref();
        if key.is_some_and(|key| !key.starts_with("env:") && !key.starts_with("file:")) {
            let reason = "must be a reference, env:NAME or file:/path; keys are not kept here";
            return Err(error("moderation.api_key", reason));
        }
        let timeout = fields.timeout_ms.unwrap_or(TIMEOUT_MS);
        if !TIMEOUTS_MS.contains(&timeout) {
            let (least, most) = (TIMEOUTS_MS.start(), TIMEOUTS_MS.end());
            let reason = format!("must be from {least} to {most}");
            return Err(error("moderation.timeout_ms", reason));
        }
        Ok(Self {
            url: locate(&fields.url),
            key: key.map(open).transpose(),
            model: fields.model.clone(),
            timeout: Duration::from_millis(timeout),
            on_failure: fields.on_failure,
            streams: fields.streams,
            on: fields.on,
        })
    }

    /// Whether it is asked about requests.
    #[must_use]
    pub fn is_of_requests(&self) -> bool {
        self.on.requests()
    }

    /// Whether it is asked about answers.
    #[must_use]
    pub fn is_of_answers(&self) -> bool {
        self.on.answers()
    }
}

fn error(field: &str, reason: impl Into<String>) -> GuardError {
    GuardError {
        field: field.to_owned(),
        reason: reason.into(),
    }
}

/// What is wrong with a pattern, without the drawing of where.
fn one_line(told: &str) -> String {
    let last = told.lines().last().unwrap_or_default();
    last.trim_start_matches("error: ").to_owned()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn guards(fields: serde_json::Value) -> Result<Option<Guards>, GuardError> {
        let fields: GuardsFields = serde_json::from_value(fields).unwrap();
        let open = |reference: &str| match reference {
            "env:KEY" => Ok("secret".into()),
            _ => Err("is not set".to_owned()),
        };
        Guards::of(&fields, open, |url| match url {
            "http://closed" => Err("is closed".to_owned()),
            url => Ok(url.parse().unwrap()),
        })
    }

    #[track_caller]
    fn refused(fields: serde_json::Value, field: &str) {
        assert_eq!(guards(fields).unwrap_err().field, field);
    }

    fn rule(change: serde_json::Value) -> serde_json::Value {
        let mut rule = json!({"name": "a", "pattern": "a", "action": "deny"});
        rule.as_object_mut()
            .unwrap()
            .extend(change.as_object().unwrap().clone());
        json!({"rules": [rule]})
    }

    #[test]
    fn nonsense_is_refused_by_its_field() {
        refused(rule(json!({"name": ""})), "rules[0].name");
        refused(rule(json!({"pattern": ""})), "rules[0].pattern");
        refused(rule(json!({"pattern": "(a"})), "rules[0].pattern");
        refused(rule(json!({"pattern": "a*"})), "rules[0].pattern");
        refused(rule(json!({"pattern": r"\b"})), "rules[0].pattern");
        refused(rule(json!({"pattern": "[a&&b]"})), "rules[0].pattern");
        refused(
            rule(json!({"pattern": r"(\pL{200}){200}"})),
            "rules[0].pattern",
        );
        refused(
            rule(json!({"pattern": "a+", "on": "response"})),
            "rules[0].pattern",
        );
        refused(rule(json!({"pattern": "a{4097}"})), "rules[0].pattern");
        refused(rule(json!({"replacement": "b"})), "rules[0].replacement");
        let redact = |replacement: &str| json!({"action": "redact", "replacement": replacement});
        refused(rule(redact("")), "rules[0].replacement");
        refused(rule(redact("banana")), "rules[0].replacement");
        let twice = json!({"name": "a", "pattern": "a", "action": "deny"});
        refused(json!({"rules": [twice, twice]}), "rules[1].name");
        refused(json!({"rules": vec![twice; 51]}), "rules");
        let moderation = |name: &str, value: serde_json::Value| json!({"moderation": {"url": "http://m", name: value}});
        refused(
            moderation("api_key", json!("sk-bare")),
            "moderation.api_key",
        );
        refused(moderation("timeout_ms", json!(9)), "moderation.timeout_ms");
    }

    #[test]
    fn a_pattern_without_end_may_be_looked_for_in_requests() {
        let fields = rule(json!({"pattern": "a+", "on": "request"}));
        let guards = guards(fields).unwrap().unwrap();
        assert_eq!(guards.of_requests().count(), 1);
        assert_eq!(guards.of_responses().count(), 0);
    }

    #[test]
    fn guards_of_nothing_are_none() {
        assert_eq!(guards(json!({})).unwrap(), None);
        assert_eq!(
            guards(json!({"rules": [], "moderation": null})).unwrap(),
            None
        );
    }

    #[test]
    fn a_key_that_cannot_be_had_is_remembered_as_such() {
        let of = |key: &str| {
            let fields = json!({"moderation": {"url": "http://m", "api_key": key}});
            let moderation = guards(fields).unwrap().unwrap().moderation.unwrap();
            assert_eq!(moderation.timeout, Duration::from_secs(2));
            assert_eq!(moderation.on_failure, OnFailure::Deny);
            moderation.key.clone()
        };
        assert!(matches!(of("env:KEY"), Ok(Some(_))));
        assert_eq!(of("env:OTHER").unwrap_err(), "is not set");
    }

    fn moderation(fields: serde_json::Value) -> Arc<Moderation> {
        let guards = guards(json!({ "moderation": fields })).unwrap().unwrap();
        guards.moderation.unwrap()
    }

    #[test]
    fn an_address_that_may_not_be_asked_is_remembered_as_such() {
        let of = |url: &str| moderation(json!({"url": url})).url.clone();
        assert_eq!(of("http://m/v1").unwrap(), "http://m/v1");
        assert_eq!(of("http://closed").unwrap_err(), "is closed");
    }

    #[test]
    fn moderation_is_of_requests_unless_more_is_said() {
        let asked = |fields| {
            let moderation = moderation(fields);
            (moderation.is_of_requests(), moderation.is_of_answers())
        };
        assert_eq!(asked(json!({"url": "http://m"})), (true, false));
        for (on, expected) in [
            ("request", (true, false)),
            ("response", (false, true)),
            ("both", (true, true)),
        ] {
            assert_eq!(asked(json!({"url": "http://m", "on": on})), expected);
        }
        let streams = |fields| moderation(fields).streams;
        assert_eq!(streams(json!({"url": "http://m"})), Streams::Moderate);
        for (said, expected) in [("allow", Streams::Allow), ("deny", Streams::Deny)] {
            let fields = json!({"url": "http://m", "streams": said});
            assert_eq!(streams(fields), expected);
        }
    }

    #[test]
    fn what_moderation_was_before_it_knew_answers_is_written_as_before() {
        let before = json!({"url": "http://m", "on_failure": "deny"});
        let fields: ModerationFields = serde_json::from_value(before.clone()).unwrap();
        assert_eq!(serde_json::to_value(fields).unwrap(), before);
        let after =
            json!({"url": "http://m", "on": "both", "on_failure": "deny", "streams": "allow"});
        let fields: ModerationFields = serde_json::from_value(after.clone()).unwrap();
        assert_eq!(serde_json::to_value(fields).unwrap(), after);
    }
}
