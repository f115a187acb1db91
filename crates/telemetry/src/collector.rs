//! The collector that traces and metrics go to, and who sends them.

use std::collections::HashMap;

use opentelemetry::KeyValue;
use opentelemetry_sdk::Resource;

/// Where they go.
#[derive(Clone)]
pub struct Collector {
    /// Its address, without the path of what is sent and without a slash at its end.
    pub endpoint: String,
    /// Headers that it wants. They may be secret.
    pub headers: HashMap<String, String>,
    /// What this service is called.
    pub service: String,
    /// How this gateway calls itself.
    pub instance: String,
}

impl std::fmt::Debug for Collector {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Collector")
            .field("service", &self.service)
            .finish_non_exhaustive()
    }
}

impl Collector {
    pub(crate) fn resource(&self) -> Resource {
        let about = [
            KeyValue::new("service.name", self.service.clone()),
            KeyValue::new("service.version", env!("CARGO_PKG_VERSION")),
            KeyValue::new("service.instance.id", self.instance.clone()),
        ];
        Resource::builder_empty().with_attributes(about).build()
    }
}
