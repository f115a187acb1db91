"""A TCP forwarder that can be cut or slowed: what a database looks like when the network to it is down, or it is slow."""

import contextlib
import socket
import threading
import time
from collections.abc import Callable


class Forwarder:
    """Listens on a port of this machine and passes everything on to `target`, both ways."""

    def __init__(self, target: tuple[str, int]) -> None:
        self._target = target
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._lock = threading.Lock()
        self._open: set[socket.socket] = set()
        self._is_cut = False
        #: Seconds that each answer of the target is held back.
        self.delay = 0.0
        threading.Thread(target=self._accept, daemon=True).start()

    def cut(self) -> None:
        """Ends all connections; new ones are closed as soon as they are made."""
        with self._lock:
            self._is_cut = True
            for end in self._open:
                with contextlib.suppress(OSError):
                    end.shutdown(socket.SHUT_RDWR)

    def restore(self) -> None:
        """Lets connections through again."""
        with self._lock:
            self._is_cut = False

    def close(self) -> None:
        self.cut()
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            with self._lock:
                is_cut = self._is_cut
            if is_cut:
                near.close()
                continue
            threading.Thread(target=self._pass_on, args=(near,), daemon=True).start()

    def _pass_on(self, near: socket.socket) -> None:
        with near, socket.create_connection(self._target) as far:
            with self._lock:
                if self._is_cut:
                    return
                self._open |= {near, far}
            back = threading.Thread(target=self._pump_slowly, args=(far, near), daemon=True)
            back.start()
            pump(near, far)
            back.join()
            with self._lock:
                self._open -= {near, far}

    def _pump_slowly(self, source: socket.socket, sink: socket.socket) -> None:
        pump(source, sink, lambda: time.sleep(self.delay))


def pump(source: socket.socket, sink: socket.socket, before_each: Callable[[], None] = lambda: None) -> None:
    """Copies until one side ends, and ends the other."""
    with contextlib.suppress(OSError):
        while piece := source.recv(65536):
            before_each()
            sink.sendall(piece)
    for end in (source, sink):
        with contextlib.suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)
