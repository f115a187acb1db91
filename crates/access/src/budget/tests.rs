use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use chrono::NaiveDate;

use super::*;
use crate::money::AmountError;

const TTL: Duration = Duration::from_secs(60);

fn fields(day: &str, total: &str) -> BudgetFields {
    let amount = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    BudgetFields {
        day: amount(day),
        total: amount(total),
        ..BudgetFields::default()
    }
}

fn nano(total: i64) -> Budget {
    Budget {
        caps: ByPeriod {
            total: Some(total),
            ..ByPeriod::default()
        },
        warn_at: 800,
        unpriced: Unpriced::Allow,
    }
}

fn today() -> NaiveDate {
    NaiveDate::from_ymd_opt(2028, 2, 29).unwrap()
}

/// An account and the time.
struct Case {
    account: Arc<Account>,
    now: Instant,
}

impl Case {
    fn of(total: i64) -> Self {
        let now = Instant::now();
        let account = Arc::new(Account::new(1, "k".into(), nano(total), now));
        Self { account, now }
    }

    fn turn(&self, spent: i64, others: i64) -> i64 {
        let spent = ByPeriod {
            total: spent,
            ..ByPeriod::default()
        };
        let mut turn = Turn::begin(&self.account, self.now);
        let amount = turn.decide(&Standing { others, spent });
        turn.committed(self.now, spendable_until(self.now, TTL), today());
        amount
    }

    fn reserve(&self, amount: i64) -> Option<Reservation> {
        self.account.reserve(amount, self.now)
    }

    fn lacks(&self, amount: i64) -> Lacking {
        self.account.lacks(amount, self.now)
    }
}

#[test]
fn a_budget_is_written_as_it_is_read() {
    let budget = Budget::of(&fields("10.00", "")).unwrap().unwrap();
    assert_eq!(budget.caps.day, Some(10_000_000_000));
    assert_eq!((budget.warn_at, budget.unpriced), (800, Unpriced::Allow));
    let written = budget.fields();
    assert_eq!(
        (written.day.as_deref(), written.warn_at),
        (Some("10"), Some(0.8))
    );
    assert_eq!(Budget::of(&written), Ok(Some(budget)));
    assert_eq!(Budget::of(&fields("", "")), Ok(None));
    assert!(Budget::of(&fields("0", "")).unwrap().is_some());
}

#[test]
fn what_is_wrong_with_a_budget_is_named() {
    let refused = |given: BudgetFields| Budget::of(&given).unwrap_err();
    let error = refused(fields("", "-1"));
    assert_eq!(
        (error.field, error.reason),
        ("total", BudgetReason::Amount(AmountError::NoNumber))
    );
    for share in [0.0, -0.1, 1.001, f64::NAN, f64::INFINITY] {
        let given = BudgetFields {
            warn_at: Some(share),
            ..fields("1", "")
        };
        assert_eq!(refused(given).field, "warn_at", "{share}");
    }
}

#[test]
fn periods_follow_the_calendar() {
    let ends = |period: Period| period.ends_at(today()).map(|at| at.to_rfc3339());
    assert_eq!(
        ends(Period::Day).as_deref(),
        Some("2028-03-01T00:00:00+00:00")
    );
    assert_eq!(
        ends(Period::Month).as_deref(),
        Some("2028-03-01T00:00:00+00:00")
    );
    assert_eq!(ends(Period::Total), None);
    let december = NaiveDate::from_ymd_opt(2028, 12, 31).unwrap();
    assert_eq!(
        Period::Month.ends_at(december).unwrap().to_rfc3339(),
        "2029-01-01T00:00:00+00:00"
    );
    assert_eq!(
        Period::Month.first_day(december),
        NaiveDate::from_ymd_opt(2028, 12, 1)
    );
    assert_eq!(Period::Total.first_day(december), None);
}

#[test]
fn the_tightest_period_is_the_one_with_the_least_left() {
    let budget = Budget {
        caps: ByPeriod {
            day: Some(10),
            month: Some(100),
            total: None,
        },
        ..nano(0)
    };
    let spent = |day, month| ByPeriod {
        day,
        month,
        total: 1_000,
    };
    assert_eq!(budget.tightest(&spent(3, 50)), Some((Period::Day, 7)));
    assert_eq!(budget.tightest(&spent(3, 99)), Some((Period::Month, 1)));
    assert_eq!(budget.tightest(&spent(0, 90)), Some((Period::Month, 10)));
    assert_eq!(budget.tightest(&spent(0, 101)), Some((Period::Month, -1)));
}

#[test]
fn nothing_is_promised_before_it_is_leased_nor_after_the_lease_is_over() {
    let mut case = Case::of(1_000);
    assert!(case.reserve(1).is_none());
    assert!(
        case.reserve(0).is_some(),
        "what costs nothing needs no money"
    );
    assert_eq!(case.lacks(10), Lacking::Unknown);
    assert_eq!(
        case.turn(0, 0),
        60,
        "what is waited for, and a share of what is left"
    );
    assert!(case.reserve(60).is_some());
    case.now += TTL;
    assert!(case.reserve(1).is_none());
    assert_eq!(
        case.turn(0, 0),
        10,
        "what another may have by now is gone, and an idle key needs less"
    );
}

