"""Providers that no simulator can be: those that cannot be reached, and those below HTTP/1.1."""

import contextlib
import json
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import h2.config
import h2.connection
import h2.errors
import h2.events
import h2.exceptions
import hyperframe.frame
import trustme

from harness.simulator import Simulator


@dataclass(frozen=True)
class Place:
    """Where a provider is said to be. It has what a stack needs of a simulator."""

    base_url: str
    name: str = "place"
    config: dict[str, Any] = field(default_factory=dict)


@contextlib.contextmanager
def refused(_: Simulator, __: Path) -> Iterator[Place]:
    """A port that is taken, so that no other takes it, and that nobody listens on."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield Place(f"http://127.0.0.1:{taken.getsockname()[1]}/v1")


@contextlib.contextmanager
def unknown_host(_: Simulator, __: Path) -> Iterator[Place]:
    yield Place("http://no-such-host.invalid/v1")


@contextlib.contextmanager
def no_tls(simulator: Simulator, _: Path) -> Iterator[Place]:
    yield Place(simulator.base_url.replace("http:", "https:"))


@contextlib.contextmanager
def blackhole(_: Simulator, __: Path) -> Iterator[Place]:
    """A listener whose queue is full: the system drops whatever asks for a connection."""
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(socket.socket())
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for _ in range(4):
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(listener.getsockname())
        yield Place(f"http://127.0.0.1:{listener.getsockname()[1]}/v1")


class Http2:
    """A provider over TLS and HTTP/2 that does not process its first request, or resets every one, or says goodbye in its answer."""

    def __init__(self, folder: Path, first: str) -> None:
        authority = trustme.CA()
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.set_alpn_protocols(["h2"])
        authority.issue_cert("localhost").configure_cert(context)
        self._context = context
        self._first = first
        self._left = 1 if first in ("goaway", "refused") else 1000
        self._listener = socket.create_server(("127.0.0.1", 0))
        port = self._listener.getsockname()[1]
        # A file of its own: the gateway reads an authority once for each path.
        ca_file = folder / f"authority-{port}.pem"
        authority.cert_pem.write_to_path(ca_file)
        self.place = Place(f"https://localhost:{port}/v1", config={"ca_file": str(ca_file)})
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self._listener.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                plain, _ = self._listener.accept()
                threading.Thread(target=self._serve, args=(plain,), daemon=True).start()

    def _serve(self, plain: socket.socket) -> None:
        # After its goodbye the state machine takes nothing more, which is what is wanted.
        gone = (OSError, h2.exceptions.ProtocolError)
        with contextlib.suppress(*gone), self._context.wrap_socket(plain, server_side=True) as link:
            config = h2.config.H2Configuration(client_side=False, header_encoding="utf-8")
            http = h2.connection.H2Connection(config)
            http.initiate_connection()
            link.sendall(http.data_to_send())
            bodies: dict[int, bytes] = {}
            while piece := link.recv(65536):
                for event in http.receive_data(piece):
                    if isinstance(event, h2.events.DataReceived):
                        bodies[event.stream_id] = bodies.get(event.stream_id, b"") + event.data
                        http.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
                    elif isinstance(event, h2.events.StreamEnded):
                        self._answer(http, link, event.stream_id, json.loads(bodies[event.stream_id]))
                link.sendall(http.data_to_send())

    def _answer(
        self, http: h2.connection.H2Connection, link: ssl.SSLSocket, stream_id: int, request: dict[str, Any]
    ) -> None:
        if self._left:
            self._left -= 1
            match self._first:
                case "goaway":
                    return http.close_connection(h2.errors.ErrorCodes.NO_ERROR, last_stream_id=0)
                case "refused":
                    return http.reset_stream(stream_id, h2.errors.ErrorCodes.REFUSED_STREAM)
                case "reset":
                    return http.reset_stream(stream_id, h2.errors.ErrorCodes.INTERNAL_ERROR)
        whole = {"id": "c1", "created": 1, "model": request["model"]}
        usage = {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}
        if request.get("stream"):
            choices = [
                {"index": 0, "delta": {"role": "assistant", "content": "Lorem"}, "finish_reason": None},
                {"index": 0, "delta": {}, "finish_reason": "stop"},
            ]
            chunks = [whole | {"object": "chat.completion.chunk", "choices": [choice]} for choice in choices]
            chunks[-1]["usage"] = usage
            begin, end = (f"data: {json.dumps(chunk, separators=(',', ':'))}\n\n" for chunk in chunks)
            end, content_type = f"{end}data: [DONE]\n\n", "text/event-stream"
        else:
            choice = {"index": 0, "message": {"role": "assistant", "content": "Hello"}, "finish_reason": "stop"}
            answer = whole | {"object": "chat.completion", "choices": [choice], "usage": usage}
            body, content_type = json.dumps(answer), "application/json"
            begin, end = body[:20], body[20:]
        http.send_headers(stream_id, [(":status", "200"), ("content-type", content_type)])
        http.send_data(stream_id, begin.encode())
        link.sendall(http.data_to_send())
        match self._first:
            case "goaway_within":
                # Written by hand: after its own goodbye the state machine sends nothing more.
                goodbye = hyperframe.frame.GoAwayFrame(0, last_stream_id=stream_id)
                link.sendall(goodbye.serialize())
            case "reset_within":
                time.sleep(0.2)
                return http.reset_stream(stream_id, h2.errors.ErrorCodes.INTERNAL_ERROR)
        http.send_data(stream_id, end.encode(), end_stream=True)
        return None


def _http2(first: str):
    @contextlib.contextmanager
    def place(_: Simulator, folder: Path) -> Iterator[Place]:
        provider = Http2(folder, first)
        yield provider.place
        provider.close()

    return place


goaway, refused_stream, reset_stream = _http2("goaway"), _http2("refused"), _http2("reset")
goaway_within, reset_within = _http2("goaway_within"), _http2("reset_within")
