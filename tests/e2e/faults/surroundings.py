"""The faults of what the gateway stands on: database, disk, clock, descriptors, its own process."""

import contextlib
import os
import resource
import signal
import socket
import struct
import subprocess
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import openai

from harness import load
from harness.accounts import assert_each_once, assert_rows_match, assert_sums_agree
from harness.database import Database, Sqlite
from harness.gateway import Gateway, free_port
from harness.load import Result
from harness.process import run
from harness.redis_server import RedisServer
from harness.simulator import Simulator
from harness.stack import Stack
from harness.waiting import wait_for

from .clients import resident
from .exchange import ask, begin
from .upstream import GOOD


@dataclass
class Surroundings:
    """What a fault is played with."""

    make_gateway: Callable[..., Gateway]
    make_database: Callable[[], Database]
    alpha: Simulator
    beta: Simulator
    folder: Path

    def begin(self, **variables: str) -> tuple[Gateway, Stack]:
        """A gateway with a model of one provider."""
        gateway = self.make_gateway(**variables)
        return gateway, Stack.make(gateway, [self.alpha])


Play = Callable[[Surroundings], str]
SURROUNDINGS: list[tuple[str, str, Play]] = []


def of_own(id: str, name: str) -> Callable[[Play], Play]:
    def register(play: Play) -> Play:
        SURROUNDINGS.append((id, name, play))
        return play

    return register


def good(gateway: Gateway, stack: Stack, count: int) -> list[Result]:
    """So many requests, all answered."""
    results = load.run(gateway.openai(), stack.name, count)
    assert not [result.error for result in results if result.error]
    return results


def spooled(gateway: Gateway) -> float:
    return gateway.metrics()["gateway_records_spooled"]


def all_written(gateway: Gateway, results: list[Result]) -> None:
    """Every record is in the database, once, and the sums agree."""
    wait_for(lambda: gateway.database.count("request_logs") >= len(results), "all rows", seconds=60)
    rows = gateway.database.request_logs()
    assert_each_once(rows, results)
    assert_rows_match(rows, results)
    assert_sums_agree(gateway.database)
    assert gateway.metrics()["gateway_records_lost_total"] == 0


@contextlib.contextmanager
def locked(database: Database) -> Iterator[None]:
    """Another connection holds SQLite's only write lock."""
    assert isinstance(database, Sqlite)
    other = database.connect()
    other.execute("BEGIN EXCLUSIVE")
    yield
    other.execute("COMMIT")
    other.close()


@of_own("D01", "database away at the start")
def away_at_start(scene: Surroundings) -> str:
    url = f"postgres://user:secret-password@127.0.0.1:{free_port()}/nothing"
    listen = f"127.0.0.1:{free_port()}"
    result = run("gateway", DATABASE_URL=url, GATEWAY_LISTEN=listen, GATEWAY_SPOOL_DIR=str(scene.folder / "spool"))
    [line] = result.stderr.strip().splitlines()
    assert "DATABASE_URL" in line and "/nothing" in line and "secret-password" not in line
    return f"exit {result.returncode} with one line that names `DATABASE_URL`"


@of_own("D01", "database away at the start, and a configuration that was kept")
def away_with_a_snapshot(scene: Surroundings) -> str:
    file = scene.folder / "snapshot.json"
    gateway, stack = scene.begin(GATEWAY_SNAPSHOT_FILE=str(file), GATEWAY_DATABASE_WAIT="3")
    answered = good(gateway, stack, 1)
    gateway.stop()
    assert isinstance(gateway.database, Sqlite)
    elsewhere = gateway.database.path.rename(scene.folder / "elsewhere.db")
    gateway.restart()
    assert gateway.http.get("/readyz").json() == {"status": "degraded", "database": "down"}
    answered += good(gateway, stack, 20)
    elsewhere.rename(gateway.database.path)
    all_written(gateway, answered)
    wait_for(lambda: gateway.http.get("/readyz").json()["database"] == "up", "a database that is back")
    return "served by the configuration kept in `GATEWAY_SNAPSHOT_FILE`; `/readyz` says `degraded`; rows are written when it is back"


