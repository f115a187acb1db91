"""The gateway as a process, and the ways to talk to it."""

import os
import random
import signal
import socket
from pathlib import Path
from typing import Any

import anthropic
import httpx
import openai
from google import genai

from .admin import Admin
from .database import Database
from .process import Process, run
from .waiting import wait_for

ADMIN_KEY = "e2e-admin-key-4f1d9c"
CLIENT_KEY = "e2e-client-key-8b27aa"
SECRET_KEY = "e2e-secret-key-of-more-than-16-characters"
#: What the gateway holds towards the providers.
PROVIDER_KEY = "sk-upstream-e2e-0a1b2c3d4e5f"
SECRETS = (ADMIN_KEY, CLIENT_KEY, SECRET_KEY, PROVIDER_KEY)


def free_port() -> int:
    """A port that nobody listens on, from where the system does not take ports for outgoing connections."""
    # Each worker of pytest-xdist has a range of its own, so that none takes what another has just found to be free.
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")) % 10
    start = 12_000 + worker * 2_000
    while True:
        port = random.randrange(start, start + 2_000)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port


class Gateway:
    """One gateway on one database, from its start to its end."""

    def __init__(self, database: Database, folder: Path, **variables: str | None) -> None:
        """Starts it. `variables` are settings of the environment; None unsets one that is set here."""
        self.database = database
        self._folder = folder
        settings = {
            "DATABASE_URL": database.url,
            "GATEWAY_ADMIN_KEY": ADMIN_KEY,
            "GATEWAY_API_KEYS": CLIENT_KEY,
            "GATEWAY_SECRET_KEY": SECRET_KEY,
            "GATEWAY_SPOOL_DIR": str(folder / "spool"),
            # Tests run beside one another, and none is about a busy processor but those that say so.
            "GATEWAY_MAX_DELAY": "0",
            # Probes would be among the requests that are counted.
            "HEALTH_CHECK_ENABLED": "false",
        } | variables
        self._variables = {name: value for name, value in settings.items() if value is not None}
        self._clients: list[openai.OpenAI | anthropic.Anthropic | genai.Client] = []
        self._ends: list[Process] = []
        #: Whether a test made it panic, so that its output may say so.
        self.panics_on_purpose = False
        self.port = free_port()
        self.process = self._start()
        self.admin = Admin(self.url, self._variables.get("GATEWAY_ADMIN_KEY"))
        self.http = httpx.Client(base_url=self.url, timeout=30)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def _start(self) -> Process:
        process = Process("gateway", **self._variables, GATEWAY_LISTEN=f"127.0.0.1:{self.port}")
        self._ends.append(process)

        def is_ready() -> bool:
            assert process.exit_code is None, f"the gateway did not start: {process.output}"
            try:
                return httpx.get(f"{self.url}/readyz", timeout=5).status_code == 200
            except httpx.TransportError:
                return False

        wait_for(is_ready, "a gateway that is ready")
        return process

    def openai(self, key: str = CLIENT_KEY, prefix: str = "", **options: Any) -> openai.OpenAI:
        """The official SDK, only told where to go. It does not retry, so that one call is one request."""
        options = {"max_retries": 0, "timeout": 60.0} | options
        client = openai.OpenAI(base_url=f"{self.url}{prefix}/v1", api_key=key, **options)
        self._clients.append(client)
        return client

    def anthropic(self, key: str = CLIENT_KEY, prefix: str = "", **options: Any) -> anthropic.Anthropic:
        """The same of Anthropic."""
        options = {"max_retries": 0, "timeout": 60.0} | options
        client = anthropic.Anthropic(base_url=f"{self.url}{prefix}", api_key=key, **options)
        self._clients.append(client)
        return client

    def genai(self, key: str = CLIENT_KEY, prefix: str = "") -> genai.Client:
        """The same of Google; it does not retry unless told to."""
        options = genai.types.HttpOptions(base_url=f"{self.url}{prefix}", api_version="v1beta", timeout=60_000)
        client = genai.Client(api_key=key, http_options=options)
        self._clients.append(client)
        return client

    def metrics(self) -> dict[str, float]:
        """Samples of /metrics by their name and labels, as they are written there."""
        text = self.http.get("/metrics").raise_for_status().text
        lines = (line for line in text.splitlines() if line and not line.startswith("#"))
        return {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines)}

    def restart(self) -> None:
        """Starts again after its end, at the same address."""
        assert self.process.exit_code is not None
        self.process = self._start()

    def kill(self) -> None:
        """Ends it without warning."""
        self.process.end(signal.SIGKILL)

    def stop(self) -> None:
        """Asks it to end, and expects that it does so in order."""
        assert self.process.end() == 0, self.process.output

    def close(self) -> None:
        """Ends it if it runs, and looks through all it ever wrote for what must not be there."""
        for client in self._clients:
            client.close()
        self.admin.close()
        self.http.close()
        if self.process.exit_code is None:
            self.stop()
        self.assert_clean_output()

    def assert_clean_output(self, *more_secrets: str) -> None:
        written = "".join(process.output for process in self._ends)
        assert self.panics_on_purpose or "panicked" not in written, written
        for secret in (*SECRETS, *more_secrets):
            assert secret not in written, f"a secret is in the gateway's output: {secret}"


def migrate(database: Database) -> None:
    """Creates the schema, as an operator would."""
    result = run("migrator", "up", DATABASE_URL=database.url)
    assert result.returncode == 0, result.stdout + result.stderr
