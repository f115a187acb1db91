//! What is counted.

mod access;
mod record;
mod routing;
#[expect(dead_code, reason = "shared with benchmarks that use the rest")]
#[path = "../../../crates/protocol/benches/samples/mod.rs"]
mod samples;
mod translation;
mod wire;

use sea_orm::DbBackend;

/// Every case by name.
pub(crate) const CASES: [(&str, fn()); 22] = [
    ("key, limits and budget of a request", access::request),
    ("plan 10 candidates, weighted", routing::weighted),
    ("plan 10 candidates, least_latency", routing::least_latency),
    ("plan and walk, one failover", routing::failover),
    ("scan a request of 200 B", || wire::scan(200)),
    ("scan a request of 100 kB", || wire::scan(100_000)),
    ("splice a request of 200 B", || wire::splice(200)),
    ("splice a request of 100 kB", || wire::splice(100_000)),
    ("inspect an answer of 500 B", || wire::inspect(200)),
    ("inspect an answer of 100 kB", || wire::inspect(100_000)),
    ("decode and look at 64 chunks", wire::stream),
    ("hand a record over", record::hand_over),
    ("bind 64 records, as SQLite takes them", || {
        record::bind(DbBackend::Sqlite);
    }),
    ("bind 64 records, as PostgreSQL takes them", || {
        record::bind(DbBackend::Postgres);
    }),
    ("translate a request, chat to messages", || {
        translation::request(CHAT, MESSAGES);
    }),
    ("translate a request, messages to chat", || {
        translation::request(MESSAGES, CHAT);
    }),
    ("translate an answer, messages to chat", || {
        translation::answer(MESSAGES, CHAT);
    }),
    ("translate an answer, chat to messages", || {
        translation::answer(CHAT, MESSAGES);
    }),
    ("translate 64 events, messages to chat", || {
        translation::events(MESSAGES, CHAT);
    }),
    ("translate 64 events, chat to messages", || {
        translation::events(CHAT, MESSAGES);
    }),
    ("translate 64 events, gemini to chat", || {
        translation::events(protocol::Format::Gemini, CHAT);
    }),
    ("translate 64 events, chat to gemini", || {
        translation::events(CHAT, protocol::Format::Gemini);
    }),
];

const CHAT: protocol::Format = protocol::Format::Chat;
const MESSAGES: protocol::Format = protocol::Format::Messages;