@of_own("D02", "database away while requests are served")
def away(scene: Surroundings) -> str:
    gateway, stack = scene.begin(GATEWAY_DATABASE_STATEMENT_TIMEOUT="1")
    with locked(gateway.database):
        results = good(gateway, stack, 60)
        wait_for(lambda: spooled(gateway) >= 60, "rows that wait in the spool")
        assert gateway.http.get("/health").status_code == 200
        told = change(gateway)
    all_written(gateway, results)
    assert spooled(gateway) == 0
    assert change(gateway) == "201"
    return f"requests are answered; records wait in the spool and are written once each when it is back; changes get {told}"


def change(gateway: Gateway) -> str:
    """What a change of the configuration gets."""
    answer = gateway.admin.http.post("/models", json={"name": "another"})
    word = "" if answer.status_code == 201 else f" `{answer.json()['error']['code']}`"
    return f"{answer.status_code}{word}"


@of_own("D03", "database locked by another program for a moment")
def busy(scene: Surroundings) -> str:
    gateway, stack = scene.begin()
    results = []
    for _ in range(3):
        with locked(gateway.database):
            results += good(gateway, stack, 20)
        results += good(gateway, stack, 20)
    all_written(gateway, results)
    return "requests are answered meanwhile; every record is written once"


@of_own("D04", "disk full")
def disk_full(scene: Surroundings) -> str:
    """No file of the gateway may grow beyond what the database's log has by then, so that only the spool has room."""
    gateway, stack = scene.begin()
    results = good(gateway, stack, 40)
    all_written(gateway, results)
    assert isinstance(gateway.database, Sqlite)
    log = Path(f"{gateway.database.path}-wal")
    pid, unlimited = gateway.process.pid, resource.RLIM_INFINITY
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (log.stat().st_size, unlimited))
    results += good(gateway, stack, 40)
    wait_for(lambda: spooled(gateway) >= 40, "rows that wait in the spool")
    assert gateway.http.get("/health").status_code == 200
    told = change(gateway)
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (unlimited, unlimited))
    all_written(gateway, results)
    gateway.stop()
    [check] = gateway.database.execute("PRAGMA integrity_check")
    assert list(check.values()) == ["ok"]
    return f"as D02, but changes get {told}; the file stays whole, and writing goes on when there is room"


@of_own("D05", "slow database")
def slow(scene: Surroundings) -> str:
    """Requests end while the database takes its time: what is compared is order, not time."""
    gateway, stack = scene.begin()
    with locked(gateway.database):
        results = good(gateway, stack, 60)
        assert gateway.metrics()["gateway_records_written_total"] == 0, "none waited for a row"
    all_written(gateway, results)
    return "no request waits for it"


@of_own("D06", "Redis away while requests are served")
def without_redis(scene: Surroundings) -> str:
    server = RedisServer()
    try:
        # So patient that only a Redis that is gone is too slow for a machine that has much else to do.
        gateway, stack = scene.begin(REDIS_URL=server.url, REDIS_TIMEOUT="2")
        state = lambda: gateway.http.get("/readyz").json()  # noqa: E731
        wait_for(lambda: state()["redis"] == "up", "Redis")
        limited = gateway.openai(gateway.admin.key("limited", limits={"rpm": 40})["key"])
        results = load.run(limited, stack.name, 10)
        server.kill()
        results += load.run(limited, stack.name, 50)
        passed = [result for result in results if not result.error]
        refused = [result.error for result in results if result.error]
        assert {type(error) for error in refused} == {openai.RateLimitError}
        assert len(passed) == 40, "the only gateway holds all of the limit"
        assert state() == {"status": "degraded", "database": "up", "redis": "down"}
        assert gateway.metrics()["gateway_redis_up"] == 0
        assert gateway.process.output.count("Redis does not answer") == 1, "told once a minute"
        server.start()
        wait_for(lambda: state() == {"status": "ready", "database": "up", "redis": "up"}, "Redis that is back", seconds=60)
        [again] = load.run(limited, stack.name, 1)
        assert isinstance(again.error, openai.RateLimitError), "what passed meanwhile is counted"
    finally:
        server.remove()
    return (
        "no error but 429: each gateway holds its part of the limits, and tells what it counted when Redis is back; "
        "`/readyz` says `degraded`; one line in the log a minute"
    )


