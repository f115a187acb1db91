//! Where figures are put down: in the text of `/metrics`, or as readings that are sent to a collector.

use std::{fmt, sync::Arc, time::Duration};

use opentelemetry::KeyValue;
use prometheus_client::{
    encoding::{DescriptorEncoder, EncodeMetric, MetricEncoder},
    metrics::{MetricType, counter::ConstCounter, gauge::ConstGauge},
    registry::Unit,
};
use telemetry::meters::{Reading, Values};

/// A label and its value.
pub(super) type Label = (&'static str, Arc<str>);

/// No label.
const NONE: [Label; 0] = [];

pub(super) enum Page<'a> {
    Text(DescriptorEncoder<'a>),
    Readings(&'a mut Vec<Reading>),
}

impl Page<'_> {
    pub(super) fn counter(&mut self, name: &str, help: &str, value: u64) -> fmt::Result {
        self.counters(name, help, [(NONE, value)])
    }

    pub(super) fn gauge(&mut self, name: &str, help: &str, value: u64) -> fmt::Result {
        self.gauges(name, help, [(NONE, value)])
    }

    pub(super) fn counters<L: AsRef<[Label]>>(
        &mut self,
        name: &str,
        help: &str,
        values: impl IntoIterator<Item = (L, u64)>,
    ) -> fmt::Result {
        self.write(name, help, MetricType::Counter, values)
    }

    pub(super) fn gauges<L: AsRef<[Label]>>(
        &mut self,
        name: &str,
        help: &str,
        values: impl IntoIterator<Item = (L, u64)>,
    ) -> fmt::Result {
        self.write(name, help, MetricType::Gauge, values)
    }

    /// A gauge of time; its name is without the unit.
    pub(super) fn seconds(&mut self, name: &str, help: &str, value: Duration) -> fmt::Result {
        let value = value.as_secs_f64();
        match self {
            Self::Text(encoder) => {
                let unit = Some(&Unit::Seconds);
                let encoder = encoder.encode_descriptor(name, help, unit, MetricType::Gauge)?;
                ConstGauge::new(value).encode(encoder)
            }
            Self::Readings(readings) => {
                readings.push(reading(name, help, Values::Seconds(value)));
                Ok(())
            }
        }
    }

    fn write<L: AsRef<[Label]>>(
        &mut self,
        name: &str,
        help: &str,
        kind: MetricType,
        values: impl IntoIterator<Item = (L, u64)>,
    ) -> fmt::Result {
        match self {
            Self::Text(encoder) => {
                let mut family = encoder.encode_descriptor(name, help, None, kind)?;
                for (labels, value) in values {
                    let labels = labels.as_ref();
                    if labels.is_empty() {
                        // It is alone, and a family would give it empty braces.
                        return encode(kind, value, family);
                    }
                    encode(kind, value, family.encode_family(&labels)?)?;
                }
            }
            Self::Readings(readings) => {
                let values = values.into_iter().map(|(labels, value)| {
                    let labels = labels.as_ref().iter();
                    let labels = labels.map(|(name, value)| KeyValue::new(*name, value.clone()));
                    (labels.collect(), value)
                });
                let values = values.collect();
                let values = match kind {
                    MetricType::Counter => Values::Counts(values),
                    _ => Values::Levels(values),
                };
                readings.push(reading(name, help, values));
            }
        }
        Ok(())
    }
}

fn encode(kind: MetricType, value: u64, encoder: MetricEncoder<'_>) -> fmt::Result {
    match kind {
        MetricType::Counter => ConstCounter::new(value).encode(encoder),
        _ => ConstGauge::new(i64::try_from(value).unwrap_or(i64::MAX)).encode(encoder),
    }
}

fn reading(name: &str, help: &str, values: Values) -> Reading {
    Reading {
        name: name.to_owned(),
        help: help.to_owned(),
        values,
    }
}
