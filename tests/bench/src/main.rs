//! Load benchmarks: the gateway beside bare proxies.

fn main() {}
