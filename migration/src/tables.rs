//! The schema of this build: the one place to edit when a table changes.

use crate::schema::{Column, Kind, Schema, Table, Value};

/// Every table of ours, as `up` creates it and `check` expects it.
///
/// To change the schema, edit the tables below and recreate the database (`docs/migrations.md`).
pub fn schema() -> Schema {
    Schema {
        tables: vec![
            models(),
            providers(),
            model_providers(),
            request_logs(),
            provider_health(),
            provider_stats(),
            api_keys(),
            admin_keys(),
            key_usage(),
            prices(),
            routing_policies(),
            write_batches(),
            config_version(),
            audit_log(),
            leases(),
            replicas(),
            budget_leases(),
            recorded_bodies(),
            declared_objects(),
            log_periods(),
            log_rollups(),
        ],
    }
}

/// The names clients ask for. Exactly these columns: no price, no context length.
fn models() -> Table {
    Table::new(
        "models",
        vec![
            id(),
            varchar("name", 100).not_null(),
            varchar("remark", 255),
            integer("max_retry").default(3),
            integer("timeout").default(30),
            boolean("enabled").default(true),
            datetime("created_at").default(Value::Now),
            datetime("updated_at").default(Value::Now),
        ],
    )
    .unique(&["name"])
}

/// Configured upstream accounts and servers.
fn providers() -> Table {
    Table::new(
        "providers",
        vec![
            id(),
            varchar("name", 100).not_null(),
            varchar("type", 50).not_null(),
            json("config").not_null(),
            boolean("enabled").not_null().default(true),
            made_at("created_at"),
            made_at("updated_at"),
        ],
    )
    .unique(&["name"])
}

/// Which provider serves a model, under which name, with which capabilities.
///
/// Nothing here is unique: a provider may serve a model under several provider models.
fn model_providers() -> Table {
    Table::new(
        "model_providers",
        vec![
            id(),
            reference("model_id").not_null(),
            reference("provider_id").not_null(),
            varchar("provider_model", 100).not_null(),
            integer("weight").default(1),
            boolean("tool_call").default(true),
            boolean("structured_output").default(true),
            boolean("image").default(false),
            boolean("enabled").default(true),
            datetime("created_at").default(Value::Now),
            datetime("updated_at").default(Value::Now),
        ],
    )
    .belongs_to("model_id", "models")
    .belongs_to("provider_id", "providers")
    .index(&["model_id"])
    .index(&["provider_id"])
}

/// One row per ended request. `provider_id` is no foreign key: the log outlives the provider.
///
/// Each index but the last goes by one of the filters, then in the order of pages, then has the filters that those below
/// it go by. So whichever are combined, one index has them all, and what they leave out is left out without reading its
/// row. By status only failures are found, which are what anybody looks for that way, and few: requests that succeed are
/// nearly all requests, and each would go to one place more. They are found by time.
fn request_logs() -> Table {
    Table::new(
        "request_logs",
        vec![
            id(),
            varchar("request_id", 36).not_null(),
            reference("provider_id"),
            varchar("model", 100).not_null(),
            varchar("provider_model", 100),
            varchar("endpoint", 100).not_null(),
            varchar("method", 10).not_null(),
            integer("status_code").not_null(),
            varchar("error_class", 50),
            varchar("error_message", 1000),
            bigint("latency_ms").not_null(),
            bigint("ttft_ms"),
            bigint("prompt_tokens"),
            bigint("completion_tokens"),
            bigint("total_tokens"),
            bigint("cached_tokens"),
            bigint("cache_write_tokens"),
            bigint("reasoning_tokens"),
            varchar("usage_source", 10)
                .not_null()
                .default(Value::Text("none")),
            bigint("cost"),
            varchar("user_id", 100).not_null(),
            varchar("ip_address", 45),
            boolean("stream").not_null().default(false),
            json("attempts").not_null(),
            made_at("created_at"),
        ],
    )
    .unique(&["request_id"])
    .index(&[
        "user_id",
        "created_at",
        "id",
        "model",
        "provider_id",
        "status_code",
        "stream",
    ])
    .index(&[
        "model",
        "created_at",
        "id",
        "provider_id",
        "status_code",
        "stream",
    ])
    .index(&["provider_id", "created_at", "id", "status_code", "stream"])
    .index_only(
        "status_code >= 400",
        &["status_code", "created_at", "id", "stream"],
    )
    .index(&["created_at", "id", "status_code", "stream"])
}

/// What is known of a provider's health, kept across restarts.
fn provider_health() -> Table {
    Table::new(
        "provider_health",
        vec![
            id(),
            reference("provider_id").not_null(),
            boolean("is_healthy").not_null().default(true),
            integer("error_count").not_null().default(0),
            varchar("last_error", 1000),
            integer("last_status_code"),
            datetime("last_validated_at"),
            datetime("last_success_at"),
            datetime("next_retry_at"),
            integer("consecutive_successes").not_null().default(0),
            json("transitions"),
        ],
    )
    .unique(&["provider_id"])
    .belongs_to("provider_id", "providers")
}

