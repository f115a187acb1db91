"""How long the machine keeps programs waiting, so that a bound in time is not blamed on the program under test."""

import os
import threading
import time
from pathlib import Path

_PAUSE = 0.01


class Stalls:
    """Measures, as long as it is entered, by how much short sleeps and small writes to disk take longer than they should."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / "stalls"
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._measure)
        #: The longest so far, in seconds.
        self.worst = 0.0

    def __enter__(self) -> "Stalls":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _measure(self) -> None:
        with self._path.open("wb", buffering=0) as file:
            while not self._stop.is_set():
                started = time.monotonic()
                time.sleep(_PAUSE)
                file.write(b"x")
                os.fsync(file.fileno())
                self.worst = max(self.worst, time.monotonic() - started - _PAUSE)
