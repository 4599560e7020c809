"""A warm interpreter: it has imported what comparisons need, and forks a process for each that asks.

It is a supervisor without an address of its own: no gRPC, no tensor and no device is used here, so that forks
are sound. A fork is what a client's child would be that was started afresh: it has the client's environment,
folder, arguments and descriptors, and ends with the client. `padiff up` starts such interpreters.
"""

from __future__ import annotations

import argparse
import array
import gc
import importlib
import json
import os
import runpy
import selectors
import shutil
import signal
import socket
import struct
import sys
import tempfile
import time
import traceback
import warnings
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, Optional

from padiff_rpc import child
from padiff_rpc.device_files import holds_device, open_files
from padiff_rpc.stopping import StopSignals
from padiff_rpc.version import package_version

SOCKET, LOCK, INFO = "socket", "lock", "info.json"
# What a client sends first: the number of bytes of its request, with the descriptors.
_HEAD = struct.Struct("!I")
_MOST_DESCRIPTORS = 8
_NUMBERS = array.array("i")
# A client that has connected has its request at hand.
_REQUEST_SECONDS = 20.0


def send_request(connection: socket.socket, request: dict[str, Any], descriptors: list[int]) -> None:
    """Asks for a process. Raises OSError.

    `request`: "package", run as by `python -m`; "arguments", the flags of "flags" to follow them, each with
    the number that its descriptor has there ("" for one without a flag); "environment"; "folder", the current
    one. The first of `descriptors` is for what the process writes, the others belong to "flags".
    """
    content = json.dumps(request).encode()
    numbers = array.array("i", descriptors)
    connection.sendmsg([_HEAD.pack(len(content))], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, numbers)])
    connection.sendall(content)


def _take_request(connection: socket.socket) -> tuple[dict[str, Any], list[int]]:
    space = socket.CMSG_SPACE(_MOST_DESCRIPTORS * _NUMBERS.itemsize)
    head, ancillary, _, _ = connection.recvmsg(_HEAD.size, space, socket.MSG_WAITALL)
    numbers = array.array("i")
    for _, _, content in ancillary:
        numbers.frombytes(content[: len(content) - len(content) % numbers.itemsize])
    if len(head) < _HEAD.size:
        raise EOFError  # the client is gone, or only looked whether somebody is there
    (left,) = _HEAD.unpack(head)
    content = b""
    while len(content) < left:
        piece = connection.recv(left - len(content))
        if not piece:
            raise EOFError
        content += piece
    return json.loads(content), list(numbers)


class _Keeper:
    """Listens, forks, and tells each client how its process ended. Lives on the main thread alone."""

    def __init__(self, folder: Path, lock: int, idle_seconds: float) -> None:
        self._folder = folder
        self._lock = lock
        self._idle_seconds = idle_seconds
        self._signals = StopSignals(children_too=True)
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(folder / SOCKET))
        self._listener.listen(16)
        self._clients: dict[int, socket.socket] = {}
        self._used_at = time.monotonic()
        self._is_open = True

    def run(self) -> None:
        """Returns when it was told to end, or nobody has come for so long, and no process of it runs."""
        while self._is_open or self._clients:
            left = self._used_at + self._idle_seconds - time.monotonic()
            if self._is_open and not self._clients and left <= 0:
                self._close()
                return
            with selectors.DefaultSelector() as selector:
                selector.register(self._signals, selectors.EVENT_READ)
                if self._is_open:
                    selector.register(self._listener, selectors.EVENT_READ)
                ready = {
                    key.fileobj
                    for key, _ in selector.select(
                        min(left, _LONGEST_WAIT_SECONDS) if self._is_open and not self._clients else None
                    )
                }
            if self._signals in ready and self._signals.take() in (signal.SIGTERM, signal.SIGINT):
                self._close()
            self._reap()
            if self._is_open and self._listener in ready:
                self._fork()

    def _close(self) -> None:
        """Takes no more clients; who looks for the folder finds none."""
        self._is_open = False
        self._listener.close()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _fork(self) -> None:
        with suppress(OSError):  # the client is gone already
            connection, _ = self._listener.accept()
            connection.settimeout(_REQUEST_SECONDS)
            sys.stdout.flush()
            sys.stderr.flush()
            with warnings.catch_warnings():
                # NumPy's library keeps a thread, which forks are prepared for.
                warnings.simplefilter("ignore", DeprecationWarning)
                pid = os.fork()
            if not pid:
                self._become(connection)
            self._clients[pid] = connection
            self._used_at = time.monotonic()
            # A client that is gone shows by the end of the process, which waits for its request.
            with suppress(OSError):
                connection.sendall(f"{pid}\n".encode())

    def _become(self, connection: socket.socket) -> None:
        """Does, in the fork, what a client asks for. Never returns."""
        status = 1
        try:
            os.setsid()
            self._listener.close()
            os.close(self._lock)
            for other in self._clients.values():
                other.close()
            status = _run(connection)
        except BaseException:
            traceback.print_exc()
        finally:
            with suppress(Exception):
                sys.stdout.flush()
                sys.stderr.flush()
            os._exit(status)

    def _reap(self) -> None:
        """Tells the clients of ended processes; what such a process has started ends with it."""
        for pid, connection in list(self._clients.items()):
            if os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
                continue
            # Before its number can be another's.
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(pid, signal.SIGKILL)
            _, status = os.waitpid(pid, 0)
            code = -os.WTERMSIG(status) if os.WIFSIGNALED(status) else os.WEXITSTATUS(status)
            with suppress(OSError):
                connection.sendall(f"{code}\n".encode())
            connection.close()
            del self._clients[pid]
            self._used_at = time.monotonic()