/// Attempts per provider and UTC day. Times are milliseconds, `cost` is nano-USD.
fn provider_stats() -> Table {
    Table::new(
        "provider_stats",
        vec![
            id(),
            reference("provider_id").not_null(),
            date("date").not_null(),
            counter("total_requests"),
            counter("success_requests"),
            counter("failed_requests"),
            counter("total_tokens"),
            counter("prompt_tokens"),
            counter("completion_tokens"),
            counter("avg_response_time"),
            counter("response_ms_total"),
            bigint("cost"),
            datetime("last_used_at"),
        ],
    )
    .unique(&["provider_id", "date"])
    .belongs_to("provider_id", "providers")
    .index(&["date"])
}

/// Client keys, held as BLAKE3 hashes in hex. After a rotation the previous one is accepted for a while.
fn api_keys() -> Table {
    Table::new(
        "api_keys",
        vec![
            id(),
            varchar("name", 100).not_null(),
            varchar("key_hash", 64).not_null(),
            varchar("key_prefix", 16).not_null(),
            boolean("enabled").not_null().default(true),
            datetime("expires_at"),
            json("allowed_models"),
            json("allowed_providers"),
            json("limits"),
            json("budgets"),
            json("guards"),
            boolean("record_bodies").not_null().default(false),
            json("metadata"),
            varchar("previous_hash", 64),
            datetime("previous_expires_at"),
            made_at("created_at"),
            made_at("updated_at"),
        ],
    )
    .unique(&["name"])
    .unique(&["key_hash"])
}

/// Keys of the admin API, held as hashes. Those of clients are another table's, so that neither passes for the other.
fn admin_keys() -> Table {
    Table::new(
        "admin_keys",
        vec![
            id(),
            varchar("name", 100).not_null(),
            varchar("key_hash", 64).not_null(),
            varchar("key_prefix", 16).not_null(),
            varchar("role", 20).not_null(),
            boolean("enabled").not_null().default(true),
            datetime("expires_at"),
            made_at("created_at"),
            made_at("updated_at"),
        ],
    )
    .unique(&["name"])
    .unique(&["key_hash"])
}

/// Requests per client key and UTC day. By name, since static keys have no row in `api_keys`.
fn key_usage() -> Table {
    Table::new(
        "key_usage",
        vec![
            id(),
            varchar("key_name", 100).not_null(),
            date("date").not_null(),
            counter("total_requests"),
            counter("success_requests"),
            counter("failed_requests"),
            counter("total_tokens"),
            counter("prompt_tokens"),
            counter("completion_tokens"),
            bigint("cost"),
            datetime("last_used_at"),
        ],
    )
    .unique(&["key_name", "date"])
    .index(&["date"])
}

/// Nano-USD; `input` to `reasoning` per million tokens.
fn prices() -> Table {
    Table::new(
        "prices",
        vec![
            id(),
            reference("provider_id"),
            varchar("model_pattern", 100).not_null(),
            bigint("input"),
            bigint("output"),
            bigint("cache_read"),
            bigint("cache_write"),
            bigint("reasoning"),
            bigint("per_request"),
            bigint("per_image"),
            bigint("per_second"),
            varchar("source", 255),
            date("source_date"),
            made_at("created_at"),
            made_at("updated_at"),
        ],
    )
    .unique(&["provider_id", "model_pattern"])
    .belongs_to("provider_id", "providers")
}

/// Strategy, clocks and guards of a model, where they differ from the defaults. Timeouts are seconds.
fn routing_policies() -> Table {
    Table::new(
        "routing_policies",
        vec![
            id(),
            reference("model_id").not_null(),
            varchar("strategy", 30)
                .not_null()
                .default(Value::Text("weighted")),
            double("connect_timeout"),
            double("first_content_timeout"),
            double("response_timeout"),
            double("stream_idle_timeout"),
            double("total_timeout"),
            integer("hedge_after_ms"),
            integer("hedge_percentile"),
            integer("heartbeat_after_ms"),
            boolean("verified_resume").not_null().default(false),
            boolean("skip_malformed_events").not_null().default(false),
            json("guards"),
            boolean("record_bodies").not_null().default(false),
            made_at("created_at"),
            made_at("updated_at"),
        ],
    )
    .unique(&["model_id"])
    .belongs_to("model_id", "models")
}

/// Batches of request rows already committed, so that none is written twice.
fn write_batches() -> Table {
    Table::new(
        "write_batches",
        vec![varchar("id", 36).not_null(), made_at("created_at")],
    )
    .index(&["created_at"])
}

/// One row, id 1, raised by every change of the configuration. The first change makes it.
fn config_version() -> Table {
    Table::new(
        "config_version",
        vec![
            integer("id").not_null(),
            counter("version"),
            made_at("updated_at"),
        ],
    )
}

