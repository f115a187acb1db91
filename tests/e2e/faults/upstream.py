"""The faults of providers, each with what must be seen of it."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from harness.admin import Json
from harness.simulator import Simulator

from . import places

NOBODY, MODEL, BOTH = "nobody", "the model", "provider and model"
PAUSE, MISCONFIGURED = "a pause", "the provider, at once"

BAD = "502 `upstream_error`"
SILENT = "504 `upstream_timeout`"
LIMITED = "429 `rate_limit_exceeded`"
GOOD = "200"
CUT = "content, then the error event `upstream_error`"
#: Where the provider says after how many seconds to come again, and what clients may be told of it.
LATER, TOLD = 7, range(4, 8)


@dataclass(frozen=True)
class Fault:
    """A fault, and what must be seen of it."""

    id: str
    name: str
    #: What the simulator does.
    do: Json | Callable[[], Json]
    #: What the client sees, where no other provider is left.
    sees: str
    #: `error_class` of the attempt, and the provider's status in it; a stream that broke after content has none.
    logged: str | None
    status: int | None
    against: str
    is_next_tried: bool = True
    #: Only streams, or only what is none.
    stream: bool | None = None
    #: Where the provider is, if it is no simulator.
    at: Callable[[Simulator, Path], Any] | None = None
    kind: str = "openai"
    #: The client's protocol.
    speaks: str = "chat"
    policy: Json = field(default_factory=dict)
    #: Whether a good request goes before, so that its connection is used again.
    is_reused: bool = False
    retry_after: bool = False


def fails(id: str, name: str, do: Json, logged: str = "server_error", status: int | None = 200, **more: Any) -> Fault:
    return Fault(id, name, do, BAD, logged, status, **{"against": BOTH} | more)


def fault(kind: str, **more: Any) -> Json:
    return {"fault": {"kind": kind, **more}}


def status(code: int, **more: Any) -> Json:
    return {"status": code, **more}


def silent(id: str, name: str, do: Json, code: int | None = None) -> Fault:
    clocks = {"first_content_timeout": 0.4, "response_timeout": 0.4}
    return Fault(id, name, do, SILENT, "timeout", code, MODEL, policy=clocks)


def unreachable(name: str, at: Callable[[Simulator, Path], Any]) -> Fault:
    return fails("U01", name, {}, "connect_error", None, at=at)


def ends(id: str, name: str, do: Json, logged: str, **more: Any) -> Fault:
    """A stream that ends badly after content."""
    usual = {"sees": CUT, "status": 200, "against": BOTH, "is_next_tried": False, "stream": True}
    return Fault(id, name, do, logged=logged, **usual | more)


def within(place: str, name: str) -> Fault:
    at = {"within": {"after_events": 5, "place": place}}
    return ends("U06", name, {"text": WIDE, **fault("close", at=at)}, "upstream_truncated")


def unnoticed(id: str, name: str, do: Json | None = None, **more: Any) -> Fault:
    return Fault(id, name, do or {}, GOOD, None, 200, NOBODY, is_next_tried=False, **more)


def limited(name: str, do: Json | Callable[[], Json], **more: Any) -> Fault:
    return Fault("U14", name, do, LIMITED, "rate_limited", 429, PAUSE, **{"retry_after": True} | more)


def later(form: str) -> str:
    """The time to come again as a date."""
    return (datetime.now(UTC) + timedelta(seconds=LATER)).strftime(form)


def misconfigured(id: str, code: int, logged: str = "misconfigured", do: Json | None = None) -> Fault:
    return fails(id, f"status {code}", do or status(code), logged, code, against=MISCONFIGURED)


def own(name: str, do: Json, code: int, word: str, logged: str = "client_error", **more: Any) -> Fault:
    return Fault("U22", name, do, f"{code} `{word}`", logged, code, NOBODY, **{"is_next_tried": False} | more)


#: An answer with characters of several bytes.
WIDE = "Lorem ipsum dolor sit amet, größer als zwölf 🥚, consectetur adipiscing elit, sed do eiusmod tempor."
ANTHROPIC_RESET = "anthropic-ratelimit-requests-reset"
IDLE = {"stream_idle_timeout": 0.5}

FAULTS = [
    unreachable("connection refused", places.refused),
    unreachable("name that does not resolve", places.unknown_host),
    unreachable("no TLS where it is expected", places.no_tls),
    Fault("U02", "connection that is never made", {}, SILENT, "connect_timeout", None, BOTH,
          at=places.blackhole, policy={"connect_timeout": 0.3}),
    silent("U02", "accepted, then silence", fault("hang", at="before_headers")),
    fails("U03", "reset before the head", fault("reset", at="before_headers"), "reset", None),
    fails("U03", "reset within the head", fault("reset", at="in_headers"), "reset", None),
    fails("U03", "closed before the head", fault("close", at="before_headers"), "reset", None),
    unnoticed("U03", "reset of a connection that was used before", {"keep_alive": "reset_on_reuse"}, is_reused=True),
    silent("U04", "a head that comes slowly", fault("slow_headers", bytes=1, every_ms=60)),
    silent("U04", "silence after the head", fault("hang", at="after_headers"), 200),
    replace(silent("U04", "silence before content", fault("hang", at={"after_events": 1}), 200), stream=True),
    replace(silent("U05", "slow pieces of a whole answer", fault("trickle", bytes=40, every_ms=100), 200), stream=False),
    unnoticed("U05", "slow pieces, for longer than any clock but that of silence",
              fault("trickle", bytes=400, every_ms=100), stream=True,
              policy={"first_content_timeout": 1.5, "stream_idle_timeout": 1.5}),
    ends("U05", "silence after content", fault("hang", at={"after_events": 5}), "stream_idle", policy=IDLE, against=MODEL,
         sees="content, then the error event `upstream_timeout`"),
    fails("U06", "end before content", fault("close", at={"after_events": 1}), "upstream_truncated", stream=True),
    fails("U06", "reset before content", fault("reset", at="after_headers"), "upstream_truncated", stream=True),
    ends("U06", "end after content", fault("close", at={"after_events": 5}), "upstream_truncated"),
    within("field", "end behind the name of an event's field"),
    within("json", "end within an event's JSON"),
    within("character", "end within a character of several bytes"),
    within("line_end", "end behind an event's JSON, without the line's end"),
    ends("U06", "reset after content", fault("reset", at={"after_events": 5}), "upstream_truncated"),
    unnoticed("U06", "complete, but without its end marker", fault("no_done"), stream=True),
    fails("U07", "body cut short", fault("close", at="mid_body"), "upstream_truncated", stream=False),
    fails("U07", "body broken off by a reset", fault("reset", at="mid_body"), "upstream_truncated", stream=False),
    fails("U08", "200 with an HTML page", {"error": "html"}, "bad_payload"),
    fails("U08", "200 with broken JSON", fault("malformed"), "bad_payload"),
    fails("U08", "200 with other JSON", {"body": {"object": "list"}}, "bad_payload"),
    fails("U08", "200 with a good answer that is called text", {"content_type": "text/plain"}, "bad_payload"),
    fails("U09", "whole answer where a stream was asked for", fault("json_for_stream"), "bad_payload", stream=True),
    fails("U10", "compressed although that was ruled out", fault("gzip"), "bad_payload"),
    fails("U11", "body of more than 64 MB", fault("huge", bytes=70 << 20), "too_large", stream=False),
    fails("U11", "line of more than 16 MB", fault("huge", bytes=17 << 20), "bad_payload", stream=True),
    unnoticed("U12", "100 Continue before the answer", {"informational": 100}),
    unnoticed("U12", "103 Early Hints before the answer", {"informational": 103}),
    unnoticed("U13", "HTTP/2: GOAWAY, request not processed", at=places.goaway),
    unnoticed("U13", "HTTP/2: REFUSED_STREAM", at=places.refused_stream),
    fails("U13", "HTTP/2: stream reset for another reason", {}, "reset", None, at=places.reset_stream),
    unnoticed("U13", "HTTP/2: GOAWAY while the answer is on its way", at=places.goaway_within),
    fails("U13", "HTTP/2: stream reset within a whole answer", {}, "upstream_truncated", at=places.reset_within, stream=False),
    ends("U13", "HTTP/2: stream reset after content", {}, "upstream_truncated", at=places.reset_within),
    limited("429 without a time", status(429), retry_after=False),
    limited("429 with seconds", status(429, retry_after={"seconds": LATER})),
    limited("429 with a date", status(429, retry_after={"date_in": LATER})),
    limited("429 with milliseconds", status(429, retry_after={"ms": LATER * 1000 - 500})),
    limited("429 with `x-ratelimit-reset-*`", status(429, retry_after={"rate_limit_reset": LATER})),
    limited("429 with `anthropic-ratelimit-*-reset`", kind="anthropic", do=lambda: status(
        429, headers={ANTHROPIC_RESET: later("%Y-%m-%dT%H:%M:%SZ"), "anthropic-ratelimit-requests-remaining": "0"})),
    limited("429 with Gemini's `RetryInfo`", kind="gemini", do=status(429, body={"error": {
        "code": 429, "message": "slow down", "status": "RESOURCE_EXHAUSTED", "details": [
            {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": f"{LATER}s"}]}})),
    Fault("U15", "529", status(529), "503 `overloaded`", "overloaded", 529, PAUSE),
    Fault("U15", "529, client of Anthropic's", status(529), "529 `overloaded_error`", "overloaded", 529, PAUSE,
          kind="anthropic", speaks="messages"),
    Fault("U15", "503 with a time", status(503, retry_after={"seconds": LATER}), "503 `overloaded`", "overloaded", 503,
          PAUSE, retry_after=True),
    fails("U16", "500 with an HTML page", status(500, error="html"), status=500),
    *(fails("U16", f"{code}", status(code), status=code) for code in (408, 409, 502)),
    fails("U16", "503 without a time", status(503), status=503),
    fails("U17", "error event at once", fault("error_event"), "stream_error", stream=True),
    fails("U17", "error event before content", fault("error_event", after_events=1), "stream_error", stream=True),
    fails("U17", "200 that carries an error", fault("error_event"), "bad_payload", stream=False),
    ends("U18", "error event after content", fault("error_event", after_events=5), "stream_error"),
    fails("U19", "200 without any event", fault("empty"), "empty_stream", stream=True),
    fails("U19", "200 without a body", fault("empty"), "bad_payload", stream=False),
    fails("U20", "malformed event before content", fault("malformed", after_events=1), "bad_payload", stream=True),
    ends("U20", "malformed event after content", fault("malformed", after_events=5), "bad_payload"),
    misconfigured("U21", 401),
    misconfigured("U21", 402),
    misconfigured("U21", 403),
    Fault("U21", "status 404", status(404), "404 `model_not_found`", "not_found", 404, MODEL),
    own("bad request", {"error": "invalid_request"}, 400, "invalid_request_error"),
    own("refused by the content policy", {"error": "content_policy"}, 400, "content_policy_violation"),
    own("prompt too long", {"error": "context_length_exceeded"}, 400, "context_length_exceeded",
        "client_context_length", is_next_tried=True),
    own("status 413", status(413), 413, "invalid_request_error"),
    own("status 422", status(422), 422, "invalid_request_error"),
    *(misconfigured("U23", code, "redirect", status(code, headers={"location": "http://127.0.0.1:9/"}))
      for code in (301, 302, 307, 308)),
    replace(misconfigured("U24", 401, do={"error": "echo_key"}), name="our key in the message of a 401"),
]