# Of a selector: longer ones some systems refuse.
_LONGEST_WAIT_SECONDS = 86_400.0


def _run(connection: socket.socket) -> int:
    """Turns this fork into the process that the client asks for, and returns its exit code."""
    # Until then Ctrl-C and the like do what they do in a fresh interpreter.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        request, descriptors = _take_request(connection)
    except (EOFError, OSError):
        return 0
    connection.close()
    log, *others = descriptors
    nothing = os.open(os.devnull, os.O_RDONLY)
    for source, target in ((nothing, 0), (log, 1), (log, 2)):
        os.dup2(source, target)
    os.close(nothing)
    os.close(log)
    os.environ.clear()
    os.environ.update(request["environment"])
    tempfile.tempdir = None  # it was asked for while the framework was imported
    os.chdir(request["folder"])
    arguments = list(request["arguments"])
    for flag, number in zip(request["flags"], others):
        os.set_inheritable(number, True)
        arguments += [flag, str(number)] if flag else []
    # A compiled file stands for a source of the same second and size, which an edit may be.
    sys.dont_write_bytecode = True
    _draw_afresh()
    sys.argv[1:] = arguments
    gc.enable()
    try:
        runpy.run_module(request["package"], run_name="__main__", alter_sys=True)
    except SystemExit as ended:
        if isinstance(ended.code, str):
            print(ended.code, file=sys.stderr)
            return 1
        return int(ended.code or 0)
    return 0


def _draw_afresh() -> None:
    """Gives NumPy's generator numbers of this process's own; Python's own does so by itself."""
    numbers = sys.modules.get("numpy.random")
    if numbers is not None:
        numbers.seed()


def stamped_files() -> Iterator[tuple[str, int, int]]:
    """Yields (path, time of change in ns, bytes) of the files by which one sees that this code is outdated.

    These are ours, and the first file of each package that is imported.
    """
    for name, module in sorted(sys.modules.items()):
        path = getattr(module, "__file__", None)
        if path and ("." not in name or name.startswith("padiff_")):
            with suppress(OSError):
                status = os.stat(path)
                yield path, status.st_mtime_ns, status.st_size


def main(arguments: Optional[list[str]] = None) -> int:
    """Imports, announces that it is ready, and serves forks; returns the exit code."""
    given = _parser().parse_args(arguments)
    folder = Path(given.private_folder)
    try:
        for name in given.imported:
            importlib.import_module(name)
    except ImportError as error:
        print(f"padiff-warm: {error}", file=sys.stderr)
        return 2
    if holds_device(open_files()):
        print("padiff-warm: importing it uses the device already, and forks cannot", file=sys.stderr)
        return 2
    # What is here now lives as long as this process; a collection in a fork would copy its pages.
    gc.collect()
    gc.disable()
    gc.freeze()
    # Nobody's child: whoever started it may go on for days, and does not wait for it.
    if os.fork():
        os._exit(0)
    os.setsid()
    keeper = _Keeper(folder, given.lock_fd, given.idle_seconds)
    info = {
        "process": os.getpid(),
        "python": sys.executable,
        "version": package_version(),
        "idle_seconds": given.idle_seconds,
        "files": list(stamped_files()),
    }
    (folder / INFO).write_text(json.dumps(info))
    child.announce(given.announce_fd, str(folder / SOCKET))
    keeper.run()
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="padiff-warm", description=__doc__)
    add = parser.add_argument
    add("--import", dest="imported", action="append", metavar="MODULE", required=True, help="what to import")
    add("--idle-seconds", type=float, required=True, help="end when nobody has come for so long")
    add("--lock-fd", type=int, required=True, help="the lock that says that the folder is in use")
    add("--announce-fd", type=int, required=True, help="a pipe; write a line there when ready")
    add("--private-folder", required=True, help="where the socket is made; removed at the end")
    return parser


if __name__ == "__main__":
    sys.exit(main())
