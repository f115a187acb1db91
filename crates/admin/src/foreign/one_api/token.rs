//! Tokens, which become client keys: whoever has one goes on calling with it.

use access::KeyHash;
use chrono::DateTime;
use serde_json::{Value, json};

use crate::{
    document::Kind,
    foreign::{
        draft::Draft,
        value::{flag, integer, names, text, usd},
    },
};

/// What clients write before a token, which is not stored.
const PREFIX: &str = "sk-";

/// Units of quota to a dollar.
const UNITS_PER_USD: f64 = 500_000.0;

const ENABLED: i64 = 1;

pub(super) fn read(draft: &mut Draft, tokens: &[Value]) {
    let is_alive = |token: &&Value| token.get("deleted_at").is_none_or(Value::is_null);
    for token in tokens.iter().filter(is_alive) {
        one(draft, token);
    }
}

fn one(draft: &mut Draft, token: &Value) {
    let name = text(token, "name")
        .or_else(|| text(token, "id"))
        .unwrap_or_default();
    let at = format!("tokens '{name}'");
    let Some(secret) = text(token, "key") else {
        draft.warn(&at, "has no secret, and is left out");
        return;
    };
    let secret = format!("{PREFIX}{secret}");
    let end = integer(token, "expired_time").filter(|seconds| *seconds > 0);
    let expires_at = end.and_then(|seconds| DateTime::from_timestamp(seconds, 0));
    let budgets = if flag(token, "unlimited_quota").unwrap_or(false) {
        None
    } else {
        let left = integer(token, "remain_quota").unwrap_or(0).max(0);
        #[expect(
            clippy::cast_precision_loss,
            reason = "quotas are far below 2^53 units"
        )]
        let left = usd(left as f64 / UNITS_PER_USD);
        draft.warn(
            &at,
            format!("its quota becomes a budget of {left} USD in all, spent by the prices here"),
        );
        Some(json!({"total": left}))
    };
    // one-api has a list, new-api one that may be switched off.
    let allowed = match flag(token, "model_limits_enabled") {
        Some(true) => Some(names(token, "model_limits")),
        Some(false) => None,
        None => Some(names(token, "models")).filter(|names| !names.is_empty()),
    };
    for restriction in ["subnet", "allow_ips"] {
        if text(token, restriction).is_some() {
            draft.warn(&at, "was accepted from some addresses only, and is disabled: keys are not bound to addresses");
        }
    }
    let is_bound = text(token, "subnet")
        .or_else(|| text(token, "allow_ips"))
        .is_some();
    let fields = json!({
        "name": draft.unique(Kind::Key, &name),
        "key_hash": KeyHash::of(&secret).to_hex(),
        "key_prefix": secret.chars().take(12).collect::<String>(),
        "enabled": integer(token, "status") == Some(ENABLED) && !is_bound,
        "expires_at": expires_at,
        "allowed_models": allowed,
        "budgets": budgets,
    });
    draft.add(Kind::Key, &at, fields);
}
