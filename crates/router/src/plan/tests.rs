//! Who is planned, in which order, and who is refused.

use std::collections::HashMap;
use std::time::Instant;

use crate::testing::{State, cooling, ids, open, specs, table};
use crate::*;

const CHAT: Endpoint = Endpoint::new(0);
const EMBEDDINGS: Endpoint = Endpoint::new(1);

#[track_caller]
fn check(
    table: &RouteTable,
    request: &Request<'_>,
    state: &State,
    now: Instant,
    expected: Result<&[i64], Refusal>,
) {
    let route = table.route("m").unwrap();
    let plan = route.plan(request, state, now, &mut Fixed(u64::MAX / 2));
    assert_eq!(plan.map(|plan| ids(&plan)), expected.map(<[i64]>::to_vec));
}

/// How often each candidate comes first in a thousand plans.
fn firsts(table: &RouteTable, state: &State, request: &Request<'_>) -> HashMap<i64, usize> {
    let (now, mut dice) = (Instant::now(), Seeded(11));
    let mut firsts = HashMap::new();
    for _ in 0..1_000 {
        let plan = table
            .route("m")
            .unwrap()
            .plan(request, state, now, &mut dice)
            .unwrap();
        *firsts.entry(ids(&plan)[0]).or_default() += 1;
    }
    firsts
}

/// Asserts that `count` of a thousand is what `expected` percent would give, within five standard deviations.
#[track_caller]
fn assert_percent(count: Option<&usize>, expected: f64) {
    let (count, share) = (count.copied().unwrap_or(0) as f64, expected / 100.0);
    let deviation = (1_000.0 * share * (1.0 - share)).sqrt();
    assert!(
        (count - 1_000.0 * share).abs() <= 5.0 * deviation,
        "{count} of 1000 instead of {expected}%"
    );
}

/// Candidate 1 is disabled with its provider, 2 serves embeddings only, 3 can call tools.
fn motley() -> (ModelSpec, Vec<ProviderSpec>, Vec<AssociationSpec>) {
    let rows = [(1, 1, 1), (2, 1, 1), (3, 1, 1)];
    let (model, mut providers, mut associations) = specs(Strategy::Weighted, &rows);
    providers[0].enabled = false;
    providers[1].endpoints = EndpointSet::of(&[EMBEDDINGS]);
    associations[2].capabilities = Capabilities::TOOL_CALL;
    (model, providers, associations)
}

#[test]
fn refusals_name_what_came_closest() {
    let now = Instant::now();
    let (model, providers, associations) = motley();
    let table = RouteTable::build([model], providers, associations).unwrap();
    let state = State::default();
    let check = |request, expected| check(&table, &request, &state, now, expected);
    let chat = Request {
        endpoint: CHAT,
        ..Request::default()
    };

    let needs = |requirements| Request {
        requirements,
        ..chat
    };
    let missing = |capabilities| Err(Refusal::MissingCapability(capabilities));
    check(needs(Capabilities::TOOL_CALL), Ok(&[3]));
    check(needs(Capabilities::IMAGE), missing(Capabilities::IMAGE));
    check(
        needs(Capabilities::ALL),
        missing(Capabilities::new(false, true, true)),
    );

    let only = |ids: &'static [ProviderId]| Request {
        allowed_providers: Some(ids),
        ..chat
    };
    check(only(&[ProviderId(3)]), Ok(&[3]));
    check(only(&[ProviderId(2)]), Err(Refusal::EndpointNotServed));
    check(only(&[ProviderId(1)]), Err(Refusal::NothingEnabled));
    check(only(&[]), Err(Refusal::NotAllowed));

    let named = |provider| Request {
        provider: Some(provider),
        ..chat
    };
    let unknown = |name: &str| Err(Refusal::ProviderUnknown { name: name.into() });
    check(named("p1"), Err(Refusal::NothingEnabled));
    check(named("nobody"), unknown("nobody"));
    check(
        Request {
            allowed_providers: Some(&[ProviderId(2)]),
            ..named("p3")
        },
        unknown("p3"),
    );
}

