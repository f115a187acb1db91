//! The admin API as its callers see it, on a real SQLite file.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on should panic")]

mod access;
mod api;
mod clouds;
mod config;
mod document;
mod engines;
mod live;
mod pages;
mod policies;
mod providers;
mod records;
mod routing;
mod upstream_calls;
