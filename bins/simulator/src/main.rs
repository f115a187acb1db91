//! The provider simulator as a program.

fn main() {}
