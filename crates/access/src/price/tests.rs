use num_bigint::BigInt;
use proptest::prelude::*;
use protocol::{Media, Usage, UsageSource};

use super::*;

fn usage(prompt: u64, completion: u64) -> Usage {
    Usage {
        prompt,
        completion,
        total: prompt.saturating_add(completion),
        cached: 0,
        cache_write: 0,
        reasoning: 0,
        source: UsageSource::Provider,
    }
}

/// 3 USD in, 15 USD out, and all else as Anthropic has it.
fn full() -> Price {
    Price {
        input: Some(3_000_000_000),
        output: Some(15_000_000_000),
        cache_read: Some(300_000_000),
        cache_write: Some(3_750_000_000),
        reasoning: Some(20_000_000_000),
        per_request: Some(7),
        ..Price::default()
    }
}

fn plain(input: Option<i64>, output: Option<i64>) -> Price {
    Price {
        input,
        output,
        ..Price::default()
    }
}

#[test]
fn every_token_is_charged_once_at_its_own_price() {
    let used = Usage {
        cached: 400,
        cache_write: 100,
        reasoning: 30,
        ..usage(1000, 50)
    };
    let nano = 500 * 3000 + 400 * 300 + 100 * 3750 + 20 * 15_000 + 30 * 20_000;
    assert_eq!(full().cost(Some(&used), Media::default()), Some(nano + 7));
    let plain = plain(full().input, full().output);
    assert_eq!(
        plain.cost(Some(&used), Media::default()),
        Some(1000 * 3000 + 50 * 15_000)
    );
}

#[test]
fn counts_that_contradict_each_other_charge_no_token_twice() {
    let used = Usage {
        cached: 900,
        cache_write: 900,
        reasoning: 900,
        ..usage(1000, 50)
    };
    let nano = 900 * 300 + 100 * 3750 + 50 * 20_000 + 7;
    assert_eq!(full().cost(Some(&used), Media::default()), Some(nano));
}

#[test]
fn what_has_no_price_makes_the_attempt_unpriced_and_is_never_free() {
    let by_request = Price {
        per_request: Some(5),
        ..Price::default()
    };
    let by_image = Price {
        per_image: Some(9),
        ..full()
    };
    let reasoned = Usage {
        reasoning: 2,
        ..usage(0, 2)
    };
    let only_reasoning = Price {
        reasoning: Some(1_000_000),
        ..Price::default()
    };
    for (price, used, expected) in [
        (Price::default(), Some(usage(1, 1)), None),
        (Price::default(), None, None),
        (plain(Some(1_000_000), None), Some(usage(3, 0)), Some(3)),
        (plain(Some(1_000_000), None), Some(usage(3, 1)), None),
        (plain(None, Some(1_000_000)), Some(usage(1, 1)), None),
        (plain(Some(0), Some(0)), Some(usage(9, 9)), Some(0)),
        (plain(Some(9), Some(9)), None, None),
        (only_reasoning, Some(reasoned), Some(2)),
        (only_reasoning, Some(usage(0, 2)), None),
        (full(), None, Some(7)),
        (by_request, Some(usage(9, 9)), Some(5)),
        (by_request, None, Some(5)),
        (by_image, Some(usage(1, 1)), None),
        (by_image, None, None),
    ] {
        assert_eq!(
            price.cost(used.as_ref(), Media::default()),
            expected,
            "{price:?} {used:?}"
        );
    }
}

#[test]
fn a_cost_is_rounded_once_half_to_even_and_saturates() {
    let cost =
        |input, prompt| plain(Some(input), None).cost(Some(&usage(prompt, 0)), Media::default());
    for (input, prompt, expected) in [
        (499_999, 1, 0),
        (500_000, 1, 0),
        (500_001, 1, 1),
        (1_500_000, 1, 2),
        (2_500_000, 1, 2),
        (3_500_000, 1, 4),
        (i64::MAX, u64::MAX, i64::MAX),
    ] {
        assert_eq!(cost(input, prompt), Some(expected), "{input} x {prompt}");
    }
    // Two halves are one, which parts rounded by themselves would lose.
    let halves = plain(Some(500_000), Some(500_000));
    assert_eq!(halves.cost(Some(&usage(1, 1)), Media::default()), Some(1));
    let most = plain(Some(i64::MAX), Some(i64::MAX));
    assert_eq!(
        most.cost(Some(&usage(u64::MAX, u64::MAX)), Media::default()),
        Some(i64::MAX)
    );
}

