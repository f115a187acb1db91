//! The names of what is kept on Redis.
//!
//! All share one hash tag, so that a script may touch them together wherever keys are spread by their names.

use access::limit::Scope;

/// Which count is kept; see `call.lua`.
pub(crate) const EPOCH: &str = "{gateway}:epoch";
/// When each gateway was last heard of.
pub(crate) const ALIVE: &str = "{gateway}:alive";
/// Until when candidates pause.
pub(crate) const PAUSES: &str = "{gateway}:pauses";

/// The last minute of a scope, and what runs.
pub(crate) fn of(scope: &Scope) -> [String; 2] {
    let name = match scope {
        Scope::All => "all".to_owned(),
        Scope::Key(key) => format!("key:{key}"),
        // The length parts two names that may hold any character.
        Scope::ModelOfKey(key, pattern) => format!("model-of-key:{}:{key}:{pattern}", key.len()),
        Scope::Provider(id) => format!("provider:{id}"),
        Scope::ModelOfProvider(id, model) => format!("model-of-provider:{id}:{model}"),
    };
    [
        format!("{{gateway}}:minute:{name}"),
        format!("{{gateway}}:running:{name}"),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_scopes_have_one_name() {
        let model = |key: &str, pattern: &str| of(&Scope::ModelOfKey(key.into(), pattern.into()));
        assert_ne!(model("a:b", "c"), model("a", "b:c"));
        assert_ne!(of(&Scope::All), of(&Scope::Key("all".into())));
        assert_ne!(of(&Scope::Provider(1))[0], of(&Scope::Provider(1))[1]);
    }
}
