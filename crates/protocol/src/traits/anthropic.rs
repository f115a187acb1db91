//! What the vendor's models take, told by their names.

use super::{ThinkingStyle, Traits};

/// For names that tell nothing of the vendor's models: servers that resemble its API keep to its older ways.
const UNKNOWN: Traits = Traits {
    max_tokens: 8_192,
    thinking: ThinkingStyle::Budget,
    always_thinks: false,
    sampling: true,
    prefill: true,
    urls: true,
};

/// What `provider_model` takes. Names may have the prefixes and suffixes that resellers give them
/// (`us.anthropic.claude-opus-4-1-20250805-v1:0`, `claude-haiku-4-5@20251001`, `anthropic/claude-sonnet-4.6`).
pub(super) fn traits(provider_model: &str) -> Traits {
    let name = provider_model.to_ascii_lowercase();
    let Some(at) = name.find("claude") else {
        return UNKNOWN;
    };
    let words: Vec<&str> = name[at..]
        .split(|separator: char| !separator.is_ascii_alphanumeric())
        .collect();
    // A name without a version, such as `claude-opus-latest`, means the newest.
    let version = version(&words).unwrap_or((u32::MAX, 0));
    let is_opus = words.contains(&"opus");
    // Documented for each model; none is above what the model can put out.
    let max_tokens = match version {
        (0..=2, _) | (3, 0) => 4_096,
        (3, 1..=6) => 8_192,
        (4, 0 | 1) if is_opus => 32_000,
        _ => 64_000,
    };
    let thinking = match version {
        (0..=2, _) | (3, 0..=6) => ThinkingStyle::None,
        (3, _) | (4, 0..=6) => ThinkingStyle::Budget,
        _ => ThinkingStyle::Adaptive,
    };
    let is_fable = words.contains(&"fable") || words.contains(&"mythos");
    let thinking = if is_fable {
        ThinkingStyle::Adaptive
    } else {
        thinking
    };
    Traits {
        max_tokens,
        thinking,
        // "Thinking can't be disabled": Fable and Mythos, and Opus from 5.5 on.
        always_thinks: is_fable || is_opus && version >= (5, 5),
        // From 4.7 on the models sample by settings of their own.
        sampling: thinking != ThinkingStyle::Adaptive,
        // Refused from 4.6 on.
        prefill: thinking != ThinkingStyle::Adaptive && version < (4, 6),
        urls: true,
    }
}

/// Major and minor version: the first number of one or two digits, and the next word if it is one too. Longer numbers are
/// dates.
fn version(words: &[&str]) -> Option<(u32, u32)> {
    let number = |word: &&str| (word.len() <= 2).then(|| word.parse().ok()).flatten();
    let at = words.iter().position(|word| number(word).is_some())?;
    let major = number(words.get(at)?)?;
    // `claude-v2` and the like: a word such as `v1` belongs to the reseller.
    let minor = words.get(at + 1).and_then(number).unwrap_or(0);
    Some((major, minor))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(names: &[&str], max_tokens: u64, thinking: ThinkingStyle, prefill: bool) {
        for name in names {
            let expected = Traits {
                max_tokens,
                thinking,
                always_thinks: traits(name).always_thinks,
                sampling: thinking != ThinkingStyle::Adaptive,
                prefill,
                urls: true,
            };
            assert_eq!(traits(name), expected, "{name}");
        }
    }

    #[test]
    fn some_models_always_reason() {
        for (name, expected) in [
            ("claude-opus-5-5", true),
            ("anthropic/claude-opus-5.5", true),
            ("claude-opus-latest", true),
            ("claude-fable-5", true),
            ("us.anthropic.claude-fable-5-1-v1", true),
            ("claude-mythos-preview", true),
            ("claude-opus-5", false),
            ("claude-opus-4-8", false),
            ("claude-sonnet-5", false),
            ("claude-haiku-4-5", false),
            ("glm-5.5", false),
        ] {
            assert_eq!(traits(name).always_thinks, expected, "{name}");
        }
    }

    #[test]
    fn models_are_known_by_name() {
        use ThinkingStyle::{Adaptive, Budget, None};
        let old = [
            "claude-3-opus-20240229",
            "claude-3-haiku@20240307",
            "claude-2.1",
            "anthropic.claude-v2:1",
        ];
        check(&old, 4_096, None, true);
        let sonnet_3_5 = [
            "claude-3-5-sonnet-20241022",
            "anthropic.claude-3-5-sonnet-20241022-v2:0",
            "anthropic/claude-3.5-haiku",
            "claude-3-5-sonnet-v2@20241022",
        ];
        check(&sonnet_3_5, 8_192, None, true);
        check(
            &["claude-3-7-sonnet-latest", "claude-3-7-sonnet@20250219"],
            64_000,
            Budget,
            true,
        );
        let opus_4 = [
            "claude-opus-4-20250514",
            "us.anthropic.claude-opus-4-1-20250805-v1:0",
            "claude-opus-4-1@20250805",
            "Claude-Opus-4-0",
        ];
        check(&opus_4, 32_000, Budget, true);
        let four = [
            "claude-sonnet-4-20250514",
            "anthropic.claude-sonnet-4-20250514-v1:0",
            "claude-sonnet-4-5",
            "claude-haiku-4-5-20251001",
            "global.anthropic.claude-opus-4-5-20251101-v1:0",
        ];
        check(&four, 64_000, Budget, true);
        check(
            &["claude-opus-4-6", "anthropic/claude-sonnet-4.6"],
            64_000,
            Budget,
            false,
        );
        let adaptive = [
            "claude-opus-4-7",
            "us.anthropic.claude-opus-4-8-v1",
            "anthropic/claude-opus-5.5",
            "claude-sonnet-5-20260301",
            "claude-fable-5",
            "claude-fable-5-1@20260901",
            "claude-opus-latest",
        ];
        check(&adaptive, 64_000, Adaptive, false);
        check(&["glm-4.6", "", "kimi-k2"], 8_192, Budget, true);
    }
}
