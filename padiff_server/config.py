"""The coordinator's configuration, a YAML file; docs/deploy.md describes the keys."""

from __future__ import annotations

import os
import re
from typing import Optional

from padiff_rpc import logs
from padiff_rpc.addresses import is_local
from padiff_rpc.errors import InvalidRequestError
from padiff_rpc.names import reason
from padiff_rpc.records import record
from padiff_rpc.serving import Serving, checked_seconds, read_token
from padiff_rpc.tls_files import TlsFiles
from padiff_rpc.v1.records import Label
from padiff_rpc.yaml_nodes import Entry, load
from padiff_server.worker_directory import ConfiguredWorker, DialRule, WorkerTls

_TOP = (
    "listen",
    "tls",
    "token_file",
    "insecure",
    "health_listen",
    "workers",
    "limits",
    "allow_any_worker",
    "worker_wait_seconds",
    "drain_seconds",
    "log_format",
)
_WORKER = ("framework", "address", "labels", "tls", "token_file", "insecure")
_LIMITS = ("memory_limit_mib", "spill_folder", "sessions")
# No colon: that tells an address from a name.
_NAME = re.compile(r"^[A-Za-z0-9][\w.-]*$")


@record
class Capacity:
    """What the coordinator may use.

    Attributes:
        memory_limit_mib: captures held in memory; more goes to the spill folder.
        spill_folder: where; None: the system's temporary folder.
        sessions: comparisons at once.
    """

    memory_limit_mib: int = 1024
    spill_folder: Optional[str] = None
    sessions: int = 4


@record
class Config:
    """Everything that a coordinator is started with."""

    serving: Serving = Serving()
    dial_rule: DialRule = DialRule()
    limits: Capacity = Capacity()


def read_config(path: str) -> Config:
    """Returns what the file at `path` describes; relative paths in it start at its folder.

    Raises InvalidRequestError as "file:line: key: what is wrong".
    """
    try:
        with open(path, encoding="utf-8") as file:
            content = file.read()
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidRequestError(f"{path}: cannot be read: {reason(error)}") from None
    return _Reader(os.path.dirname(os.path.abspath(path))).config(load(content, path))


