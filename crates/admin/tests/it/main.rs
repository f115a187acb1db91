//! The admin API as its callers see it, on a real SQLite file.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on should panic")]

mod access;
mod api;
mod audit;
mod batch;
mod clouds;
mod config;
mod document;
mod engines;
mod foreign;
mod import_export;
mod live;
mod pages;
mod policies;
mod prices;
mod providers;
mod records;
mod roles;
mod routing;
mod tail;
mod upstream_calls;
