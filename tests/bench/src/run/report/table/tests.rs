use std::time::Duration;

use super::*;
use crate::load::{Report, Shape};
use crate::run::scenario::Provider;

const SMALL: Case = Case {
    scenario: Scenario::Small,
    shape: Shape::Small,
    direction: None,
    with: With::Nothing,
};

/// Turns in which a request took so many microseconds, and as many were answered in a second.
fn results(turns: &[(Case, &str, u64, u64)]) -> Results {
    let mut results = Results::default();
    for &(case, system, cpu_us, wrong) in turns {
        let load = Report {
            good: 1000 - wrong,
            wrong,
            per_second: cpu_us as f64,
            ..Report::default()
        };
        let cpu = Some(Duration::from_millis(cpu_us));
        results.add(Sample::new(case, system, 0, &load, cpu, Some(2048)));
    }
    results
}

#[track_caller]
fn check(text: &str, expected: &str) {
    assert!(text.contains(expected), "{text}");
}

#[test]
fn a_line_is_the_median_of_its_rounds_and_the_sum_of_its_errors() {
    let results = results(&[
        (SMALL, "gateway", 20, 0),
        (SMALL, "gateway", 40, 1),
        (SMALL, "gateway", 30, 0),
        (SMALL, BASE, 10, 0),
    ]);
    let line = results.line(SMALL, "gateway");
    assert_eq!(
        (line.per_second, line.cpu_us, line.bad),
        (30.0, Some(30.0), 1)
    );
    let tables = results.tables();
    check(&tables, "| small | gateway | 30 | 30.0 | 3.00 |");
    check(&tables, "| small | 10.0 | - | - | 3.00 | 300 % |");
    assert!(results.check().is_err(), "a wrong answer fails the run");
}

#[test]
fn what_was_not_measured_has_no_table() {
    let tables = Results::default().tables();
    assert!(!tables.contains("CPU"), "{tables}");
    check(&tables, "| system | idle MB | peak MB | after MB |");
}

#[test]
fn a_direction_stands_beside_its_clients_pass_through() {
    let direction = |client, provider| Case {
        scenario: Scenario::Translate,
        direction: Some(Direction { client, provider }),
        ..SMALL
    };
    let results = results(&[
        (direction(Protocol::Chat, Provider::OpenAi), BASE, 10, 0),
        (
            direction(Protocol::Chat, Provider::OpenAi),
            "gateway",
            15,
            0,
        ),
        (
            direction(Protocol::Messages, Provider::OpenAi),
            "gateway",
            30,
            0,
        ),
        (
            direction(Protocol::Messages, Provider::Anthropic),
            "gateway",
            20,
            0,
        ),
    ]);
    let expected = "| small | messages | openai | gateway | 30 | 30.0 | 1.50 | 3.00 |";
    check(&results.directions_table(), expected);
    assert_eq!(results.measured(false), []);
    check(
        &results.ratios_table(),
        "| messages to openai, small | 10.0 | - | - | 3.00 |",
    );
}

#[test]
fn each_gateway_has_a_row_beside_the_same_base() {
    let models = Scenario::Models.cases()[0];
    let [plain, key, limited] = Scenario::Limits.cases()[..] else {
        panic!("three keys");
    };
    let results = results(&[
        (models, BASE, 10, 0),
        (models, "gateway 1 model", 20, 0),
        (models, "gateway 100 models", 25, 0),
        (plain, BASE, 10, 0),
        (plain, "gateway", 20, 0),
        (key, "gateway", 18, 0),
        (limited, "gateway", 17, 0),
    ]);
    let table = results.ratios_table();
    check(&table, "| models, 1 model | 10.0 | - | - | 2.00 | 200 % |");
    check(
        &table,
        "| models, 100 models | 10.0 | - | - | 2.50 | 250 % |",
    );
    check(
        &table,
        "| limits, a key with | 10.0 | - | - | 1.70 | 170 % |",
    );
    assert_eq!(results.rows().len(), 5, "none of the base's own");
    check(&results.tables(), "keeps 85 % of its throughput");
}
