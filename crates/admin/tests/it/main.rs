//! The admin API as its callers see it, on a real SQLite file.

mod access;
mod api;
mod crud;
