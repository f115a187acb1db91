"""Clients that take what they can: connections, resets, heads without end. Others are served all the while."""

import contextlib
import json
import resource
import socket
from collections import defaultdict
from collections.abc import Iterator

import h2.connection
import h2.events
import h2.exceptions
import pytest

from conftest import MakeGateway
from faults.clients import resident
from faults.exchange import ask, body_of
from faults.upstream import GOOD
from harness.gateway import CLIENT_KEY, Gateway
from harness.raw import raw_head
from harness.simulator import Simulator
from harness.stack import Stack
from harness.waiting import wait_for

pytestmark = pytest.mark.sqlite_only

#: What came, by the stream that it was of; none for the connection.
Seen = defaultdict[int | None, list[h2.events.Event]]
ENDS = (h2.events.StreamEnded, h2.events.StreamReset)


@pytest.fixture
def stack(make_gateway: MakeGateway, alpha: Simulator) -> Stack:
    """A gateway of its own, with one model."""
    return Stack.make(make_gateway(GATEWAY_MAX_CONNECTIONS="3000"), [alpha])


def connect(gateway: Gateway) -> socket.socket:
    return socket.create_connection(("127.0.0.1", gateway.port), timeout=20)


def running(gateway: Gateway) -> float:
    return gateway.metrics()["gateway_requests_in_flight"]


def resets(peer: socket.socket, count: int) -> Iterator[int]:
    """Asks and takes it back, as often; yields how often so far."""
    client = h2.connection.H2Connection()
    client.initiate_connection()
    head = [
        (":method", "POST"),
        (":scheme", "http"),
        (":authority", "gateway"),
        (":path", "/v1/chat/completions"),
        ("authorization", f"Bearer {CLIENT_KEY}"),
    ]
    for sent in range(count):
        stream = client.get_next_available_stream_id()
        client.send_headers(stream, head)
        client.reset_stream(stream)
        peer.sendall(client.data_to_send())
        yield sent


def test_a_flood_of_resets_ends_its_own_connection_only(stack: Stack) -> None:
    calm = resident(stack.gateway)
    with connect(stack.gateway) as peer:
        with contextlib.suppress(ConnectionError):
            for sent in resets(peer, 20_000):
                if sent % 1000 == 0:
                    assert ask(stack, False).sees == GOOD
            pytest.fail("the connection was not ended")
        assert ask(stack, True).sees == GOOD
    wait_for(lambda: running(stack.gateway) == 0, "the end of what was asked for")
    assert resident(stack.gateway) - calm < 16 << 20


def test_a_stream_that_is_let_stand_is_given_up_and_its_connection_is_not(
    make_gateway: MakeGateway, alpha: Simulator
) -> None:
    stack = Stack.make(make_gateway(GATEWAY_WRITE_TIMEOUT="2"), [alpha])
    # Far more than the window of a stream.
    alpha.always(tokens=100_000)
    with connect(stack.gateway) as peer:
        client = h2.connection.H2Connection()
        client.initiate_connection()
        client.increment_flow_control_window(1 << 20)
        stands = send(client, peer, stack, stream=True)
        wait_for(lambda: alpha.received() == 1, "the request at the provider")
        alpha.script()
        # On a busy machine the end of what stands may come before that of what is read.
        seen: Seen = defaultdict(list)
        whole = answer(client, peer, send(client, peer, stack, stream=False), seen)
        assert isinstance(whole[-1], h2.events.StreamEnded)
        wait_for(lambda: running(stack.gateway) == 0, "the end of what stands")
        # Who reads on after that is told.
        if not isinstance(seen[stands][-1], ENDS):
            client.increment_flow_control_window(1 << 20, stands)
            peer.sendall(client.data_to_send())
        events = answer(client, peer, stands, seen)
        assert isinstance(events[-1], h2.events.StreamReset)
    rows = stack.rows(2)
    assert sorted((row["status_code"], row["error_class"]) for row in rows) == [(200, None), (499, "client_closed")]


