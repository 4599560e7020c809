"""A process beside another one that ends it when its client is gone.

It is a process of its own since the other may hold Python's lock for as long as it likes, in a model that
computes in C. Run as a file, by an interpreter without site packages: this module imports nothing of ours.
"""

from __future__ import annotations

import contextlib
import os
import select
import shutil
import signal
import sys


def start(descriptor: int, private_folder: str) -> None:
    """Starts such a process beside this one, which ends when this one does.

    `descriptor` is the reading end of a pipe, or one of a pair of sockets; nothing is read from it. When the
    other end has closed, this process is killed, with all others of its group where it leads one, and
    `private_folder` is removed ("" for none).
    """
    mine, _ = os.pipe()
    start_for(os.getpid(), descriptor, mine, private_folder)
    os.close(mine)
    # The writing end stays open for as long as this process lives.


def start_for(pid: int, descriptor: int, watched: int, private_folder: str = "") -> None:
    """As `start`, for the process `pid`; `watched` is the reading end of a pipe that it holds."""
    os.set_inheritable(watched, True)
    os.set_inheritable(descriptor, True)
    arguments = [str(descriptor), str(watched), str(pid), private_folder]
    # Isolated: nothing in the environment or the current folder is imported.
    command = [sys.executable, "-I", "-S", __file__, *arguments]
    # In a group of its own: a signal for the client's whole group is not for who sees to its end.
    os.posix_spawn(sys.executable, command, os.environ, setpgroup=0)


def watch(client: int, watched: int, pid: int, private_folder: str) -> None:
    """Returns when the process `pid`, at the other end of `watched`, has ended; ends it with the client."""
    # What else was inherited is not to be kept open: a pipe's other end may wait for its end.
    for name in os.listdir("/dev/fd"):
        if int(name) > 2 and int(name) not in (client, watched):
            with contextlib.suppress(OSError):
                os.close(int(name))
    poll = select.poll()
    for descriptor in (client, watched):
        poll.register(descriptor, 0)  # for its end alone
    if watched in (descriptor for descriptor, _ in poll.poll()):
        return
    if private_folder:
        shutil.rmtree(private_folder, ignore_errors=True)
    with contextlib.suppress(ProcessLookupError):
        leads = os.getpgid(pid) == pid
        (os.killpg if leads else os.kill)(pid, signal.SIGKILL)


if __name__ == "__main__":
    watch(int(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), sys.argv[4])
