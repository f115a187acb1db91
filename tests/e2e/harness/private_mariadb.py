"""A MariaDB server of a test's own, with settings of its own."""

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from pathlib import Path

from .gateway import free_port
from .waiting import wait_for


def program(*names: str) -> str:
    """A program of the server, which distributions keep out of the way."""
    path = os.environ.get("PATH", "") + ":/usr/sbin:/usr/local/sbin:/usr/libexec"
    found = [place for name in names if (place := shutil.which(name, path=path))]
    assert found, f"none of {names} is installed"
    return found[0]


class PrivateMariaDb:
    """Runs as the user `mysql` where the tests run as root."""

    def __init__(self, *settings: str, files: Path | None = None) -> None:
        """Starts it, with settings of its own such as `--ssl-cert=…`; it gets `files` as its own."""
        # Not below pytest's folder, where the server's user cannot go.
        self._folder = Path(tempfile.mkdtemp(prefix="e2e-mariadb-"))
        self.files = self._folder / "files"
        if files:
            shutil.copytree(files, self.files)
        self._user = {}
        if os.geteuid() == 0:
            entry = pwd.getpwnam("mysql")
            self._user = {"user": "mysql", "group": "mysql", "extra_groups": []}
            for path in (self._folder, *self._folder.rglob("*")):
                os.chown(path, entry.pw_uid, entry.pw_gid)
        data = f"--datadir={self._folder}/data"
        self._log = (self._folder / "log").open("ab")
        install = [program("mariadb-install-db", "mysql_install_db"), "--no-defaults", data, "--skip-test-db"]
        self._run([*install, "--auth-root-authentication-method=normal"])
        self.port = free_port()
        command = [program("mariadbd", "mysqld"), "--no-defaults", data, f"--port={self.port}", "--bind-address=127.0.0.1"]
        command += [f"--socket={self._folder}/socket", f"--pid-file={self._folder}/pid"]
        command += [setting.format(files=self.files) for setting in settings]
        self._process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=self._log, stderr=self._log, cwd="/", **self._user
        )
        wait_for(self._listens, self.told, seconds=60)

    @property
    def url(self) -> str:
        return f"mysql://root@127.0.0.1:{self.port}/"

    def told(self) -> str:
        """What it has said."""
        return (self._folder / "log").read_text(errors="replace")

    def _listens(self) -> bool:
        assert self._process.poll() is None, self.told()
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def _run(self, command: list[str]) -> None:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, stdout=self._log, stderr=self._log, cwd="/", timeout=120, **self._user
        )
        assert done.returncode == 0, self.told()

    def remove(self) -> None:
        self._process.kill()
        self._process.wait()
        self._log.close()
        shutil.rmtree(self._folder)