def send(client: h2.connection.H2Connection, peer: socket.socket, stack: Stack, stream: bool) -> int:
    """Asks; answers with the number of the stream."""
    path, body = body_of(stack, "chat", stream)
    number = client.get_next_available_stream_id()
    head = {
        ":method": "POST",
        ":scheme": "http",
        ":authority": "gateway",
        ":path": path,
        "authorization": f"Bearer {CLIENT_KEY}",
        "content-type": "application/json",
    }
    client.send_headers(number, list(head.items()))
    client.send_data(number, json.dumps(body).encode(), end_stream=True)
    peer.sendall(client.data_to_send())
    return number


def answer(client: h2.connection.H2Connection, peer: socket.socket, number: int, seen: Seen) -> list[h2.events.Event]:
    """All that comes of a stream, of which nothing is acknowledged as read. What comes of others is kept for them."""
    events = seen[number]
    while not events or not isinstance(events[-1], ENDS):
        received = peer.recv(1 << 16)
        assert received, seen
        for event in client.receive_data(received):
            seen[getattr(event, "stream_id", None)].append(event)
        peer.sendall(client.data_to_send())
    return events


def test_thousands_of_idle_connections_cost_little_and_disturb_nobody(stack: Stack) -> None:
    count = 2000
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(hard, 2 * count)), hard))
    assert ask(stack, False).sees == GOOD
    calm = resident(stack.gateway)
    with contextlib.ExitStack() as idle:
        for _ in range(count):
            idle.enter_context(connect(stack.gateway))
        assert ask(stack, False).sees == GOOD and ask(stack, True).sees == GOOD
        assert (resident(stack.gateway) - calm) / count < 20_000


def test_connections_beyond_the_limit_are_told_so(make_gateway: MakeGateway, alpha: Simulator) -> None:
    gateway = make_gateway(GATEWAY_MAX_CONNECTIONS="20")
    stack = Stack.make(gateway, [alpha])
    assert ask(stack, False).sees == GOOD
    with contextlib.ExitStack() as idle:
        for _ in range(20):
            idle.enter_context(connect(gateway))
        with connect(gateway) as one_more:
            answer = b"".join(iter(lambda: one_more.recv(4096), b""))
        head, _, body = answer.partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 503 ") and b"retry-after: " in head.lower() and body.startswith(b"{")
    wait_for(lambda: ask(stack, False).sees == GOOD, "service as before")


def test_pipelined_requests_are_answered_in_their_order(stack: Stack) -> None:
    raw = [json.dumps(body_of(stack, "chat", stream)[1]).encode() for stream in (False, True, False)]
    with connect(stack.gateway) as peer:
        peer.sendall(b"".join(raw_head(len(body)) + body for body in raw))
        seen = b""
        while seen.count(b"HTTP/1.1 200 ") < 3 or not seen.rstrip().endswith((b"}", b"0")):
            got = peer.recv(1 << 16)
            assert got, seen
            seen += got
    kinds = [part.split(b"content-type: ")[1].split(b"\r\n")[0] for part in seen.split(b"HTTP/1.1 200 ")[1:]]
    assert [b"event-stream" in kind for kind in kinds] == [False, True, False]


def test_a_head_without_end_is_refused_and_its_connection_closed(stack: Stack) -> None:
    with connect(stack.gateway) as peer:
        with contextlib.suppress(ConnectionError):
            peer.sendall(b"POST /v1/chat/completions HTTP/1.1\r\nhost: gateway\r\nx-long: " + b"a" * 1_000_000)
        answer = b""
        with contextlib.suppress(ConnectionError):
            answer = b"".join(iter(lambda: peer.recv(4096), b""))
        # A reset may overtake what was told.
        assert not answer or answer.startswith(b"HTTP/1.1 431 ")
    assert ask(stack, False).sees == GOOD
    stack.rows(1)