/// Who changed what through the admin API.
fn audit_log() -> Table {
    Table::new(
        "audit_log",
        vec![
            id(),
            varchar("actor", 100).not_null(),
            varchar("action", 50).not_null(),
            varchar("object_type", 50).not_null(),
            reference("object_id"),
            varchar("object_name", 100),
            json("before_json"),
            json("after_json"),
            varchar("ip_address", 45),
            varchar("request_id", 36),
            made_at("created_at"),
        ],
    )
    .index(&["created_at"])
    .index(&["object_type", "object_id"])
}

/// What one replica at a time may hold.
fn leases() -> Table {
    Table::new(
        "leases",
        vec![
            varchar("name", 100).not_null(),
            varchar("holder", 100).not_null(),
            datetime("expires_at").not_null(),
            bigint("amount"),
            made_at("updated_at"),
        ],
    )
}

/// The gateways that work with this database. Each says so every few seconds, by the database's clock.
fn replicas() -> Table {
    Table::new(
        "replicas",
        vec![
            varchar("id", 36).not_null(),
            varchar("name", 255).not_null(),
            varchar("version", 50).not_null(),
            made_at("started_at"),
            made_at("seen_at"),
        ],
    )
}

/// What replicas may spend of a key's budgets before they ask again, in nano-USD, and what they have spent of it that is
/// not in `key_usage` yet.
fn budget_leases() -> Table {
    Table::new(
        "budget_leases",
        vec![
            id(),
            reference("key_id").not_null(),
            varchar("holder", 36).not_null(),
            bigint("amount").not_null(),
            datetime("expires_at").not_null(),
            made_at("updated_at"),
        ],
    )
    .unique(&["key_id", "holder"])
    .belongs_to("key_id", "api_keys")
    .index(&["expires_at"])
}

/// Bodies of requests that were asked to be recorded.
fn recorded_bodies() -> Table {
    Table::new(
        "recorded_bodies",
        vec![
            varchar("request_id", 36).not_null(),
            blob("request_body"),
            blob("response_body"),
            made_at("created_at"),
        ],
    )
    .index(&["created_at"])
}

/// Objects of the configuration that a file declares, which alone may change them. Not a column of theirs: `models` and
/// `model_providers` have none to spare.
fn declared_objects() -> Table {
    Table::new(
        "declared_objects",
        vec![
            id(),
            varchar("kind", 20).not_null(),
            reference("object_id").not_null(),
            varchar("declared_by", 100).not_null(),
            made_at("created_at"),
        ],
    )
    .unique(&["kind", "object_id"])
}

/// Quarters of an hour of `request_logs`, by the second since 1970 at which they begin. Whatever changes rows of one raises
/// its version and takes the mark away.
fn log_periods() -> Table {
    Table::new(
        "log_periods",
        vec![
            bigint("begins").not_null(),
            bigint("version").not_null(),
            boolean("is_rolled_up").not_null().default(false),
        ],
    )
}

/// What the rows of such a quarter add up to: in all, by provider, by model, and by both. The first index is for what is
/// listed by provider or model, the second for one of them.
fn log_rollups() -> Table {
    Table::new(
        "log_rollups",
        vec![
            id(),
            varchar("rolled_by", 10).not_null(),
            reference("provider_id"),
            varchar("model", 100),
            bigint("begins").not_null(),
            counter("requests"),
            counter("successes"),
            counter("latency_ms"),
            counter("prompt_tokens"),
            counter("completion_tokens"),
            counter("total_tokens"),
            bigint("cost"),
            blob("latencies").not_null(),
            blob("ttfts").not_null(),
        ],
    )
    .index(&["rolled_by", "begins"])
    .index(&["model", "provider_id", "begins"])
}

fn id() -> Column {
    Column::new("id", Kind::Id).not_null()
}

fn reference(name: &'static str) -> Column {
    Column::new(name, Kind::Ref)
}

fn integer(name: &'static str) -> Column {
    Column::new(name, Kind::Integer)
}

fn bigint(name: &'static str) -> Column {
    Column::new(name, Kind::BigInt)
}

/// A sum that starts at 0.
fn counter(name: &'static str) -> Column {
    bigint(name).not_null().default(0)
}

fn varchar(name: &'static str, length: u16) -> Column {
    Column::new(name, Kind::VarChar(length))
}

fn boolean(name: &'static str) -> Column {
    Column::new(name, Kind::Boolean)
}

fn datetime(name: &'static str) -> Column {
    Column::new(name, Kind::DateTime)
}

/// A time that is always there, by default that of the insert.
fn made_at(name: &'static str) -> Column {
    datetime(name).not_null().default(Value::Now)
}

fn date(name: &'static str) -> Column {
    Column::new(name, Kind::Date)
}

fn double(name: &'static str) -> Column {
    Column::new(name, Kind::Double)
}

fn json(name: &'static str) -> Column {
    Column::new(name, Kind::Json)
}

fn blob(name: &'static str) -> Column {
    Column::new(name, Kind::Blob)
}
