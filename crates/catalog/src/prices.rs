//! Rows of `prices`, and the price of each association.

use std::sync::Arc;

use access::{Price, PriceTable};
use entities::price;
use router::{CandidateId, ProviderId, Route, RouteTable};

use crate::{Provider, snapshot::Table};

/// What a row charges.
#[must_use]
pub fn price_of_row(row: &price::Model) -> Price {
    Price {
        input: row.input,
        output: row.output,
        cache_read: row.cache_read,
        cache_write: row.cache_write,
        reasoning: row.reasoning,
        per_request: row.per_request,
        per_image: row.per_image,
        per_second: row.per_second,
    }
}

/// The prices in force. A damaged row prices nothing: better unpriced than priced wrongly. Of two rows for the same
/// models, which only somebody writing past the admin API can make, the older one holds.
fn table(mut rows: Vec<price::Model>) -> PriceTable {
    let mut table = PriceTable::with_list_prices();
    rows.sort_by_key(|row| row.id);
    for row in rows {
        let price = price_of_row(&row);
        if let Err(error) = table.insert(row.provider_id, &row.model_pattern, price) {
            tracing::error!(
                price.id = row.id,
                price.model_pattern = row.model_pattern,
                %error,
                "a price cannot be used"
            );
        }
    }
    table
}

/// Whose list prices hold: those of the type's vendor at the vendor's own address. Whoever serves the same protocol, or the
/// same models, elsewhere has prices of his own.
fn vendor(provider: &Provider) -> Option<&'static str> {
    let address = provider.kind.default_base_url()?;
    let path = address.strip_prefix(&provider.base_url.origin())?;
    (path.is_empty() || path.starts_with('/')).then(|| provider.kind.name())
}

/// The price of every association that has one, found once for all its attempts.
pub(crate) fn of_candidates(
    rows: Vec<price::Model>,
    routes: &RouteTable,
    providers: &Table<ProviderId, Arc<Provider>>,
) -> Table<CandidateId, Arc<Price>> {
    let table = table(rows);
    let candidates = routes.routes().flat_map(Route::candidates);
    candidates
        .filter_map(|candidate| {
            let id = candidate.provider();
            let vendor = providers.get(&id).and_then(|provider| vendor(provider));
            let price = table.find(id.0, vendor, candidate.provider_model())?;
            Some((candidate.id(), price.clone()))
        })
        .collect()
}