#[test]
fn models_without_candidates_and_disabled_models_are_refused() {
    let (mut model, providers, associations) = motley();
    let refusal = |model: &ModelSpec, associations: &[AssociationSpec]| {
        let table = RouteTable::build([model.clone()], providers.clone(), associations.to_vec());
        let request = Request::default();
        let route_table = table.unwrap();
        let route = route_table.route("m").unwrap();
        route
            .plan(&request, &State::default(), Instant::now(), &mut Fixed(0))
            .unwrap_err()
    };
    assert_eq!(refusal(&model, &[]), Refusal::NothingEnabled);
    model.enabled = false;
    assert_eq!(refusal(&model, &associations), Refusal::ModelDisabled);
}

#[test]
fn capabilities_that_never_come_together_are_all_named() {
    let (model, providers, mut associations) = specs(Strategy::Weighted, &[(1, 1, 1), (2, 1, 1)]);
    associations[0].capabilities = Capabilities::TOOL_CALL;
    associations[1].capabilities = Capabilities::IMAGE;
    let table = RouteTable::build([model], providers, associations).unwrap();
    let both = Capabilities::TOOL_CALL | Capabilities::IMAGE;
    let request = Request {
        requirements: both,
        ..Request::default()
    };
    check(
        &table,
        &request,
        &State::default(),
        Instant::now(),
        Err(Refusal::MissingCapability(both)),
    );
}

#[test]
fn names_choose_and_order() {
    let (now, state) = (Instant::now(), State::default());
    let table = table(
        Strategy::RoundRobin,
        &[(1, 9, 1), (2, 5, 1), (3, 5, 0), (4, 1, 1)],
    );
    let ask = |provider, fallback_providers| Request {
        provider,
        fallback_providers,
        ..Request::default()
    };
    check(&table, &ask(None, &[]), &state, now, Ok(&[1, 2, 4, 3]));
    check(&table, &ask(Some("p4"), &[]), &state, now, Ok(&[4]));
    check(
        &table,
        &ask(Some("p4"), &["p3", "p1"]),
        &state,
        now,
        Ok(&[4, 3, 1]),
    );
    check(
        &table,
        &ask(Some("p4"), &["p4", "p1", "p4"]),
        &state,
        now,
        Ok(&[4, 1]),
    );
    check(
        &table,
        &ask(None, &["p4", "p2"]),
        &state,
        now,
        Ok(&[4, 2, 1, 3]),
    );
    let unknown = Err(Refusal::ProviderUnknown { name: "p5".into() });
    check(&table, &ask(Some("p4"), &["p5"]), &state, now, unknown);
    // Health applies to named ones, too.
    let ill = State::default().with(4, open(now, 9, 5));
    check(
        &table,
        &ask(Some("p4"), &["p3", "p1"]),
        &ill,
        now,
        Ok(&[3, 1]),
    );
    check(&table, &ask(Some("p4"), &[]), &ill, now, Ok(&[4]));
}

#[test]
fn weight_zero_comes_last_of_a_named_provider_too() {
    for strategy in Strategy::ALL {
        let (model, providers, mut associations) =
            specs(strategy, &[(1, 1, 0), (2, 1, 1), (3, 1, 1)]);
        for association in &mut associations {
            association.provider = ProviderId(3);
        }
        let table = RouteTable::build([model], providers, associations).unwrap();
        let request = Request {
            provider: Some("p3"),
            ..Request::default()
        };
        for seed in 0..20 {
            let route = table.route("m").unwrap();
            let plan = route.plan(
                &request,
                &State::default(),
                Instant::now(),
                &mut Seeded(seed),
            );
            assert_eq!(ids(&plan.unwrap())[2], 1, "{strategy}");
        }
    }
}

#[test]
fn the_unfit_are_skipped_while_one_is_fit() {
    let now = Instant::now();
    let table = table(
        Strategy::RoundRobin,
        &[(1, 9, 1), (2, 9, 1), (3, 1, 1), (4, 1, 1)],
    );
    let state = State::default()
        .with(1, open(now, 5, 5))
        .with(2, cooling(now, 5))
        .with(4, Standing::Trial);
    let plan = table
        .route("m")
        .unwrap()
        .plan(&Request::default(), &state, now, &mut Fixed(0))
        .unwrap();
    assert_eq!((ids(&plan), plan.is_forced()), (vec![3, 4], false));
}