#[test]
fn prices_compare_by_three_parts_of_input_to_one_of_output() {
    let by_request = Price {
        per_request: Some(1),
        ..full()
    };
    for (price, expected) in [
        (plain(Some(4), Some(8)), Some(5)),
        (plain(Some(4), None), Some(4)),
        (plain(Some(0), Some(0)), Some(0)),
        (plain(None, Some(8)), None),
        (Price::default(), None),
        (by_request, None),
    ] {
        assert_eq!(price.expected(), expected, "{price:?}");
    }
    let most = plain(Some(i64::MAX), Some(i64::MAX));
    assert_eq!(most.expected(), Some(i64::MAX as u64));
}

fn table(rows: &[(Option<i64>, &str, i64)]) -> PriceTable {
    let mut table = PriceTable::with_list_prices();
    for (provider, pattern, input) in rows {
        let price = plain(Some(*input), None);
        table.insert(*provider, pattern, price).unwrap();
    }
    table
}

#[test]
fn the_most_specific_row_wins_whatever_order_they_come_in() {
    let mut rows = [
        (None, "*", 1),
        (None, "gpt-*", 2),
        (None, "gpt-5*", 3),
        (None, "gpt-5", 4),
        (None, "gpt-?-mini", 5),
        (Some(7), "gpt-*", 6),
        (Some(7), "gpt-5-pro", 7),
        (None, "gpt-*-mini", 8),
    ];
    for _ in 0..2 {
        let table = table(&rows);
        for (provider, model, expected) in [
            (1, "gpt-5", 4),
            (1, "gpt-5-pro", 3),
            (1, "gpt-4o", 2),
            (1, "gpt-5-mini", 5),
            (1, "gpt-45-mini", 8),
            (1, "claude", 1),
            (7, "gpt-5", 6),
            (7, "gpt-5-pro", 7),
            (7, "claude", 1),
        ] {
            let found = table.find(provider, None, model).and_then(|it| it.input);
            assert_eq!(found, Some(expected), "{provider} {model}");
        }
        rows.reverse();
    }
}

#[test]
fn list_prices_hold_for_the_vendors_own_service_and_give_way_to_any_row() {
    let empty = table(&[]);
    let of = |table: &PriceTable, vendor| {
        let price = table.find(1, vendor, "claude-opus-4-5-20251101");
        price.map(|price| price.input)
    };
    assert_eq!(of(&empty, Some("anthropic")), Some(Some(5_000_000_000)));
    assert_eq!(of(&empty, Some("openai")), None);
    assert_eq!(of(&empty, None), None);
    assert_eq!(
        of(&table(&[(None, "*", 1)]), Some("anthropic")),
        Some(Some(1))
    );
    let mut unpriced = table(&[]);
    unpriced
        .insert(Some(1), "claude-*", Price::default())
        .unwrap();
    assert_eq!(of(&unpriced, Some("anthropic")), Some(None));
}

#[test]
fn bad_rows_are_refused_and_change_nothing() {
    let mut table = table(&[(None, "a", 1), (Some(1), "a*", 2)]);
    let negative = plain(Some(1), Some(-1));
    for (provider, pattern, price, expected) in [
        (None, "", full(), PriceError::NoPattern),
        (None, "b", negative, PriceError::Negative("output")),
        (None, "a", full(), PriceError::Duplicate),
        (Some(1), "a*", full(), PriceError::Duplicate),
    ] {
        assert_eq!(table.insert(provider, pattern, price), Err(expected));
    }
    assert_eq!(table.find(2, None, "a").unwrap().input, Some(1));
    assert_eq!(table.find(1, None, "a").unwrap().input, Some(2));
    assert!(table.find(2, None, "b").is_none());
}

fn amount() -> impl Strategy<Value = Option<i64>> {
    prop_oneof![
        Just(None),
        Just(Some(0)),
        (0..=1_000_000_000_000_i64).prop_map(Some),
        (0..=i64::MAX).prop_map(Some),
    ]
}

fn count() -> impl Strategy<Value = u64> {
    prop_oneof![Just(0), 0..2_000_u64, 0..=1_000_000_000_u64, any::<u64>()]
}

prop_compose! {
    fn any_price()(amounts in proptest::array::uniform6(amount())) -> Price {
        let [input, output, cache_read, cache_write, reasoning, per_request] = amounts;
        Price { input, output, cache_read, cache_write, reasoning, per_request, per_image: None, per_second: None }
    }
}

prop_compose! {
    fn any_usage()(counts in proptest::array::uniform5(count())) -> Usage {
        let [prompt, completion, cached, cache_write, reasoning] = counts;
        Usage { cached, cache_write, reasoning, ..usage(prompt, completion) }
    }
}