@of_own("D07", "SIGKILL")
def killed(scene: Surroundings) -> str:
    gateway, stack = scene.begin()
    results = good(gateway, stack, 60)
    wait_for(lambda: gateway.database.count("request_logs") + spooled(gateway) >= 60, "rows that are safe")
    gateway.kill()
    gateway.restart()
    results += good(gateway, stack, 10)
    all_written(gateway, results)
    [check] = gateway.database.execute("PRAGMA integrity_check")
    assert list(check.values()) == ["ok"]
    return "what ended more than 250 ms before is kept, nothing is doubled; the next start serves at once"


@of_own("D08", "SIGTERM")
def terminated(scene: Surroundings) -> str:
    gateway, stack = scene.begin()
    scene.alpha.always(tokens=30, tokens_per_second=20)
    running = load.Load(gateway.openai(), stack.name, threads=4)
    wait_for(lambda: scene.alpha.received() >= 4, "running requests")
    gateway.process.send(signal.SIGTERM)
    results = running.finish()
    code = gateway.process.wait()
    served = [result for result in results if result.request_id]
    assert not [result.error for result in served if result.error]
    rows = gateway.database.request_logs()
    assert_each_once(rows, served)
    return f"no new connections, running requests finish, records are written; exit {code}"


def ended_with_a_stream(scene: Surroundings, drain: str, end: Callable[[Gateway], None]) -> str:
    """A stream runs that would not end by itself."""
    gateway, stack = scene.begin(GATEWAY_DRAIN_TIMEOUT=drain)
    scene.alpha.always(fault={"kind": "hang", "at": {"after_events": 4}})
    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(ask, stack, True)
        wait_for(lambda: scene.alpha.received() == 1, "the running request")
        wait_for(lambda: gateway.metrics()["gateway_requests_in_flight"] == 1, "its stream")
        end(gateway)
        seen = asked.result().sees
    code = gateway.process.wait()
    [row] = gateway.database.request_logs()
    return f"{seen}; logged {row['status_code']} `{row['error_class']}`; exit {code}"


@of_own("D08", "SIGTERM, and requests that outlast the drain")
def cut_off(scene: Surroundings) -> str:
    return ended_with_a_stream(scene, "0.3", lambda gateway: gateway.process.send(signal.SIGTERM))


@of_own("D08", "SIGTERM, and again while requests run")
def hurried(scene: Surroundings) -> str:
    def twice(gateway: Gateway) -> None:
        gateway.process.send(signal.SIGTERM)
        wait_for(lambda: "asked to stop" in gateway.process.output, "the first signal's effect")
        gateway.process.send(signal.SIGTERM)

    return f"at once: {ended_with_a_stream(scene, '600', twice)}"


@of_own("D09", "configuration changed under load")
def changed(scene: Surroundings) -> str:
    gateway, stack = scene.begin()
    extra = stack.add(scene.beta)
    running = load.Load(gateway.openai(), stack.name, threads=4)
    wait_for(lambda: running.succeeded() >= 50, "load")
    for weight in (1, 50, 100):
        gateway.admin.patch(f"/providers/{extra['id']}", {"config": {"weight": weight}})
    refused = gateway.admin.http.patch(f"/providers/{extra['id']}", json={"config": {"weight": -1}})
    gateway.admin.delete(f"/providers/{extra['id']}", force="true")
    after = scene.beta.received()
    wait_for(lambda: running.succeeded() >= 100, "load goes on")
    results = running.finish()
    assert not [result.error for result in results if result.error]
    assert scene.beta.received() - after <= 4, "only what had begun"
    return f"no request fails, a removed provider finishes what it has; a bad change is refused whole ({refused.status_code})"


