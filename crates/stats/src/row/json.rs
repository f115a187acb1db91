//! Attempts as JSON, written by hand: serde looks through every name of a member for what to escape, for each row again.

use entities::{Attempt, AttemptTokens};
use itoa::Integer;

/// Appends what serde would write.
pub(crate) fn write(attempts: &[Attempt], to: &mut Vec<u8>) {
    to.push(b'[');
    for (index, attempt) in attempts.iter().enumerate() {
        if index > 0 {
            to.push(b',');
        }
        write_attempt(attempt, to);
    }
    to.push(b']');
}

fn write_attempt(attempt: &Attempt, to: &mut Vec<u8>) {
    // All of them, so that one that is added cannot be forgotten.
    let Attempt {
        provider_id,
        provider_model,
        status,
        error_class,
        ms,
        tokens,
        cost,
    } = attempt;
    member(to, r#"{"provider_id":"#, Some(*provider_id), number);
    member(to, r#","provider_model":"#, Some(&**provider_model), text);
    member(to, r#","status":"#, *status, number);
    member(to, r#","error_class":"#, error_class.as_deref(), text);
    member(to, r#","ms":"#, Some(*ms), number);
    member(to, r#","tokens":"#, tokens.as_ref(), write_tokens);
    member(to, r#","cost":"#, *cost, number);
    to.push(b'}');
}

fn write_tokens(to: &mut Vec<u8>, tokens: &AttemptTokens) {
    let AttemptTokens {
        prompt,
        completion,
        total,
        cached,
        cache_write,
        reasoning,
    } = tokens;
    member(to, r#"{"prompt":"#, Some(*prompt), number);
    member(to, r#","completion":"#, Some(*completion), number);
    member(to, r#","total":"#, Some(*total), number);
    member(to, r#","cached":"#, Some(*cached), number);
    member(to, r#","cache_write":"#, Some(*cache_write), number);
    member(to, r#","reasoning":"#, Some(*reasoning), number);
    to.push(b'}');
}

fn member<T>(to: &mut Vec<u8>, name: &str, value: Option<T>, write: impl FnOnce(&mut Vec<u8>, T)) {
    to.extend_from_slice(name.as_bytes());
    match value {
        Some(value) => write(to, value),
        None => to.extend_from_slice(b"null"),
    }
}

fn number(to: &mut Vec<u8>, number: impl Integer) {
    to.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
}

fn text(to: &mut Vec<u8>, text: &str) {
    // A string always has a form, and memory takes it.
    let _ = serde_json::to_writer(to, text);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    prop_compose! {
        fn attempt()(
            provider_id: i64,
            provider_model: String,
            status: Option<u16>,
            error_class: Option<String>,
            ms: i64,
            tokens: Option<[i64; 6]>,
            cost: Option<i64>,
        ) -> Attempt {
            Attempt {
                provider_id,
                provider_model: provider_model.into(),
                status,
                error_class,
                ms,
                tokens: tokens.map(|[prompt, completion, total, cached, cache_write, reasoning]| AttemptTokens {
                    prompt, completion, total, cached, cache_write, reasoning,
                }),
                cost,
            }
        }
    }

    proptest! {
        #[test]
        fn attempts_are_written_as_serde_does(attempts in prop::collection::vec(attempt(), 0..4)) {
            let mut written = Vec::new();
            write(&attempts, &mut written);
            prop_assert_eq!(String::from_utf8(written).unwrap(), serde_json::to_string(&attempts).unwrap());
        }
    }
}
