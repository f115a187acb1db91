//! Requests as they end: `/api/logs/tail`, an endless list of server-sent events.

use std::{convert::Infallible, time::Duration};

use axum::{
    extract::State,
    response::sse::{Event, KeepAlive, Sse},
};
use futures_util::{Stream, stream};
use serde::Deserialize;
use serde_json::json;
use stats::{Seen, Watcher, query::LogFilter};
use tokio_util::sync::CancellationToken;
use utoipa::IntoParams;

use crate::{
    AdminState,
    error::Error,
    extract::{Query, optional_flag},
    logs::{RequestBody, text},
};

/// How often a comment tells that the connection lives, while nothing else does.
const HEARTBEAT: Duration = Duration::from_secs(15);

/// Which requests. What is absent does not matter.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(crate) struct TailQuery {
    /// As the client asked for it.
    model: Option<String>,
    /// The provider that answered, else the last tried.
    provider_id: Option<i64>,
    /// What the client got.
    status_code: Option<u16>,
    /// The client key's name.
    key: Option<String>,
    /// Whether it was a stream.
    #[serde(default, deserialize_with = "optional_flag")]
    stream: Option<bool>,
    request_id: Option<String>,
    /// A text in the model, provider, error, key or request id, whatever its case; up to 100 characters.
    text: Option<String>,
}

/// Requests to this gateway as they end, as server-sent events.
///
/// `event: request` has a request as in `/api/logs`, without `id`: it is written a moment later. `event: left_out` has
/// `{"count": n}`: so many requests, whether the filter admits them or not, are missing here since they came faster than
/// they were read. A comment comes at the beginning and every 15 seconds without an event. The list ends when the gateway
/// shuts down. At most 32 lists are open at a time.
#[utoipa::path(get, path = "/logs/tail", tag = "statistics", params(TailQuery),
    responses((status = 200, body = String, content_type = "text/event-stream")))]
pub(crate) async fn tail(
    State(state): State<AdminState>,
    Query(query): Query<TailQuery>,
) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>>>, Error> {
    let filter = LogFilter {
        model: query.model,
        provider_id: query.provider_id,
        status_code: query.status_code,
        key: query.key,
        stream: query.stream,
        request_id: query.request_id,
        text: text(&state, query.text.as_deref()).await?,
        from: None,
        to: None,
    };
    let watcher = state.tail.watch(filter);
    let watcher = watcher.ok_or(Error::Unavailable(
        "as many lists of requests are open as may be; close one, or try again later",
    ))?;
    let events = stream::unfold(
        Watch {
            watcher,
            ending: state.ending,
            has_begun: false,
        },
        async |mut watch| watch.next().await.map(|event| (Ok(event), watch)),
    );
    let alive = KeepAlive::new().interval(HEARTBEAT).text("alive");
    Ok(Sse::new(events).keep_alive(alive))
}

struct Watch {
    watcher: Watcher,
    ending: CancellationToken,
    has_begun: bool,
}

impl Watch {
    async fn next(&mut self) -> Option<Event> {
        // Whoever waits for the list to begin learns that it has, also while nothing happens.
        if !std::mem::replace(&mut self.has_begun, true) {
            return Some(Event::default().comment("watching"));
        }
        let seen = self
            .ending
            .run_until_cancelled(self.watcher.next())
            .await??;
        let event = match seen {
            Seen::Request(row) => Event::default()
                .event("request")
                .json_data(RequestBody::from(*row)),
            Seen::LeftOut(count) => Event::default()
                .event("left_out")
                .json_data(json!({ "count": count })),
        };
        event.ok()
    }
}
