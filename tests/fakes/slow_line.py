"""Stands between two peers, and carries so many bytes a second each way."""

from __future__ import annotations

import selectors
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

_PIECE_BYTES = 1 << 15
# Else as much as the test sends lies in buffers before anybody waits.
_BUFFER_BYTES = 1 << 16


class SlowLine:
    """Carries connections to an address of this machine.

    Attributes:
        address: where it listens.
        carried_bytes: both ways, so far.
    """

    def __init__(self, to: str, bytes_per_second: float) -> None:
        self._to = to.rpartition(":")[0], int(to.rpartition(":")[2])
        self._rate = bytes_per_second
        self._counting = threading.Lock()
        self.carried_bytes = 0
        self._exits = ExitStack()
        self._listener = self._exits.enter_context(socket.create_server(("127.0.0.1", 0)))
        self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _BUFFER_BYTES)
        self.address = f"127.0.0.1:{self._listener.getsockname()[1]}"
        self._stop, self._stopped = socket.socketpair()
        self._exits.enter_context(self._stop)
        self._exits.enter_context(self._stopped)
        self._threads = [threading.Thread(target=self._accept, name="slow line")]
        self._threads[0].start()

    def close(self) -> None:
        """Ends all connections."""
        self._stop.close()
        for thread in self._threads:
            thread.join()
        self._exits.close()

    def _accept(self) -> None:
        with selectors.DefaultSelector() as waiting:
            for one in (self._listener, self._stopped):
                waiting.register(one, selectors.EVENT_READ)
            while all(key.fileobj is self._listener for key, _ in waiting.select()):
                near = self._exits.enter_context(self._listener.accept()[0])
                far = self._exits.enter_context(socket.socket())
                far.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _BUFFER_BYTES)
                far.connect(self._to)
                for pair in ((near, far), (far, near)):
                    self._threads.append(threading.Thread(target=self._carry, args=pair, name="slow line"))
                    self._threads[-1].start()

    def _carry(self, source: socket.socket, target: socket.socket) -> None:
        """Carries until an end closes: what has come waits here as long as a line of that rate would take."""
        with selectors.DefaultSelector() as waiting:
            for one in (source, self._stopped):
                waiting.register(one, selectors.EVENT_READ)
            free_at = time.monotonic()
            while all(key.fileobj is source for key, _ in waiting.select()):
                try:
                    piece = source.recv(_PIECE_BYTES)
                    target.sendall(piece)
                    if not piece:
                        target.shutdown(socket.SHUT_WR)
                        return
                except OSError:
                    return
                with self._counting:
                    self.carried_bytes += len(piece)
                free_at = max(free_at, time.monotonic()) + len(piece) / self._rate
                time.sleep(max(0.0, free_at - time.monotonic()))


@contextmanager
def slow_line(to: str, bytes_per_second: float) -> Iterator[SlowLine]:
    """Provides a line to `to` for the length of the context."""
    line = SlowLine(to, bytes_per_second)
    try:
        yield line
    finally:
        line.close()
