//! The typed `config` column of `providers`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Configuration of a provider, as stored. Unknown fields are refused: a misspelt setting must not pass unseen.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProviderConfig {
    /// What that vendor's SDK takes; absent means the vendor's own address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base_url: Option<String>,
    /// `sealed:v1:...`, `plain:...`, `env:NAME` or `file:/path`; absent for servers without a key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub api_key: Option<String>,
    /// Tier: higher is tried first.
    #[serde(default = "default_priority")]
    pub priority: i32,
    /// Factor on the weight of each of its associations.
    #[serde(default = "default_weight")]
    pub weight: u32,
    /// Added to every request to this provider.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, String>,
    /// Egress proxy, `http://host:port`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proxy: Option<String>,
    /// PEM file of certificate authorities to trust instead of the public ones.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca_file: Option<String>,
}

impl Default for ProviderConfig {
    fn default() -> Self {
        Self {
            base_url: None,
            api_key: None,
            priority: default_priority(),
            weight: default_weight(),
            headers: BTreeMap::new(),
            proxy: None,
            ca_file: None,
        }
    }
}

fn default_priority() -> i32 {
    100
}

fn default_weight() -> u32 {
    100
}
