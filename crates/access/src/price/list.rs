//! The vendors' list prices that are built in: `data/list-prices.toml`.

use std::sync::LazyLock;

use chrono::NaiveDate;
use serde::Deserialize;

use super::Price;
use crate::money::parse_usd;

const TEXT: &str = include_str!("../../data/list-prices.toml");

static LIST: LazyLock<Vec<ListPrice>> =
    LazyLock::new(|| parse(TEXT).expect("the list that is built in is one"));

/// A vendor's list price of a model, with where it was read and when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListPrice {
    /// The type of provider whose vendor it is of.
    pub provider_type: String,
    /// Which models, by the vendor's names.
    pub model_pattern: String,
    /// How much.
    pub price: Price,
    /// The vendor's page.
    pub source: String,
    /// The day it was read.
    pub source_date: NaiveDate,
}

/// All that are built in, in the order of the file.
#[must_use]
pub fn list_prices() -> &'static [ListPrice] {
    &LIST
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    price: Vec<Entry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    provider_type: String,
    models: Vec<String>,
    input: Option<String>,
    output: Option<String>,
    cache_read: Option<String>,
    cache_write: Option<String>,
    reasoning: Option<String>,
    source: String,
    source_date: String,
}

fn parse(text: &str) -> Result<Vec<ListPrice>, Box<dyn std::error::Error>> {
    let file: File = toml::from_str(text)?;
    let amount = |given: Option<String>| given.as_deref().map(parse_usd).transpose();
    let mut list = Vec::new();
    for entry in file.price {
        let price = Price {
            input: amount(entry.input)?,
            output: amount(entry.output)?,
            cache_read: amount(entry.cache_read)?,
            cache_write: amount(entry.cache_write)?,
            reasoning: amount(entry.reasoning)?,
            ..Price::default()
        };
        let source_date = entry.source_date.parse()?;
        list.extend(entry.models.into_iter().map(|model_pattern| ListPrice {
            provider_type: entry.provider_type.clone(),
            model_pattern,
            price,
            source: entry.source.clone(),
            source_date,
        }));
    }
    Ok(list)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn every_row_is_priced_cited_and_the_only_one_for_its_models() {
        let mut seen = HashSet::new();
        assert!(!list_prices().is_empty());
        for row in list_prices() {
            let key = (&row.provider_type, &row.model_pattern);
            assert!(seen.insert(key), "{key:?} twice");
            assert!(
                row.price.input.is_some() && row.price.output.is_some(),
                "{key:?}"
            );
            assert!(
                row.price
                    .amounts()
                    .iter()
                    .all(|(_, it)| it.is_none_or(|it| it > 0))
            );
            assert!(row.source.starts_with("https://"), "{key:?}");
            assert!(row.source.len() <= 255, "{key:?}");
        }
    }

    #[test]
    fn a_damaged_list_is_refused() {
        let row = |more: &str| {
            format!(
                "[[price]]\nprovider_type = 'openai'\nmodels = ['m']\nsource = 'https://x'\n{more}"
            )
        };
        assert!(parse(&row("source_date = '2026-01-31'\ninput = '1'")).is_ok());
        for bad in [
            "",
            "source_date = 'soon'",
            "source_date = '2026-01-31'\ninput = '-1'",
            "source_date = '2026-01-31'\ninput = 1.5",
            "source_date = '2026-01-31'\nprice = '1'",
        ] {
            assert!(parse(&row(bad)).is_err(), "{bad}");
        }
    }
}
