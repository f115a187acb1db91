//! A provider simulator with scriptable latency and faults.
