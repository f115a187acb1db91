//! Whether rows, days and what clients saw tell the same.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::report::Check;
use super::store::{Query, Store};
use super::traffic::Tally;

const ROWS: Query = Query {
    postgres: "SELECT json_build_object('id', request_id, 'user', user_id, 'day', created_at::date, \
               'attempts', attempts::json) FROM request_logs",
    sqlite: "SELECT json_object('id', request_id, 'user', user_id, 'day', substr(created_at, 1, 10), \
             'attempts', json(attempts)) FROM request_logs",
};

/// Sums as [`FIELDS`] names them; keys have all but the last.
const PROVIDERS: Query = Query {
    postgres: "SELECT json_build_object('who', provider_id, 'day', date, 'sums', json_build_array(total_requests, \
               success_requests, failed_requests, total_tokens, prompt_tokens, completion_tokens, \
               coalesce(cost, 0), response_ms_total)) FROM provider_stats",
    sqlite: "SELECT json_object('who', provider_id, 'day', substr(date, 1, 10), 'sums', json_array(total_requests, \
             success_requests, failed_requests, total_tokens, prompt_tokens, completion_tokens, \
             coalesce(cost, 0), response_ms_total)) FROM provider_stats",
};
const KEYS: Query = Query {
    postgres: "SELECT json_build_object('who', key_name, 'day', date, 'sums', json_build_array(total_requests, \
               success_requests, failed_requests, total_tokens, prompt_tokens, completion_tokens, \
               coalesce(cost, 0), 0)) FROM key_usage",
    sqlite: "SELECT json_object('who', key_name, 'day', substr(date, 1, 10), 'sums', json_array(total_requests, \
             success_requests, failed_requests, total_tokens, prompt_tokens, completion_tokens, \
             coalesce(cost, 0), 0)) FROM key_usage",
};

const FIELDS: [&str; 8] = [
    "requests",
    "successes",
    "failures",
    "tokens",
    "prompt tokens",
    "completion tokens",
    "nano-dollars",
    "milliseconds",
];

type Sums = [i64; FIELDS.len()];
/// By provider or key, and by day.
type Days = BTreeMap<(String, String), Sums>;

/// Compares everything that was written with everything that was seen.
pub(crate) fn check(store: &Store, tally: &Tally, lost: u64) -> anyhow::Result<Vec<Check>> {
    let rows = store.rows(&ROWS)?;
    let (providers, keys) = days(&rows);
    Ok(vec![
        count(rows.len() as u64, tally, lost),
        each_once(&rows, tally),
        same_days(
            "provider_stats = sums of attempts",
            &providers,
            &stored(&store.rows(&PROVIDERS)?),
        ),
        same_days(
            "key_usage = sums of attempts",
            &keys,
            &stored(&store.rows(&KEYS)?),
        ),
    ])
}

fn count(rows: u64, tally: &Tally, lost: u64) -> Check {
    let owed = tally.owed();
    Check::new(
        "requests ended = rows + lost",
        owed == rows + lost,
        format!(
            "{owed} ended ({} without an id), {rows} rows, {lost} lost",
            tally.nameless
        ),
    )
}

fn text(value: &Value) -> String {
    value
        .as_str()
        .map_or_else(|| value.to_string(), str::to_owned)
}

/// Each id that a client saw has one row, and only requests whose client saw no id have others.
fn each_once(rows: &[Value], tally: &Tally) -> Check {
    let mut written = BTreeSet::new();
    let mut doubled = 0;
    for row in rows {
        doubled += u64::from(!written.insert(text(&row["id"])));
    }
    let missing: Vec<&String> = tally.ids.difference(&written).collect();
    let others = written.difference(&tally.ids).count() as u64;
    let strangers = tally.unknown.intersection(&written).count();
    let holds = doubled == 0
        && missing.is_empty()
        && strangers == 0
        && tally.twice == 0
        && others <= tally.nameless;
    Check::new(
        "each request has one row",
        holds,
        format!(
            "{} ids seen, {} without a row, {doubled} rows doubled, {others} rows of ids nobody saw, {strangers} of \
             strangers, {} ids given twice{}",
            tally.ids.len(),
            missing.len(),
            tally.twice,
            missing
                .first()
                .map(|id| format!("; first without a row: {id}"))
                .unwrap_or_default()
        ),
    )
}

/// What the rows' attempts add up to, for providers and for keys.
fn days(rows: &[Value]) -> (Days, Days) {
    let (mut providers, mut keys) = (Days::new(), Days::new());
    for row in rows {
        let day = text(&row["day"]);
        for attempt in row["attempts"].as_array().into_iter().flatten() {
            // What the client did itself is not held against the provider.
            let class = attempt["error_class"].as_str();
            let failed = i64::from(class.is_some_and(|class| !class.starts_with("client_")));
            let token = |kind: &str| attempt["tokens"][kind].as_i64().unwrap_or_default();
            let ms = attempt["ms"].as_i64().unwrap_or_default();
            let mut sums = [
                1,
                1 - failed,
                failed,
                token("total"),
                token("prompt"),
                token("completion"),
                attempt["cost"].as_i64().unwrap_or_default(),
                ms,
            ];
            add(
                &mut providers,
                (text(&attempt["provider_id"]), day.clone()),
                &sums,
            );
            sums[7] = 0;
            add(&mut keys, (text(&row["user"]), day.clone()), &sums);
        }
    }
    (providers, keys)
}