#[test]
fn when_nobody_is_fit_the_least_bad_comes_first() {
    let now = Instant::now();
    let table = table(
        Strategy::Weighted,
        &[(1, 9, 1), (2, 9, 1), (3, 1, 1), (4, 1, 1)],
    );
    let state = State::default()
        .with(1, open(now, 9, 5))
        .with(2, open(now, 5, 7))
        .with(3, open(now, 5, 6))
        .with(4, cooling(now, 7));
    let plan = table
        .route("m")
        .unwrap()
        .plan(&Request::default(), &state, now, &mut Fixed(0))
        .unwrap();
    assert_eq!((ids(&plan), plan.is_forced()), (vec![3, 2, 4, 1], true));
    assert!(state.claims.borrow().is_empty());
}

#[test]
fn when_all_cool_one_trial_is_let_through() {
    let now = Instant::now();
    let table = table(Strategy::Weighted, &[(1, 9, 1), (2, 1, 1)]);
    let state = State::default()
        .with(1, cooling(now, 9))
        .with(2, cooling(now, 5));
    let request = Request::default();
    let retry_after = std::time::Duration::from_secs(5);
    check(
        &table,
        &request,
        &state,
        now,
        Err(Refusal::AllCooling { retry_after }),
    );
    state.grants_trial.set(true);
    check(&table, &request, &state, now, Ok(&[2]));
    assert_eq!(*state.claims.borrow(), [2, 2]);
}

#[test]
fn the_only_candidate_is_never_held_back() {
    let now = Instant::now();
    let table = table(Strategy::Weighted, &[(1, 1, 1)]);
    for standing in [
        open(now, 9, 5),
        cooling(now, 9),
        Standing::Trial,
        Standing::Ready { share: 0.0 },
    ] {
        let state = State::default().with(1, standing);
        let plan = table
            .route("m")
            .unwrap()
            .plan(&Request::default(), &state, now, &mut Fixed(0))
            .unwrap();
        assert_eq!(
            (ids(&plan), plan.is_forced()),
            (vec![1], true),
            "{standing:?}"
        );
        assert!(state.claims.borrow().is_empty());
    }
}

#[test]
fn shares_scale_weights() {
    let table = table(Strategy::Weighted, &[(1, 1, 30), (2, 1, 10)]);
    let state = State::default()
        .with(1, Standing::Ready { share: 0.1 })
        .with(2, Standing::Trial);
    let firsts = firsts(&table, &state, &Request::default());
    assert_percent(firsts.get(&1), 100.0 * 3.0 / 13.0);
}

#[test]
fn candidates_without_a_share_come_last_in_their_tier() {
    for share in [0.0, -1.0, f32::NAN] {
        for strategy in Strategy::ALL {
            let table = table(strategy, &[(1, 9, 1), (2, 9, 1), (3, 1, 1)]);
            let state = State::default().with(1, Standing::Ready { share });
            check(
                &table,
                &Request::default(),
                &state,
                Instant::now(),
                Ok(&[2, 1, 3]),
            );
        }
    }
}

#[test]
fn a_part_of_a_share_is_a_part_of_the_turns() {
    for strategy in [Strategy::LeastBusy, Strategy::Cheapest] {
        let table = table(strategy, &[(1, 1, 1), (2, 1, 1)]);
        let state = State::default()
            .load(2, 5, None)
            .cost(1, 1)
            .with(1, Standing::Ready { share: 0.25 });
        assert_percent(firsts(&table, &state, &Request::default()).get(&1), 25.0);
    }
}

#[test]
fn round_robin_gives_everyone_a_turn() {
    let table = table(
        Strategy::RoundRobin,
        &[(1, 9, 1), (2, 9, 5), (3, 9, 1), (4, 1, 1)],
    );
    let (now, state) = (Instant::now(), State::default());
    for expected in [[1, 2, 3, 4], [2, 3, 1, 4], [3, 1, 2, 4], [1, 2, 3, 4]] {
        check(&table, &Request::default(), &state, now, Ok(&expected));
    }
}

#[test]
fn least_busy_counts_running_attempts_against_the_weight() {
    let table = table(Strategy::LeastBusy, &[(1, 1, 10), (2, 1, 10), (3, 1, 30)]);
    let state = State::default()
        .load(1, 3, None)
        .load(2, 2, None)
        .load(3, 8, None);
    check(
        &table,
        &Request::default(),
        &state,
        Instant::now(),
        Ok(&[2, 3, 1]),
    );
    let idle = firsts(
        &table,
        &State::default().load(3, 2, None),
        &Request::default(),
    );
    assert_percent(idle.get(&1), 100.0 / 3.0);
    assert_percent(idle.get(&2), 100.0 / 3.0);
}

