"""The programs under test as child processes."""

import itertools
import os
import signal
import subprocess
import threading
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[3]


# Each gateway runs on the next of them, and on no other, where it is to have one.
_PROCESSORS = itertools.cycle(sorted(os.sched_getaffinity(0)))


def binary(name: str) -> Path:
    """Where a program is: in BIN_DIR, else where cargo puts it."""
    target = Path(os.environ.get("CARGO_TARGET_DIR", REPOSITORY / "target"))
    path = Path(os.environ.get("BIN_DIR", target / "debug")) / name
    assert path.is_file(), f"{path} is missing: `cargo build --workspace --bins` makes it"
    return path


def clean_environment(**variables: str) -> dict[str, str]:
    """The environment of a child: no setting of the one who runs the tests reaches it."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "TMPDIR") if name in os.environ}
    return kept | {"RUST_BACKTRACE": "1"} | variables


def run(name: str, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Runs a program to its end."""
    return subprocess.run(
        [binary(name), *arguments],
        env=clean_environment(**variables),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
    )


def _on_processors(name: str) -> list[str]:
    """What has a program run on as many processors as E2E_PROCESSORS says."""
    wanted = os.environ.get("E2E_PROCESSORS", "")
    assert wanted in ("", "1"), f"E2E_PROCESSORS: '{wanted}' is not 1"
    return ["taskset", "--cpu-list", str(next(_PROCESSORS))] if wanted and name == "gateway" else []


class Process:
    """A running program. Its output is collected as it comes, so that it never blocks on a full pipe."""

    def __init__(self, name: str, *arguments: str, **variables: str) -> None:
        self._child = subprocess.Popen(
            [*_on_processors(name), binary(name), *arguments],
            env=clean_environment(**variables),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            # Python ignores SIGXFSZ. Its children do so too, as a write beyond a limit is to be an error, as on a full disk.
            restore_signals=False,
        )
        self._output = {"stdout": bytearray(), "stderr": bytearray()}
        pipes = [("stdout", self._child.stdout), ("stderr", self._child.stderr)]
        self._readers = [threading.Thread(target=self._collect, args=pipe, daemon=True) for pipe in pipes]
        for reader in self._readers:
            reader.start()

    def _collect(self, name: str, pipe) -> None:
        while piece := pipe.read1(65536):
            self._output[name] += piece

    @property
    def stdout(self) -> str:
        return self._output["stdout"].decode(errors="replace")

    @property
    def stderr(self) -> str:
        return self._output["stderr"].decode(errors="replace")

    @property
    def output(self) -> str:
        return self.stdout + self.stderr

    @property
    def exit_code(self) -> int | None:
        """None while it runs; negative when a signal ended it. What it has said is there then."""
        return None if self._child.poll() is None else self.wait()

    @property
    def pid(self) -> int:
        return self._child.pid

    def send(self, number: signal.Signals) -> None:
        self._child.send_signal(number)

    def wait(self, seconds: float = 60.0) -> int:
        code = self._child.wait(seconds)
        for reader in self._readers:
            reader.join(5)
        return code

    def end(self, number: signal.Signals = signal.SIGTERM) -> int:
        if self.exit_code is None:
            self.send(number)
        return self.wait()