fn add(days: &mut Days, key: (String, String), sums: &Sums) {
    let day = days.entry(key).or_default();
    for (sum, more) in day.iter_mut().zip(sums) {
        *sum += more;
    }
}

fn stored(rows: &[Value]) -> Days {
    let mut days = Days::new();
    for row in rows {
        let mut sums = Sums::default();
        for (sum, value) in sums
            .iter_mut()
            .zip(row["sums"].as_array().into_iter().flatten())
        {
            *sum = value.as_i64().unwrap_or_default();
        }
        add(&mut days, (text(&row["who"]), text(&row["day"])), &sums);
    }
    days
}

fn same_days(name: &'static str, expected: &Days, stored: &Days) -> Check {
    let all: BTreeSet<_> = expected.keys().chain(stored.keys()).collect();
    let mut differences = Vec::new();
    for key in &all {
        let none = Sums::default();
        let (told, sums) = (
            stored.get(key).unwrap_or(&none),
            expected.get(key).unwrap_or(&none),
        );
        for (index, field) in FIELDS.iter().enumerate() {
            if told[index] != sums[index] {
                differences.push(format!(
                    "{key:?} {field}: {} for {}",
                    told[index], sums[index]
                ));
            }
        }
    }
    let all_of = |field: usize| expected.values().map(|sums| sums[field]).sum::<i64>();
    let (attempts, cost) = (all_of(0), all_of(6));
    let detail = match differences.first() {
        None => format!(
            "{} days, {attempts} attempts, {cost} nano-dollars",
            all.len()
        ),
        Some(first) => format!("{} differ, first {first}", differences.len()),
    };
    Check::new(
        name,
        differences.is_empty() && attempts > 0 && cost > 0,
        detail,
    )
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn row(id: &str, class: Value) -> Value {
        let tokens = json!({"total": 5, "prompt": 2, "completion": 3});
        let attempt =
            json!({"provider_id": 1, "error_class": class, "ms": 7, "tokens": tokens, "cost": 11});
        json!({"id": id, "user": "k", "day": "2030-01-01", "attempts": [attempt]})
    }

    fn seen(ids: &[&str], nameless: u64) -> Tally {
        Tally {
            ids: ids.iter().map(|id| (*id).to_owned()).collect(),
            nameless,
            ..Tally::default()
        }
    }

    #[test]
    fn a_row_too_few_or_too_many_is_noticed() {
        let rows =
            |ids: &[&str]| -> Vec<Value> { ids.iter().map(|id| row(id, Value::Null)).collect() };
        let table: [(&[&str], Tally, u64, bool, bool); 6] = [
            (&["a", "b"], seen(&["a", "b"], 0), 0, true, true),
            (&["a", "b"], seen(&["a"], 1), 0, true, true),
            (&["a"], seen(&["a", "b"], 0), 0, false, false),
            (&["a"], seen(&["a", "b"], 0), 1, true, false),
            (&["a", "a"], seen(&["a"], 1), 0, true, false),
            (&["a", "b"], seen(&["a"], 0), 0, false, false),
        ];
        for (ids, tally, lost, adds_up, once) in table {
            let rows = rows(ids);
            assert_eq!(
                count(rows.len() as u64, &tally, lost).holds,
                adds_up,
                "{ids:?} {tally:?}"
            );
            assert_eq!(each_once(&rows, &tally).holds, once, "{ids:?} {tally:?}");
        }
    }

    #[test]
    fn days_are_sums_over_attempts() {
        let rows = [
            row("a", Value::Null),
            row("b", json!("client_closed")),
            row("c", json!("timeout")),
        ];
        let (providers, keys) = days(&rows);
        let day = |who: &str| (who.to_owned(), "2030-01-01".to_owned());
        assert_eq!(providers[&day("1")], [3, 2, 1, 15, 6, 9, 33, 21]);
        assert_eq!(keys[&day("k")], [3, 2, 1, 15, 6, 9, 33, 0]);
        let told = json!({"who": 1, "day": "2030-01-01", "sums": [3, 2, 1, 15, 6, 9, 33, 21]});
        assert!(same_days("n", &providers, &stored(std::slice::from_ref(&told))).holds);
        for field in [3, 6] {
            let mut other = told.clone();
            other["sums"][field] = json!(34);
            assert!(!same_days("n", &providers, &stored(&[other])).holds);
        }
        assert!(!same_days("n", &providers, &Days::new()).holds);
    }
}
