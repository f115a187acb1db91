//! Creates, checks and recreates the database schema.

fn main() {}
