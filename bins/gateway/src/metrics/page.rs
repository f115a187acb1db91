//! Where figures are put down: in the text of `/metrics`, or as readings that are sent to a collector.

use std::{fmt, sync::Arc};

use opentelemetry::KeyValue;
use prometheus_client::{
    encoding::{DescriptorEncoder, EncodeMetric},
    metrics::{MetricType, counter::ConstCounter, gauge::ConstGauge},
};
use telemetry::meters::Reading;

/// A label and its value.
type Label = (&'static str, Arc<str>);

pub(super) enum Page<'a> {
    Text(DescriptorEncoder<'a>),
    Readings(&'a mut Vec<Reading>),
}

impl Page<'_> {
    pub(super) fn counter(&mut self, name: &str, help: &str, value: u64) -> fmt::Result {
        match self {
            Self::Text(encoder) => {
                let counter = ConstCounter::new(value);
                let kind = counter.metric_type();
                counter.encode(encoder.encode_descriptor(name, help, None, kind)?)
            }
            Self::Readings(readings) => {
                readings.push(reading(name, help, true, vec![(Vec::new(), value)]));
                Ok(())
            }
        }
    }

    pub(super) fn gauge(&mut self, name: &str, help: &str, value: u64) -> fmt::Result {
        match self {
            Self::Text(encoder) => {
                let kind = MetricType::Gauge;
                gauge(value).encode(encoder.encode_descriptor(name, help, None, kind)?)
            }
            Self::Readings(readings) => {
                readings.push(reading(name, help, false, vec![(Vec::new(), value)]));
                Ok(())
            }
        }
    }

    pub(super) fn gauges<const N: usize>(
        &mut self,
        name: &str,
        help: &str,
        values: impl IntoIterator<Item = ([Label; N], u64)>,
    ) -> fmt::Result {
        match self {
            Self::Text(encoder) => {
                let mut family = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
                for (labels, value) in values {
                    gauge(value).encode(family.encode_family(&labels)?)?;
                }
            }
            Self::Readings(readings) => {
                let values = values.into_iter().map(|(labels, value)| {
                    let labels = labels.map(|(name, value)| KeyValue::new(name, value));
                    (labels.to_vec(), value)
                });
                readings.push(reading(name, help, false, values.collect()));
            }
        }
        Ok(())
    }
}

fn gauge(value: u64) -> ConstGauge {
    ConstGauge::new(i64::try_from(value).unwrap_or(i64::MAX))
}

fn reading(name: &str, help: &str, is_counter: bool, values: Vec<(Vec<KeyValue>, u64)>) -> Reading {
    Reading {
        name: name.to_owned(),
        help: help.to_owned(),
        is_counter,
        values,
    }
}
