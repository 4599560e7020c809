"""A slow, lossy cable, for kernels without netem: two TAP devices, and a thread that carries frames over."""

from __future__ import annotations

import fcntl
import heapq
import itertools
import os
import random
import select
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from network import Host, ip

TUN = "/dev/net/tun"
# From linux/if_tun.h.
_TUNSETIFF, _IFF_TAP, _IFF_NO_PI = 0x400454CA, 0x0002, 0x1000
_FRAME_BYTES = 65536


@contextmanager
def slow_cable(host: Host, *, delay_seconds: float, loss: float) -> Iterator[SlowCable]:
    """Lengthens the host's cable for the length of the context; open connections stay.

    Each frame takes `delay_seconds` more each way, and of all frames the share `loss` never arrives.
    """
    with ExitStack() as exits:
        near, far = (exits.enter_context(_tap(name)) for name in ("slow-near", "slow-far"))
        ip("-n", host.switch, "link", "add", "joint", "type", "bridge")
        for name, master in (("slow-near", "joint"), ("slow-far", "switch")):
            ip("link", "set", name, "netns", host.switch)
            ip("-n", host.switch, "link", "set", name, "master", master, "up")
        ip("-n", host.switch, "link", "set", "joint", "up")
        ip("-n", host.switch, "link", "set", host.name, "master", "joint")
        cable = SlowCable(near, far, delay_seconds=delay_seconds, loss=loss)
        try:
            yield cable
        finally:
            cable.close()
            ip("-n", host.switch, "link", "set", host.name, "master", "switch")
            ip("-n", host.switch, "link", "delete", "joint")


@contextmanager
def _tap(name: str) -> Iterator[int]:
    descriptor = os.open(TUN, os.O_RDWR | os.O_NONBLOCK)
    try:
        fcntl.ioctl(descriptor, _TUNSETIFF, struct.pack("16sH22x", name.encode(), _IFF_TAP | _IFF_NO_PI))
        yield descriptor
    finally:
        os.close(descriptor)


class SlowCable:
    """Carries frames between two TAP devices until closed; counts what it carried and what it lost."""

    def __init__(self, one: int, other: int, *, delay_seconds: float, loss: float) -> None:
        self.carried = self.lost = 0
        self._delay_seconds, self._loss = delay_seconds, loss
        self._across = {one: other, other: one}
        self._stop_reader, self._stop_writer = os.pipe()
        self._thread = threading.Thread(target=self._carry, name="slow cable")
        self._thread.start()

    def close(self) -> None:
        os.close(self._stop_writer)
        self._thread.join()
        os.close(self._stop_reader)

    def _carry(self) -> None:
        chance = random.Random(0)
        order = itertools.count()
        under_way: list[tuple[float, int, int, bytes]] = []
        while True:
            wait = max(0.0, under_way[0][0] - time.monotonic()) if under_way else None
            ready, _, _ = select.select([self._stop_reader, *self._across], [], [], wait)
            if self._stop_reader in ready:
                return
            for source in ready:
                if chance.random() < self._loss:
                    os.read(source, _FRAME_BYTES)
                    self.lost += 1
                    continue
                frame = os.read(source, _FRAME_BYTES)
                due = time.monotonic() + self._delay_seconds
                heapq.heappush(under_way, (due, next(order), self._across[source], frame))
            while under_way and under_way[0][0] <= time.monotonic():
                _, _, target, frame = heapq.heappop(under_way)
                os.write(target, frame)
                self.carried += 1
