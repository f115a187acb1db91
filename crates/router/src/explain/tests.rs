//! Explanations agree with plans.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use crate::testing::{State, cooling, open, specs, table};
use crate::*;

/// "2: tier 1 position 2 25%" or "3: <why it was left out>".
fn lines(explanation: &Explanation<'_>) -> Vec<String> {
    let line = |explained: &Explained<'_>| {
        let id = explained.candidate.id().0;
        match &explained.fate {
            Fate::Included {
                tier,
                position,
                share_percent,
                is_spare,
                is_trial,
            } => {
                let share = share_percent.map_or(String::new(), |share| format!(" {share:.1}%"));
                let spare = if *is_spare { " spare" } else { "" };
                let trial = if *is_trial { " trial" } else { "" };
                format!("{id}: tier {tier} position {position}{share}{spare}{trial}")
            }
            Fate::LeftOut(reason) => format!("{id}: {reason:?}"),
        }
    };
    explanation.candidates.iter().map(line).collect()
}

#[test]
fn every_association_is_explained() {
    let now = Instant::now();
    let rows: Vec<_> = (1..=12)
        .map(|id| (id, if id < 10 { 9 } else { 5 }, id as u32 % 12))
        .collect();
    let (model, mut providers, mut associations) = specs(Strategy::Weighted, &rows);
    associations[2].enabled = false;
    providers[3].enabled = false;
    providers[4].endpoints = EndpointSet::NONE;
    associations[5].capabilities = Capabilities::IMAGE;
    let table = RouteTable::build([model], providers, associations).unwrap();
    let state = State::default()
        .with(7, open(now, 5, 6))
        .with(8, cooling(now, 3))
        .with(2, Standing::Trial)
        .with(9, Standing::Ready { share: 0.5 });
    let allowed: Vec<_> = (1..=12).filter(|id| *id != 10).map(ProviderId).collect();
    let requirements = Capabilities::TOOL_CALL | Capabilities::IMAGE;
    let request = Request {
        requirements,
        allowed_providers: Some(&allowed),
        ..Request::default()
    };
    let explanation = table.route("m").unwrap().explain(&request, &state, now);
    assert_eq!(
        (explanation.refusal.as_ref(), explanation.is_forced),
        (None, false)
    );
    assert_eq!(
        lines(&explanation),
        [
            "9: tier 1 position 1 60.0%",
            "2: tier 1 position 2 26.7% trial",
            "1: tier 1 position 3 13.3%",
            "11: tier 2 position 4 100.0%",
            "12: tier 3 position 5 100.0% spare",
            "3: AssociationDisabled",
            "4: ProviderDisabled",
            "5: EndpointNotServed",
            "6: MissingCapability(Capabilities(1))",
            "7: Open { retry_in: 5s, errors: 6 }",
            "8: Cooling { ends_in: 3s }",
            "10: NotAllowed",
        ]
    );
}

#[track_caller]
fn check(strategy: Strategy, request: &Request<'_>, state: &State, expected: &[&str]) {
    let table = table(strategy, &[(1, 1, 1), (2, 1, 3)]);
    let explanation = table
        .route("m")
        .unwrap()
        .explain(request, state, Instant::now());
    assert_eq!(lines(&explanation), expected);
}

#[test]
fn shares_are_told_where_they_are_fixed() {
    let (any, idle) = (Request::default(), State::default());
    let by_weight = ["2: tier 1 position 1 75.0%", "1: tier 1 position 2 25.0%"];
    for strategy in [Strategy::Weighted, Strategy::Cheapest, Strategy::Sticky] {
        check(strategy, &any, &idle, &by_weight);
    }
    check(
        Strategy::RoundRobin,
        &any,
        &idle,
        &["1: tier 1 position 1 50.0%", "2: tier 1 position 2 50.0%"],
    );
    let first_then_second = ["1: tier 1 position 1", "2: tier 1 position 2"];
    check(
        Strategy::Cheapest,
        &any,
        &State::default().cost(1, 5),
        &first_then_second,
    );
    check(
        Strategy::LeastBusy,
        &any,
        &State::default().load(2, 9, None),
        &first_then_second,
    );
    let faster = State::default().load(1, 0, Some(10)).load(2, 0, Some(20));
    check(Strategy::LeastLatency, &any, &faster, &first_then_second);
}

#[test]
fn an_explanation_uses_nothing_up() {
    let now = Instant::now();
    let table = table(Strategy::RoundRobin, &[(1, 1, 1), (2, 1, 1)]);
    let route = table.route("m").unwrap();
    let state = State::default()
        .with(1, cooling(now, 5))
        .with(2, cooling(now, 7));
    let explanation = route.explain(&Request::default(), &state, now);
    let retry_after = Duration::from_secs(5);
    assert_eq!(
        explanation.refusal,
        Some(Refusal::AllCooling { retry_after })
    );
    assert!(state.claims.borrow().is_empty());
    route.explain(&Request::default(), &State::default(), now);
    assert_eq!(route.turn.load(Ordering::Relaxed), 0);
}

#[test]
fn refusals_are_those_of_the_plan() {
    let now = Instant::now();
    let (mut model, providers, mut associations) =
        specs(Strategy::Weighted, &[(1, 1, 1), (2, 1, 1)]);
    associations[1].capabilities = Capabilities::NONE;
    model.enabled = false;
    let table = RouteTable::build([model], providers, associations).unwrap();
    let route = table.route("m").unwrap();
    let explanation = route.explain(&Request::default(), &State::default(), now);
    assert_eq!(explanation.refusal, Some(Refusal::ModelDisabled));
    assert_eq!(
        lines(&explanation),
        ["1: tier 1 position 1 50.0%", "2: tier 1 position 2 50.0%"]
    );

    let table = self::table(Strategy::Weighted, &[(1, 1, 1), (2, 1, 1)]);
    let route = table.route("m").unwrap();
    let unknown = Request {
        provider: Some("nobody"),
        ..Request::default()
    };
    let none_allowed = Request {
        allowed_providers: Some(&[]),
        ..Request::default()
    };
    for request in [unknown, none_allowed] {
        let planned = route
            .plan(&request, &State::default(), now, &mut Fixed(0))
            .unwrap_err();
        let explanation = route.explain(&request, &State::default(), now);
        assert_eq!(explanation.refusal, Some(planned));
        assert_eq!(explanation.candidates.len(), 2);
    }
}

#[test]
fn who_is_tried_in_spite_of_its_health_is_said_to_be() {
    let now = Instant::now();
    let table = table(Strategy::Weighted, &[(1, 9, 1), (2, 1, 1)]);
    let state = State::default()
        .with(1, open(now, 9, 5))
        .with(2, open(now, 5, 5));
    let explanation = table
        .route("m")
        .unwrap()
        .explain(&Request::default(), &state, now);
    assert!(explanation.is_forced);
    assert_eq!(
        lines(&explanation),
        ["2: tier 1 position 1", "1: tier 1 position 2"]
    );
}
