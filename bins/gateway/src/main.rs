//! One endpoint in front of many LLM providers.

fn main() {}
