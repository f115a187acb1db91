//! Tables as SeaORM entities, with their typed JSON columns.
//!
//! Nothing runs here, and nothing here creates a table: the schema is `migration`'s.
#![expect(
    missing_docs,
    reason = "the derives make items that cannot carry documentation"
)]

pub mod admin_key;
pub mod api_key;
mod attempt;
pub mod audit_log;
pub mod budget_lease;
pub mod config_version;
pub mod declared_object;
pub mod key_usage;
pub mod lease;
pub mod log_period;
pub mod log_rollup;
pub mod model;
pub mod model_provider;
pub mod price;
pub mod provider;
mod provider_config;
pub mod provider_health;
pub mod provider_stats;
pub mod recorded_body;
pub mod replica;
pub mod request_log;
pub mod routing_policy;
pub mod write_batch;

pub use attempt::{Attempt, AttemptTokens};
pub use provider_config::{MediaUrls, OpenAiApi, ProviderConfig, ProviderModelConfig, Thinking};
