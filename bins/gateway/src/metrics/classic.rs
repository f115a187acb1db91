//! The older text format of Prometheus, for readers that do not ask for OpenMetrics.

/// The same exposition, as version 0.0.4 of the format has it: there a counter's family is called as its samples, and
/// neither units nor an end are told.
pub(super) fn classic(open_metrics: &str) -> String {
    let mut text = String::with_capacity(open_metrics.len());
    let mut help = None;
    for line in open_metrics.lines() {
        if line == "# EOF" || line.starts_with("# UNIT ") {
            continue;
        }
        // What a family is comes after what it is about, and decides what it is called.
        if let Some(about) = line.strip_prefix("# HELP ") {
            help = about.split_once(' ');
            continue;
        }
        let family = line.strip_prefix("# TYPE ");
        if let Some((name, kind)) = family.and_then(|family| family.split_once(' ')) {
            let suffix = if kind == "counter" { "_total" } else { "" };
            if let Some((_, about)) = help.take() {
                text.push_str(&format!("# HELP {name}{suffix} {about}\n"));
            }
            text.push_str(&format!("# TYPE {name}{suffix} {kind}\n"));
        } else {
            text.push_str(line);
            text.push('\n');
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::classic;

    #[test]
    fn counters_are_called_as_their_samples_and_units_and_the_end_are_left_out() {
        let open_metrics = "# HELP gateway_requests Client requests.\n\
            # TYPE gateway_requests counter\n\
            gateway_requests_total{status=\"200\"} 1\n\
            # HELP gateway_lag_seconds How late.\n\
            # TYPE gateway_lag_seconds gauge\n\
            # UNIT gateway_lag_seconds seconds\n\
            gateway_lag_seconds 0.25\n\
            # EOF\n";
        assert_eq!(
            classic(open_metrics),
            "# HELP gateway_requests_total Client requests.\n\
            # TYPE gateway_requests_total counter\n\
            gateway_requests_total{status=\"200\"} 1\n\
            # HELP gateway_lag_seconds How late.\n\
            # TYPE gateway_lag_seconds gauge\n\
            gateway_lag_seconds 0.25\n"
        );
    }
}