class Clock:
    """The gateway's wall clock, in a file that it has before its eyes."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / "clock"
        self._file.write_bytes(bytes(24))
        library, source = folder / "clock.so", Path(__file__).with_name("clock.c")
        subprocess.run(["cc", "-shared", "-fPIC", "-O1", "-o", library, source, "-ldl"], check=True)
        self.variables = {"LD_PRELOAD": str(library), "CLOCK_FILE": str(self._file)}

    def set(self, offset: int = 0, good: int = 0, failures: int = 0) -> None:
        """By how many seconds it is off, and that after so many `good` readings so many fail."""
        with self._file.open("r+b") as file:
            file.write(struct.pack("=qqq", offset, good, failures))


@of_own("D10", "clock that jumps by an hour, forth and back")
def jump(scene: Surroundings) -> str:
    clock = Clock(scene.folder)
    gateway, stack = scene.begin(**clock.variables)
    gateway.admin.policy(stack.model, stream_idle_timeout=30)
    scene.alpha.always(tokens=30, tokens_per_second=20)
    with ThreadPoolExecutor(1) as pool:
        for offset in (3600, -3600):
            before = scene.alpha.received()
            asked = pool.submit(ask, stack, True)
            wait_for(lambda: scene.alpha.received() > before, "the running stream")
            clock.set(offset)
            assert asked.result().sees == GOOD
    scene.alpha.script()
    assert ask(stack, False).sees == GOOD
    rows = stack.rows(3)
    # Each began at the wall clock's time of then: before the first jump, after it, and after the second.
    hours = sorted(round((row["created_at"] - datetime.now(UTC)) / timedelta(hours=1)) for row in rows)
    assert hours == [-1, 0, 1]
    assert all(0 <= row["latency_ms"] < 60_000 for row in rows)
    assert_sums_agree(gateway.database)
    clock.set(0)
    return "no clock of a request notices; only stored times follow"


@of_own("D11", "many streams that are open and silent")
def many(scene: Surroundings) -> str:
    """Each is a task, no thread; memory and descriptors come back."""
    gateway, stack = scene.begin()
    gateway.admin.policy(stack.model, stream_idle_timeout=600)
    assert ask(stack, True).sees == GOOD
    scene.alpha.always(fault={"kind": "hang", "at": {"after_events": 3}})
    streams, at_once = 5_000, 250
    for pid in (os.getpid(), gateway.process.pid, scene.alpha.process.pid):
        _, most = resource.prlimit(pid, resource.RLIMIT_NOFILE)
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (most, most))
    threads, before = len(list(Path(f"/proc/{gateway.process.pid}/task").iterdir())), resident(gateway)
    with contextlib.ExitStack() as open_streams:
        # Many that are open are meant, not many that begin: all at once, the last would wait for a busy processor.
        for opened in range(at_once, streams + 1, at_once):
            for _ in range(at_once):
                open_streams.enter_context(begin(stack, stream=True))
            wait_for(lambda: scene.alpha.received() == opened + 1, "streams", seconds=60)
        wait_for(lambda: gateway.metrics()["gateway_requests_in_flight"] == streams, "all of them in flight")
        assert (resident(gateway) - before) / streams < 200_000
        assert len(list(Path(f"/proc/{gateway.process.pid}/task").iterdir())) <= threads + 8
        scene.alpha.script()
        assert ask(stack, False).sees == GOOD
    stack.rows(streams + 2)
    assert gateway.metrics()["gateway_requests_in_flight"] == 0
    return "each costs memory below 200 kB and no thread; others are served, and each is logged when its client leaves"


@of_own("D11", "more requests at once than it may serve")
def too_many(scene: Surroundings) -> str:
    """The excess is refused before a provider hears of it, and speaks against nobody."""
    gateway, stack = scene.begin(GATEWAY_MAX_CONCURRENT="3")
    scene.alpha.always(fault={"kind": "hang", "at": {"after_events": 3}})
    with contextlib.ExitStack() as served:
        for _ in range(3):
            served.enter_context(begin(stack, stream=True))
        wait_for(lambda: scene.alpha.received() == 3, "all that it may serve")
        refused = [ask(stack, stream, speaks) for stream in (True, False) for speaks in ("chat", "messages", "gemini")]
        assert scene.alpha.received() == 3
        assert all(int(answer.headers["retry-after"]) >= 1 for answer in refused)
        assert gateway.metrics()['gateway_requests_shed_total{full="gateway"}'] == len(refused)
    scene.alpha.script()
    wait_for(lambda: ask(stack, False).sees == GOOD, "service as before")
    # Refused before their bodies were read: their rows name no model.
    logged = lambda: gateway.database.request_logs("error_class = 'shed'")  # noqa: E731
    wait_for(lambda: len(logged()) >= len(refused), "a row of each that was refused")
    assert not any(row["attempts"] for row in logged())
    [chat, messages, gemini] = [answer.sees for answer in refused[:3]]
    return f"{chat} and `Retry-After` (Anthropic's clients: {messages}; Gemini's: {gemini}); nothing is sent; logged `shed`"


@of_own("D11", "more than its processor can do")
def too_slow(scene: Surroundings) -> str:
    """Beyond what is bearable a share is refused while it is cheap: before its key is looked at, and without a row."""
    # With any wait unbearable, all that counts is how many run.
    gateway, stack = scene.begin(GATEWAY_MAX_DELAY="0.000000001")
    scene.alpha.always(fault={"kind": "hang", "at": {"after_events": 3}})
    served = 0
    refused: list[Answer] = []
    with contextlib.ExitStack() as streams:
        for _ in range(64):
            streams.enter_context(begin(stack, stream=True))
        wait_for(lambda: scene.alpha.received() == 64, "as many as it takes")
        scene.alpha.script()
        for speaks in ("chat", "messages", "gemini"):
            while (answer := ask(stack, False, speaks)).sees == GOOD:
                served += 1
            refused.append(answer)
    assert all(int(answer.headers["retry-after"]) >= 1 for answer in refused)
    assert gateway.metrics()['gateway_requests_shed_total{full="processor"}'] == len(refused)
    wait_for(lambda: gateway.metrics()["gateway_requests_in_flight"] == 0, "the streams' end")
    assert ask(stack, False).sees == GOOD
    stack.rows(64 + served + 1)
    [chat, messages, gemini] = [answer.sees for answer in refused]
    return f"a share: {chat} and `Retry-After` (Anthropic's clients: {messages}; Gemini's: {gemini}); counted, not logged"


@of_own("D12", "out of file descriptors")
def no_descriptors(scene: Surroundings) -> str:
    gateway, stack = scene.begin()
    assert ask(stack, False).sees == GOOD
    pid = gateway.process.pid
    _, hard = resource.prlimit(pid, resource.RLIMIT_NOFILE)
    used = len(list(Path(f"/proc/{pid}/fd").iterdir()))
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (used + 3, hard))
    with contextlib.ExitStack() as idle:
        for _ in range(20):
            idle.enter_context(socket.create_connection(("127.0.0.1", gateway.port)))
        wait_for(lambda: "could not be accepted" in gateway.process.output, "a full process")
        # The connections that it has go on; a new one to a provider cannot be made, for which nobody is blamed.
        scene.alpha.always(fault={"kind": "close", "at": "before_headers"})
        first = ask(stack, False)
        assert first.status in (502, 503, 504), first
        busy = cpu_seconds(pid)
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (hard, hard))
    scene.alpha.script()
    wait_for(lambda: ask(stack, False).sees == GOOD, "service as before")
    assert cpu_seconds(pid) - busy < 5, "it did not spin"
    return "accepting pauses and goes on when there are some again; connections that exist are served"


def cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / 100


@of_own("D13", "panic in a request")
def panic(scene: Surroundings) -> str:
    """The wall clock fails to be read once, which no code expects. Which reading is the request's own is found by trying."""
    clock = Clock(scene.folder)
    gateway, stack = scene.begin(**clock.variables)
    assert ask(stack, False).sees == GOOD
    gateway.panics_on_purpose = True
    # A request reads the clock while it is handled where it has to tell until when a provider wants a pause.
    scene.alpha.always(status=429)
    seen = ""
    for good_readings in range(64):
        clock.set(good=good_readings % 16, failures=1)
        # Where the connection's own reading fails, that connection ends and no request is answered.
        with contextlib.suppress(httpx.TransportError):
            seen = ask(stack, False).sees
            if seen.startswith("500 "):
                break
        clock.set()
        # Where a worker's fails, the gateway ends in order, to be started again by whoever runs it.
        with contextlib.suppress(httpx.TransportError):
            gateway.metrics()
            continue
        wait_for(lambda: gateway.process.exit_code is not None, "the end of a gateway without a worker")
        gateway.restart()
    clock.set()
    assert seen.startswith("500 "), seen
    assert gateway.metrics()["gateway_panics_total"]
    scene.alpha.script()
    assert ask(stack, False).sees == GOOD
    return f"{seen}, counted in `gateway_panics_total`; everything else goes on"
