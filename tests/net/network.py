"""Hosts on this machine: network namespaces with addresses of their own, joined by a switch in one more.

Nothing touches the machine's own network: the switch, too, lives in a namespace. Needs root and `ip`.
"""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

PREFIX = "padiff-net"
_NAMESPACES = Path("/run/netns")


def ip(*arguments: str) -> str:
    """Runs `ip`; returns what it prints. Raises CalledProcessError, with what it says in `stderr`."""
    return subprocess.run(["ip", *arguments], check=True, capture_output=True, text=True).stdout


@dataclass(frozen=True)
class Host:
    """A network namespace with one address, and the port of the switch that its cable ends in."""

    name: str
    address: str
    hardware_address: str
    namespace: str
    switch: str

    def command(self, *arguments: str) -> list[str]:
        """Returns the command line that runs `arguments` on this host."""
        return ["ip", "netns", "exec", self.namespace, *arguments]

    @contextmanager
    def cut_off(self) -> Iterator[None]:
        """Takes the link down for the length of the context: what is sent is lost, and nobody is told."""
        ip("-n", self.switch, "link", "set", self.name, "down")
        try:
            yield
        finally:
            ip("-n", self.switch, "link", "set", self.name, "up")


@contextmanager
def open_network(names: Sequence[str]) -> Iterator[dict[str, Host]]:
    """Provides a host of each name on one switch; at the end all of it is gone.

    Raises CalledProcessError where no namespaces, cables or switches can be made.
    """
    _sweep()
    switch = f"{PREFIX}-{os.getpid()}-switch"
    with ExitStack() as exits:
        exits.enter_context(_namespace(switch))
        ip("-n", switch, "link", "add", "switch", "type", "bridge")
        ip("-n", switch, "link", "set", "switch", "up")
        hosts = {}
        for number, name in enumerate(names, start=1):
            namespace = exits.enter_context(_namespace(f"{PREFIX}-{os.getpid()}-{name}"))
            hosts[name] = Host(name, f"10.88.0.{number}", f"02:00:00:00:00:{number:02x}", namespace, switch)
            _plug_in(hosts[name])
        for host in hosts.values():
            _introduce(host, [other for other in hosts.values() if other is not host])
        yield hosts


def _plug_in(host: Host) -> None:
    inner = ("peer", "uplink", "netns", host.namespace, "address", host.hardware_address)
    ip("-n", host.switch, "link", "add", host.name, "type", "veth", *inner)
    ip("-n", host.switch, "link", "set", host.name, "master", "switch", "up")
    ip("-n", host.namespace, "address", "add", f"{host.address}/24", "dev", "uplink")
    ip("-n", host.namespace, "link", "set", "uplink", "up")
    ip("-n", host.namespace, "link", "set", "lo", "up")


def _introduce(host: Host, others: Sequence[Host]) -> None:
    """Spares `host` asking who has an address, so that nothing tells it that one is gone."""
    for other in others:
        entry = (other.address, "lladdr", other.hardware_address, "dev", "uplink", "nud", "permanent")
        ip("-n", host.namespace, "neighbour", "add", *entry)


@contextmanager
def _namespace(name: str) -> Iterator[str]:
    ip("netns", "add", name)
    try:
        yield name
    finally:
        ip("netns", "delete", name)


def _sweep() -> None:
    """Removes what a killed run left: its namespaces carry its process id."""
    for file in _NAMESPACES.glob(f"{PREFIX}-*"):
        found = re.match(rf"{PREFIX}-(\d+)-", file.name)
        if found and not Path("/proc", found[1]).exists():
            ip("netns", "delete", file.name)