#[test]
fn what_was_not_spent_is_free_again_and_what_was_stays_leased_until_it_is_in_the_books() {
    let mut case = Case::of(1_000);
    case.lacks(100);
    assert_eq!(case.turn(0, 0), 150);
    let held = [case.reserve(100).unwrap(), case.reserve(50).unwrap()];
    assert!(case.reserve(1).is_none());
    let [first, second] = held;
    first.settle(30, case.now);
    drop(second);
    assert!(case.reserve(121).is_none());
    assert_eq!(case.turn(0, 0), 150, "for a moment all is kept");
    case.now += Duration::from_secs(1);
    // 30 spent, and of the 120 that are free no more is kept than a share.
    assert_eq!(case.turn(0, 0), 30 + (850 + 120) / 20);
    case.account.book(30);
    assert_eq!(case.turn(30, 0), (970 - 48 + 48) / 20);
}

#[test]
fn a_request_that_cost_more_than_was_thought_is_made_up_for() {
    let case = Case::of(1_000);
    case.lacks(1_000);
    assert_eq!(case.turn(0, 0), 1_000);
    case.reserve(1_000).unwrap().settle(1_200, case.now);
    assert!(case.reserve(1).is_none());
    assert_eq!(case.turn(0, 0), 1_200);
    let lacking = Lacking::Money {
        period: Period::Total,
        cap: 1_000,
        left: 0,
    };
    assert_eq!(case.lacks(1), lacking);
}

#[test]
fn a_refusal_is_believed_for_a_moment_only() {
    let mut case = Case::of(100);
    assert_eq!(case.turn(95, 0), 0);
    let lacking = Lacking::Money {
        period: Period::Total,
        cap: 100,
        left: 5,
    };
    assert_eq!(case.lacks(6), lacking);
    assert_eq!(case.lacks(5), Lacking::Unknown);
    case.now += Duration::from_millis(500);
    assert_eq!(case.lacks(6), Lacking::Unknown);
    assert!(case.account.set_budget(Some(nano(200))));
    assert!(!case.account.set_budget(Some(nano(200))));
    assert_eq!(case.turn(95, 0), 11 + 94 / 20 + 1);
}

#[test]
fn what_is_too_little_for_a_request_goes_back_for_others() {
    let mut case = Case::of(100);
    case.lacks(50);
    assert_eq!(case.turn(0, 0), 55);
    case.now += Duration::from_secs(1);
    assert_eq!(case.lacks(70), Lacking::Unknown);
    assert_eq!(case.turn(0, 40), 0);
    case.now += Duration::from_secs(1);
    assert_eq!(case.lacks(70), Lacking::Unknown);
    assert_eq!(case.turn(0, 0), 75);
}

#[test]
fn what_is_on_its_way_to_the_books_is_known_until_a_turn_has_seen_it() {
    let mut case = Case::of(2_000);
    case.lacks(1_000);
    case.turn(0, 0);
    let states = |case: &Case| (case.account.is_settling(case.now), case.account.is_booked());
    case.reserve(500).unwrap().settle(0, case.now);
    assert_eq!(states(&case), (false, false), "it cost nothing");
    case.reserve(1_000).unwrap().settle(1_000, case.now);
    assert_eq!(states(&case), (true, false));
    // The row is in the books, and the lease covers it still.
    case.turn(1_000, 0);
    assert!(matches!(case.lacks(1_000), Lacking::Money { .. }));
    case.account.book(1_000);
    assert_eq!(states(&case), (false, true));
    case.account.want(1_000);
    case.turn(1_000, 0);
    assert_eq!(states(&case), (false, false));
    assert!(case.reserve(1_000).is_some());
    case.reserve(0).unwrap().settle(5, case.now);
    case.now += Duration::from_secs(5);
    assert_eq!(states(&case), (false, false), "it does not arrive");
}

#[test]
fn a_turn_that_fails_lets_who_waits_know() {
    let case = Case::of(100);
    assert_eq!(case.lacks(10), Lacking::Unknown);
    drop(Turn::begin(&case.account, case.now));
    assert_eq!(case.lacks(10), Lacking::Books);
    let credit = case.account.reserve_on_credit(10, case.now);
    credit.settle(4, case.now);
    assert_eq!(case.turn(0, 0), 4 + 100 / 20, "owed, and a share");
}

#[test]
fn a_warning_is_given_once() {
    let case = Case::of(100);
    let warned = |spent| {
        let spent = ByPeriod {
            total: spent,
            ..ByPeriod::default()
        };
        let mut turn = Turn::begin(&case.account, case.now);
        turn.decide(&Standing { others: 0, spent });
        turn.committed(case.now, case.now, today())
    };
    assert_eq!(warned(79), []);
    assert_eq!(
        warned(80),
        [Crossed {
            period: Period::Total,
            spent: 80,
            cap: 100
        }]
    );
    assert_eq!(warned(90), []);
}

#[test]
fn turns_are_due_for_news_for_renewal_and_for_what_lies_idle() {
    let mut case = Case::of(1_000);
    let due = |case: &Case| case.account.is_due(TTL, case.now);
    assert!(due(&case));
    case.turn(0, 0);
    assert!(!due(&case));
    case.account.book(1);
    assert!(!due(&case), "not twice within a second");
    case.now += Duration::from_secs(1);
    assert!(due(&case));
    case.turn(1, 0);
    case.now += Duration::from_secs(4);
    assert!(due(&case), "it has become idle");
    case.turn(1, 0);
    case.now += Duration::from_secs(5);
    assert!(!due(&case));
    case.now += TTL / 4;
    assert!(due(&case));
}

#[test]
fn a_budget_that_is_taken_away_gives_back_its_lease() {
    let case = Case::of(1_000);
    case.lacks(100);
    case.turn(0, 0);
    let reservation = case.reserve(100).unwrap();
    case.account.set_budget(None);
    assert_eq!(case.turn(0, 0), 100);
    assert!(!case.account.is_closed());
    drop(reservation);
    assert_eq!(case.turn(0, 0), 0);
    assert!(case.account.is_closed());
}
