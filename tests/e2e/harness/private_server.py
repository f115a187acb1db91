"""A PostgreSQL server of a test's own, which may be stopped and started as the test likes."""

import os
import pwd
import shutil
import subprocess
import tempfile
from pathlib import Path

from .gateway import free_port

#: Where Debian and others keep the server's programs.
FOLDERS = ("/usr/lib/postgresql/*/bin", "/usr/pgsql-*/bin")


def program(name: str) -> str | None:
    """A program of the server, if it is installed."""
    if found := shutil.which(name):
        return found
    places = [path for pattern in FOLDERS for path in Path("/").glob(f"{pattern[1:]}/{name}")]
    return str(max(places)) if places else None


def own(path: Path) -> None:
    """Gives a file to the user that the server runs as."""
    if os.geteuid() == 0:
        entry = pwd.getpwnam("postgres")
        os.chown(path, entry.pw_uid, entry.pw_gid)


class PrivateServer:
    """Keeps what it has committed when it is stopped at once, as a crash would."""

    def __init__(self, *settings: str) -> None:
        """Starts it, with settings of its own such as `ssl=on`."""
        self._settings = settings
        # Not below pytest's folder, where the server's user cannot go.
        self._folder = Path(tempfile.mkdtemp(prefix="e2e-postgres-"))
        #: The server refuses to run as root.
        self._user = {"user": "postgres", "group": "postgres", "extra_groups": []} if os.geteuid() == 0 else {}
        own(self._folder)
        self._port = free_port()
        self._run("initdb", "-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-sync")
        self.start()

    @property
    def port(self) -> int:
        return self._port

    @property
    def url(self) -> str:
        return f"postgres://postgres@127.0.0.1:{self._port}/postgres"

    def start(self) -> None:
        options = f"-p {self._port} -h 127.0.0.1 -k {self._folder} -c fsync=off"
        options += "".join(f" -c {setting}" for setting in self._settings)
        self._run("pg_ctl", "-l", str(self._folder / "log"), "-w", "-o", options, "start")

    def stop(self) -> None:
        """At once: connections are cut, nothing is finished."""
        self._run("pg_ctl", "-m", "immediate", "-w", "stop")

    def remove(self) -> None:
        subprocess.run(
            [program("pg_ctl"), "-D", str(self._folder / "data"), "-m", "immediate", "stop"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd="/",
            **self._user,
        )
        shutil.rmtree(self._folder)

    def _run(self, name: str, *arguments: str) -> None:
        command = [program(name), "-D", str(self._folder / "data"), *arguments]
        # No pipes: the server would keep them open.
        log = self._folder / f"{name}.output"
        with log.open("ab") as output:
            done = subprocess.run(
                command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, cwd="/", timeout=120, **self._user
            )
        assert done.returncode == 0, log.read_text()
