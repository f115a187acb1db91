//! All prices of a configuration, and which of them is a model's.

use std::{collections::HashMap, sync::Arc};

use super::{Price, list::list_prices};
use crate::pattern::Pattern;

/// Why a row is no price.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PriceError {
    /// It names no model.
    #[error("the pattern of models is empty")]
    NoPattern,
    /// Nobody pays for being served.
    #[error("{0} is negative")]
    Negative(&'static str),
    /// Another row has the same provider and pattern.
    #[error("there is another price for the same provider and pattern")]
    Duplicate,
}

/// Which prices hold, found in three layers: rows of the provider itself, rows for all providers, list prices that are
/// built in. In a layer a plain name comes before patterns, and patterns with more characters that stand for themselves
/// before those with fewer. A price is taken whole: what it leaves out is not looked up in another.
#[derive(Debug, Default)]
pub struct PriceTable {
    own: HashMap<i64, Layer>,
    general: Layer,
    /// By the type of provider.
    lists: HashMap<&'static str, Layer>,
}

impl PriceTable {
    /// A table of the built-in list prices.
    #[must_use]
    pub fn with_list_prices() -> Self {
        let mut table = Self::default();
        for list in list_prices() {
            let layer = table.lists.entry(list.provider_type.as_str()).or_default();
            layer.insert(&list.model_pattern, list.price);
        }
        table
    }

    /// Adds a row of `provider`, or of all.
    ///
    /// # Errors
    /// It is no price, or there is one for the same models already; the table is as before.
    pub fn insert(
        &mut self,
        provider: Option<i64>,
        pattern: &str,
        price: Price,
    ) -> Result<(), PriceError> {
        if pattern.is_empty() {
            return Err(PriceError::NoPattern);
        }
        for (name, amount) in price.amounts() {
            if amount.is_some_and(|amount| amount < 0) {
                return Err(PriceError::Negative(name));
            }
        }
        let layer = match provider {
            Some(id) => self.own.entry(id).or_default(),
            None => &mut self.general,
        };
        if layer.insert(pattern, price) {
            Ok(())
        } else {
            Err(PriceError::Duplicate)
        }
    }

    /// The price of `model`, as `provider` calls it. List prices are of the vendor's own service: they hold where
    /// `vendor` names the provider's type.
    #[must_use]
    pub fn find(&self, provider: i64, vendor: Option<&str>, model: &str) -> Option<&Arc<Price>> {
        let own = self.own.get(&provider);
        let list = vendor.and_then(|vendor| self.lists.get(vendor));
        own.and_then(|layer| layer.find(model))
            .or_else(|| self.general.find(model))
            .or_else(|| list?.find(model))
    }
}

#[derive(Debug, Default)]
struct Layer {
    names: HashMap<Box<str>, Arc<Price>>,
    /// The more specific first.
    patterns: Vec<(Pattern, Arc<Price>)>,
}

impl Layer {
    /// Whether it was added, which it is not where there is one.
    fn insert(&mut self, text: &str, price: Price) -> bool {
        if !Pattern::is_glob(text) {
            if self.names.contains_key(text) {
                return false;
            }
            self.names.insert(text.into(), Arc::new(price));
            return true;
        }
        let pattern = Pattern::new(text);
        let place = self
            .patterns
            .binary_search_by(|(other, _)| other.rank().cmp(&pattern.rank()));
        match place {
            Ok(_) => false,
            Err(index) => {
                self.patterns.insert(index, (pattern, Arc::new(price)));
                true
            }
        }
    }

    fn find(&self, model: &str) -> Option<&Arc<Price>> {
        self.names.get(model).or_else(|| {
            let mut patterns = self.patterns.iter();
            patterns
                .find(|(pattern, _)| pattern.matches(model))
                .map(|(_, price)| price)
        })
    }
}
