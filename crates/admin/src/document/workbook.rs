//! Documents as workbooks (XLSX): a sheet per section, a row per object, a column per field.
//!
//! The last column of every sheet, `more`, holds as JSON whatever has no column of its own, so that nothing is lost.

mod read;
mod write;

pub(crate) use self::{
    read::read,
    write::{template, write},
};

use super::Kind;

/// The header of the column for the rest.
const MORE: &str = "more";

/// What the cells of a column hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Holds {
    Text,
    Integer,
    Flag,
    /// A day, which spreadsheets have a form of their own for.
    Date,
    /// A moment, likewise.
    Time,
}

/// A column of a sheet.
#[derive(Debug, Clone, Copy)]
struct Column {
    header: &'static str,
    /// Another header for it, as older workbooks have it.
    alias: Option<&'static str>,
    /// The field, with dots for members of objects.
    field: &'static str,
    holds: Holds,
}

const fn column(header: &'static str, holds: Holds) -> Column {
    Column {
        header,
        alias: None,
        field: header,
        holds,
    }
}

const fn of_config(header: &'static str, field: &'static str, holds: Holds) -> Column {
    Column {
        header,
        alias: None,
        field,
        holds,
    }
}

const fn also(column: Column, alias: &'static str) -> Column {
    Column {
        alias: Some(alias),
        ..column
    }
}

const PROVIDERS: &[Column] = &[
    column("name", Holds::Text),
    column("type", Holds::Text),
    of_config("api_key", "config.api_key", Holds::Text),
    of_config("base_url", "config.base_url", Holds::Text),
    of_config("priority", "config.priority", Holds::Integer),
    of_config("weight", "config.weight", Holds::Integer),
    column("enabled", Holds::Flag),
];

const MODELS: &[Column] = &[
    column("name", Holds::Text),
    column("remark", Holds::Text),
    column("max_retry", Holds::Integer),
    column("timeout", Holds::Integer),
    column("enabled", Holds::Flag),
];

const ASSOCIATIONS: &[Column] = &[
    also(column("model", Holds::Text), "model_name"),
    also(column("provider", Holds::Text), "provider_name"),
    column("provider_model", Holds::Text),
    column("weight", Holds::Integer),
    also(column("tool_call", Holds::Flag), "supports_tools"),
    column("structured_output", Holds::Flag),
    also(column("image", Holds::Flag), "supports_vision"),
    column("enabled", Holds::Flag),
];

const POLICIES: &[Column] = &[
    column("model", Holds::Text),
    column("strategy", Holds::Text),
];

const PRICES: &[Column] = &[
    column("provider", Holds::Text),
    column("model_pattern", Holds::Text),
    column("input", Holds::Text),
    column("output", Holds::Text),
    column("cache_read", Holds::Text),
    column("cache_write", Holds::Text),
    column("reasoning", Holds::Text),
    column("per_request", Holds::Text),
    column("source", Holds::Text),
    column("source_date", Holds::Date),
];

const KEYS: &[Column] = &[
    column("name", Holds::Text),
    column("key_hash", Holds::Text),
    column("key_prefix", Holds::Text),
    column("enabled", Holds::Flag),
    column("expires_at", Holds::Time),
];

impl Kind {
    fn sheet(self) -> &'static str {
        match self {
            Self::Provider => "Providers",
            Self::Model => "Models",
            Self::Association => "Associations",
            Self::Policy => "Policies",
            Self::Price => "Prices",
            Self::Key => "Keys",
        }
    }

    fn columns(self) -> &'static [Column] {
        match self {
            Self::Provider => PROVIDERS,
            Self::Model => MODELS,
            Self::Association => ASSOCIATIONS,
            Self::Policy => POLICIES,
            Self::Price => PRICES,
            Self::Key => KEYS,
        }
    }
}

#[cfg(test)]
mod tests;
