"""A Redis server of a test's own, which may be killed and started as the test likes. It keeps nothing."""

import shutil
import socket
import ssl
import subprocess
import tempfile
from pathlib import Path

from .gateway import free_port
from .process import clean_environment
from .waiting import wait_for


def program(name: str) -> str:
    """Redis's `server` or `cli`, or Valkey's."""
    found = shutil.which(f"redis-{name}") or shutil.which(f"valkey-{name}")
    assert found, f"there is no redis-{name}: install it (on Debian or Ubuntu: apt-get install redis-server)"
    return found


class RedisServer:
    """Runs from the beginning."""

    def __init__(self, authority: Path | None = None, password: str = "", **settings: str | int) -> None:
        """With an `authority` it speaks TLS only, as `localhost`; with a `password` only to who knows it. `settings` are
        Redis's own, with `_` for `-`."""
        self._authority = authority
        self._password = password
        self._settings = {name.replace("_", "-"): value for name, value in settings.items()}
        self._folder = tempfile.mkdtemp(prefix="e2e-redis-")
        self.port = free_port()
        self._child: subprocess.Popen[bytes] | None = None
        self.start()

    @property
    def url(self) -> str:
        user = f":{self._password}@" if self._password else ""
        return f"rediss://{user}localhost:{self.port}" if self._authority else f"redis://{user}127.0.0.1:{self.port}"

    def start(self) -> None:
        """At the same address as before, empty."""
        options = {"port": self.port, "bind": "127.0.0.1", "dir": self._folder, "save": "", "appendonly": "no"}
        if self._password:
            options["requirepass"] = self._password
        if self._authority:
            options |= {"port": 0, "tls-port": self.port, "tls-auth-clients": "no"}
            options |= {f"tls-{name}-file": self._authority / f"server.{ending}" for name, ending in (("cert", "pem"), ("key", "key"))}
            options["tls-ca-cert-file"] = self._authority / "ca.pem"
        arguments = [text for name, value in options.items() for text in (f"--{name}", str(value))]
        for name, value in self._settings.items():
            arguments += [f"--{name}", *str(value).split()]
        self._child = subprocess.Popen(
            [program("server"), *arguments], env=clean_environment(), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL
        )
        wait_for(self._listens, "a Redis that listens", seconds=60)

    def _listens(self) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=5) as plain, self._secure(plain) as connection:
                connection.sendall(f"AUTH {self._password}\r\n".encode() if self._password else b"PING\r\n")
                return connection.recv(16).startswith(b"+OK" if self._password else b"+PONG")
        except OSError:
            return False

    def _secure(self, connection: socket.socket) -> socket.socket:
        if self._authority is None:
            return connection
        context = ssl.create_default_context(cafile=self._authority / "ca.pem")
        return context.wrap_socket(connection, server_hostname="localhost")

    def kill(self) -> None:
        """At once: connections are cut, and what it held is gone."""
        assert self._child
        self._child.kill()
        self._child.wait(30)

    def remove(self) -> None:
        if self._child and self._child.poll() is None:
            self.kill()
        shutil.rmtree(self._folder, ignore_errors=True)
