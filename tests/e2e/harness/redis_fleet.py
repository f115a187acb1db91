"""Several Redis servers: a master with a replica, which a Sentinel exchanges for one another, and a cluster."""

import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from .gateway import free_port
from .process import clean_environment
from .redis_server import RedisServer, program
from .waiting import wait_for

#: What the Sentinel calls the master.
MASTER = "counts"


def ask(port: int, *command: str) -> str:
    """What the server at `port` answers."""
    arguments = [program("cli"), "-h", "127.0.0.1", "-p", str(port), *command]
    asked = subprocess.run(arguments, env=clean_environment(), capture_output=True, text=True, timeout=60, check=False)
    return asked.stdout + asked.stderr


@contextmanager
def watched_pair(folder: Path) -> Iterator[tuple[RedisServer, str]]:
    """A master with a replica, and the address of the Sentinel, which has one take the other's place within seconds."""
    with ExitStack() as running:
        master = RedisServer()
        running.callback(master.remove)
        replica = RedisServer(replicaof=f"127.0.0.1 {master.port}")
        running.callback(replica.remove)
        wait_for(lambda: "master_link_status:up" in ask(replica.port, "info", "replication"), "a replica that follows")
        port, file = free_port(), folder / "sentinel.conf"
        watched = f"127.0.0.1 {master.port} 1\nsentinel down-after-milliseconds {MASTER} 500\nsentinel failover-timeout {MASTER} 3000"
        file.write_text(f"port {port}\nbind 127.0.0.1\ndir {folder}\nsentinel monitor {MASTER} {watched}\n")
        sentinel = subprocess.Popen(
            [program("server"), str(file), "--sentinel"],
            env=clean_environment(), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
        )
        try:
            knows = lambda: str(replica.port) in ask(port, "sentinel", "replicas", MASTER)  # noqa: E731
            wait_for(knows, "a Sentinel that knows the replica", seconds=30)
            yield master, f"redis+sentinel://127.0.0.1:{port}/{MASTER}"
        finally:
            sentinel.kill()
            sentinel.wait(30)


@contextmanager
def cluster() -> Iterator[list[RedisServer]]:
    """Three nodes, of which the first has the slots from 0 on."""
    with ExitStack() as running:
        nodes = []
        for _ in range(3):
            node = RedisServer(cluster_enabled="yes", cluster_port=free_port())
            running.callback(node.remove)
            nodes.append(node)
        told = ask(nodes[0].port, "--cluster", "create", *(f"127.0.0.1:{node.port}" for node in nodes), "--cluster-yes")
        assert "All 16384 slots covered" in told, told
        for node in nodes:
            wait_for(lambda: "cluster_state:ok" in ask(node.port, "cluster", "info"), "a cluster that is whole")
        yield nodes