#[test]
fn cheapest_puts_the_priced_in_order_and_the_unpriced_after_them() {
    let table = table(
        Strategy::Cheapest,
        &[(1, 1, 1), (2, 1, 1), (3, 1, 1), (4, 1, 5)],
    );
    let state = State::default().cost(1, 900).cost(2, 300);
    check(
        &table,
        &Request::default(),
        &state,
        Instant::now(),
        Ok(&[2, 1, 4, 3]),
    );
    let unpriced = firsts(&table, &State::default(), &Request::default());
    assert_percent(unpriced.get(&4), 100.0 * 5.0 / 8.0);
}

#[test]
fn least_latency_takes_the_better_of_two() {
    let table = table(Strategy::LeastLatency, &[(1, 1, 1), (2, 1, 1), (3, 1, 1)]);
    let state = State::default()
        .load(1, 0, Some(300))
        .load(2, 0, Some(100))
        .load(3, 0, Some(200));
    let counts = firsts(&table, &state, &Request::default());
    // The best wins both pairs it is in, the worst none.
    assert_percent(counts.get(&2), 200.0 / 3.0);
    assert_percent(counts.get(&3), 100.0 / 3.0);
    assert_eq!(counts.get(&1), None);
}

#[test]
fn least_latency_weighs_running_attempts_and_gives_newcomers_a_chance() {
    let table = table(Strategy::LeastLatency, &[(1, 1, 1), (2, 1, 1)]);
    let request = Request::default();
    let now = Instant::now();
    let busy = State::default().load(1, 5, Some(100)).load(2, 0, Some(500));
    check(&table, &request, &busy, now, Ok(&[2, 1]));
    let new = State::default().load(1, 1, Some(100)).load(2, 0, None);
    check(&table, &request, &new, now, Ok(&[2, 1]));
    let new_but_busy = State::default().load(1, 1, Some(100)).load(2, 2, None);
    check(&table, &request, &new_but_busy, now, Ok(&[1, 2]));
}

#[test]
fn sticky_keeps_sessions_by_weight_and_moves_only_those_it_must() {
    let table = table(Strategy::Sticky, &[(1, 1, 1), (2, 1, 1), (3, 1, 2)]);
    let now = Instant::now();
    let without_3 = State::default().with(3, open(now, 5, 5));
    let mut firsts = HashMap::new();
    for session in 0..1_000 {
        let request = Request {
            session: Some(session),
            ..Request::default()
        };
        let first = |state: &State, seed| {
            let plan = table
                .route("m")
                .unwrap()
                .plan(&request, state, now, &mut Seeded(seed))
                .unwrap();
            ids(&plan)[0]
        };
        let home = first(&State::default(), 1);
        assert_eq!(first(&State::default(), 2), home, "whatever the dice");
        if home != 3 {
            assert_eq!(first(&without_3, 1), home, "whoever else is out");
        }
        *firsts.entry(home).or_default() += 1;
    }
    assert_percent(firsts.get(&3), 50.0);
    let without_session = self::firsts(&table, &State::default(), &Request::default());
    assert_percent(without_session.get(&3), 50.0);
}

#[test]
fn a_hard_pin_stays_whatever_the_health() {
    for strategy in [Strategy::Sticky, Strategy::Weighted] {
        let table = table(strategy, &[(1, 9, 1), (2, 9, 1), (3, 1, 1)]);
        let now = Instant::now();
        for session in 0..50 {
            let request = Request {
                session: Some(session),
                hard_pin: true,
                ..Request::default()
            };
            let plan = |state: &State| {
                ids(&table
                    .route("m")
                    .unwrap()
                    .plan(&request, state, now, &mut Seeded(session))
                    .unwrap())
            };
            let home = plan(&State::default());
            assert!(
                home == [1] || home == [2],
                "one provider of the highest tier"
            );
            assert_eq!(plan(&State::default().with(home[0], open(now, 5, 5))), home);
        }
    }
}