/// The cost in rational arithmetic of any size, as a fraction with the denominator 10^6, by another road: all tokens at
/// their basic price, then the differences.
fn rational(price: &Price, used: &Usage) -> Option<BigInt> {
    let cached = used.cached.min(used.prompt);
    let written = used.cache_write.min(used.prompt - cached);
    let reasoning = used.reasoning.min(used.completion);
    let charged = |count: u64, amount: Option<i64>| match (count, amount) {
        (0, _) => Some(BigInt::from(0)),
        (count, amount) => Some(BigInt::from(count) * amount?),
    };
    let input = charged(used.prompt - cached - written, price.input)?
        + charged(cached, price.cache_read.or(price.input))?
        + charged(written, price.cache_write.or(price.input))?;
    let output = charged(used.completion - reasoning, price.output)?
        + charged(reasoning, price.reasoning.or(price.output))?;
    Some(input + output + BigInt::from(price.per_request.unwrap_or(0)) * 1_000_000)
}

proptest! {
    #[test]
    fn a_cost_is_the_nearest_nano_of_the_exact_sum(price in any_price(), used in any_usage()) {
        let by_token = Price { per_request: None, ..price };
        prop_assume!(!by_token.is_empty());
        let cost = price.cost(Some(&used), Media::default());
        let Some(exact) = rational(&price, &used) else {
            prop_assert_eq!(cost, None);
            return Ok(());
        };
        let cost = BigInt::from(cost.unwrap());
        let off: BigInt = (&cost * 1_000_000 - &exact) * 2;
        let half = BigInt::from(1_000_000);
        let is_tie = off == half || off == -&half;
        let is_saturated = cost == BigInt::from(i64::MAX) && exact >= &cost * 1_000_000;
        let is_near = off > -&half && off < half;
        prop_assert!(is_saturated || is_near || (is_tie && &cost % 2 == BigInt::from(0)), "{cost} {exact}");
        prop_assert!(cost >= BigInt::from(0));
    }

    #[test]
    fn using_more_never_costs_less(price in any_price(), used in any_usage(), more in 0..1_000_u64) {
        let prompt = used.prompt.saturating_add(more);
        let fuller = Usage { prompt, ..used };
        // Only what is plainly input is added.
        prop_assume!(used.cached.saturating_add(used.cache_write) <= used.prompt);
        if let (Some(less), Some(cost)) = (price.cost(Some(&used), Media::default()), price.cost(Some(&fuller), Media::default())) {
            prop_assert!(cost >= less);
        }
    }
}

#[test]
fn images_and_seconds_are_charged_where_they_are_counted() {
    let images = |count| Media {
        images: Some(count),
        ..Media::default()
    };
    let sound = |millis| Media {
        millis: Some(millis),
        ..Media::default()
    };
    let per_image = Price {
        per_image: Some(40_000_000),
        ..Price::default()
    };
    assert_eq!(per_image.cost(None, images(3)), Some(120_000_000));
    assert_eq!(per_image.cost(None, images(0)), Some(0));
    assert_eq!(per_image.cost(None, sound(3)), None);
    let with_tokens = Price {
        input: Some(1_000_000),
        per_request: Some(7),
        ..per_image
    };
    let cost = with_tokens.cost(Some(&usage(5, 0)), images(1));
    assert_eq!(cost, Some(40_000_000 + 5 + 7));
    assert_eq!(with_tokens.cost(Some(&usage(5, 1)), images(1)), None);
    let per_second = Price {
        per_second: Some(100_001),
        ..Price::default()
    };
    assert_eq!(per_second.cost(None, sound(9_000)), Some(900_009));
    // 150,001.5 and 50,000.5: halves go to the even neighbour.
    assert_eq!(per_second.cost(None, sound(1_500)), Some(150_002));
    assert_eq!(per_second.cost(None, sound(500)), Some(50_000));
    assert_eq!(per_second.cost(None, Media::default()), None);
}

#[test]
fn what_a_request_costs_at_most_is_no_less_than_what_it_costs() {
    assert_eq!(Price::default().at_most(1, 1, 1), None);
    let most = full().at_most(1000, 50, 2);
    assert_eq!(most, Some(1000 * 3750 + 50 * 20_000 + 7));
    let images = Price {
        per_image: Some(5),
        ..Price::default()
    };
    assert_eq!(images.at_most(9, 9, 3), Some(15));
    assert_eq!(full().at_most(u64::MAX, u64::MAX, 1), Some(i64::MAX));
    assert_eq!(plain(Some(1), None).at_most(1, 0, 0), Some(1), "rounded up");
}