class _Reader:
    """Reads the file's parts; `folder` is where its relative paths start."""

    def __init__(self, folder: str) -> None:
        self._folder = folder

    def config(self, top: Entry) -> Config:
        found = top.known(*_TOP)
        serving = self._serving(found)
        return Config(
            serving=serving,
            dial_rule=DialRule(
                workers=self._workers(found["workers"], serving) if "workers" in found else (),
                allows_any=_flag(found, "allow_any_worker"),
                wait_seconds=_seconds(found, "worker_wait_seconds", DialRule().wait_seconds),
            ),
            limits=self._limits(found["limits"]) if "limits" in found else Capacity(),
        )

    def _serving(self, found: dict[str, Entry]) -> Serving:
        defaults = Serving()
        return Serving(
            listen=_text(found, "listen", defaults.listen),
            tls=self._server_tls(found["tls"]) if "tls" in found else None,
            token=self._token(found["token_file"]) if "token_file" in found else "",
            insecure=_flag(found, "insecure"),
            health_listen=_text(found, "health_listen", ""),
            drain_seconds=_seconds(found, "drain_seconds", defaults.drain_seconds),
            log_format=_log_format(found["log_format"]) if "log_format" in found else defaults.log_format,
        )

    def _server_tls(self, entry: Entry) -> TlsFiles:
        paths = self._tls_paths(entry)
        for key in ("certificate", "key"):
            if key not in paths:
                raise entry.error(f"the key {key!r} is missing")
        files = TlsFiles(certificate=paths["certificate"], key=paths["key"], ca=paths.get("ca", ""))
        with entry.pointing("tls"):
            files.read()
        return files

    def _tls_paths(self, entry: Entry) -> dict[str, str]:
        return {key: self._path(one) for key, one in entry.known("certificate", "key", "ca").items()}

    def _workers(self, entry: Entry, serving: Serving) -> tuple[ConfiguredWorker, ...]:
        workers = []
        for name, one in entry.entries().items():
            if not _NAME.match(name):
                raise one.error("not allowed as a name; allowed: letters, digits, '_', '.', '-'")
            workers.append(self._worker(name, one, serving))
        return tuple(workers)

    def _worker(self, name: str, entry: Entry, serving: Serving) -> ConfiguredWorker:
        found = entry.known(*_WORKER)
        if "address" not in found:
            raise entry.error("the key 'address' is missing")
        address, insecure = found["address"].text(), _flag(found, "insecure")
        with entry.pointing("worker"):
            if "tls" in found:
                tls: Optional[WorkerTls] = self._worker_tls(found["tls"])
            else:
                plain = insecure or is_local(address, field="worker.address")
                tls = None if plain else _own_tls(serving)
            return ConfiguredWorker(
                name=name,
                address=address,
                framework=_text(found, "framework", ""),
                labels=_labels(found["labels"]) if "labels" in found else (),
                tls=tls,
                token_file=self._token_file(found["token_file"]) if "token_file" in found else "",
                insecure=insecure,
            )

    def _worker_tls(self, entry: Entry) -> WorkerTls:
        tls = WorkerTls(**self._tls_paths(entry))
        with entry.pointing("tls"):
            tls.read()
        return tls

    def _limits(self, entry: Entry) -> Capacity:
        found = entry.known(*_LIMITS)
        defaults = Capacity()
        return Capacity(
            memory_limit_mib=_count(found, "memory_limit_mib", defaults.memory_limit_mib),
            spill_folder=self._path(found["spill_folder"]) if "spill_folder" in found else None,
            sessions=_count(found, "sessions", defaults.sessions),
        )

    def _token(self, entry: Entry) -> str:
        with entry.pointing():
            return read_token(self._path(entry), field="value")

    def _token_file(self, entry: Entry) -> str:
        self._token(entry)
        return self._path(entry)

    def _path(self, entry: Entry) -> str:
        return os.path.abspath(os.path.join(self._folder, os.path.expanduser(entry.text())))


def _own_tls(serving: Serving) -> Optional[WorkerTls]:
    """Returns the coordinator's own certificate as what it shows to workers of the same CA."""
    own = serving.tls
    if not isinstance(own, TlsFiles) or not own.ca:
        return None
    return WorkerTls(ca=own.ca, certificate=own.certificate, key=own.key)


def _labels(entry: Entry) -> tuple[Label, ...]:
    found = entry.entries()
    return tuple(
        Label(name=name, value=one.of_type(str, 'a text; put numbers in quotes, as "12.6"'))
        for name, one in found.items()
    )


def _text(found: dict[str, Entry], key: str, default: str) -> str:
    return found[key].text() if key in found else default


def _flag(found: dict[str, Entry], key: str) -> bool:
    return found[key].of_type(bool, "true, false") if key in found else False


def _count(found: dict[str, Entry], key: str, default: int) -> int:
    if key not in found:
        return default
    count = found[key].of_type(int, "a whole number of at least 1")
    if count < 1:
        raise found[key].error(f"{count} is not allowed; allowed: a whole number of at least 1")
    return count


def _seconds(found: dict[str, Entry], key: str, default: float) -> float:
    if key not in found:
        return default
    entry = found[key]
    value = entry.value()
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise entry.error(f"{value!r} is not allowed; allowed: seconds, at least 0")
    with entry.pointing():
        return checked_seconds(value, field="value")


def _log_format(entry: Entry) -> str:
    form = entry.text()
    if form not in (logs.TEXT, logs.JSON):
        raise entry.error(f"{form!r} is not allowed; allowed: {logs.TEXT}, {logs.JSON}")
    return form
