"""The coordinator's configuration, a YAML file; docs/deploy.md describes the keys."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import field
from typing import NewType, Optional

from padiff_rpc import logs
from padiff_rpc.addresses import is_local
from padiff_rpc.errors import InvalidRequestError
from padiff_rpc.records import record, word
from padiff_rpc.serving import Serving, checked_seconds, read_token
from padiff_rpc.tls_files import TlsFiles
from padiff_rpc.typed_files import REQUIRED, Count, FilePath, Reader
from padiff_rpc.v1.records import Label
from padiff_rpc.yaml_nodes import Entry, load
from padiff_server.clients import Rights
from padiff_server.rights import Right
from padiff_server.worker_directory import ConfiguredWorker, DialRule, WorkerTls

# No colon: that tells an address from a name.
_NAME = re.compile(r"^[A-Za-z0-9][\w.-]*$")

_Token = NewType("_Token", str)
_SomeRights = NewType("_SomeRights", frozenset[Right])
_LabelValue = NewType("_LabelValue", str)


@record
class Capacity:
    """What the coordinator may use.

    Attributes:
        memory_limit_mib: captures and batches held in memory; more goes to the spill folder.
        spill_folder: where; None: the system's temporary folder.
        floors_folder: where floors that were measured are kept, and traces; None: they are not.
        sessions: comparisons at once.
    """

    memory_limit_mib: Count = Count(2048)
    spill_folder: Optional[FilePath] = None
    floors_folder: Optional[FilePath] = None
    sessions: Count = Count(4)


@record
class Config:
    """Everything that a coordinator is started with.

    Attributes:
        clients: what each client may do, by name; None: whoever gets in has all rights.
        audit_log: the file with a line for each session; empty: they go to the process's log.
        metrics_listen: where scrapes of Prometheus are answered, in plain text; empty: nowhere.
    """

    serving: Serving = Serving()
    dial_rule: DialRule = DialRule()
    limits: Capacity = Capacity()
    clients: Optional[Rights] = None
    audit_log: str = ""
    metrics_listen: str = ""

    def named_clients(self) -> Optional[Rights]:
        """Returns who may call and what they may do; None for everybody.

        Raises InvalidRequestError where there is a list and callers show nothing that names them.
        """
        if self.clients is not None and not (self.serving.tls is not None and self.serving.tls.ca):
            raise InvalidRequestError(
                "a client's name is that of its certificate, and none is asked for: give tls a ca (--tls-ca)",
                field="clients",
            )
        return self.clients


@record
class _ServerTls:
    """The keys under `tls`."""

    certificate: FilePath = REQUIRED
    key: FilePath = REQUIRED
    ca: FilePath = FilePath("")


@record
class _WorkerTls:
    """The keys under `tls` of a worker."""

    certificate: FilePath = FilePath("")
    key: FilePath = FilePath("")
    ca: FilePath = FilePath("")


@record
class _Worker:
    """The keys of one worker."""

    framework: str = ""
    address: str = REQUIRED
    labels: Mapping[str, _LabelValue] = field(default_factory=dict)
    tls: Optional[WorkerTls] = None
    token_file: FilePath = FilePath("")
    insecure: bool = False

    def __post_init__(self) -> None:
        if self.token_file:
            read_token(self.token_file, field="_Worker.token_file")


@record
class _File:
    """The keys at the top of the file."""

    listen: str = Serving().listen
    tls: Optional[TlsFiles] = None
    token_file: _Token = _Token("")
    insecure: bool = False
    health_listen: str = ""
    metrics_listen: str = ""
    clients: Optional[Mapping[str, _SomeRights]] = None
    workers: Mapping[str, Entry] = field(default_factory=dict)
    limits: Capacity = Capacity()
    allow_any_worker: bool = False
    worker_wait_seconds: float = DialRule().wait_seconds
    shared_memory: str = ""
    drain_seconds: float = Serving().drain_seconds
    log_format: str = Serving().log_format
    audit_log: FilePath = FilePath("")

    def __post_init__(self) -> None:
        if self.log_format not in (logs.TEXT, logs.JSON):
            raise InvalidRequestError(
                f"{self.log_format!r} is not allowed; allowed: {logs.TEXT}, {logs.JSON}",
                field="_File.log_format",
            )


def read_config(path: str) -> Config:
    """Returns what the file at `path` describes; relative paths in it start at its folder.

    Raises InvalidRequestError as "file:line: key: what is wrong".
    """
    given = _READER.read(load(path), _File)
    serving = Serving(
        listen=given.listen,
        tls=given.tls,
        token=given.token_file,
        insecure=given.insecure,
        health_listen=given.health_listen,
        drain_seconds=given.drain_seconds,
        log_format=given.log_format,
    )
    dial_rule = DialRule(
        workers=tuple(_worker(name, entry, given.tls) for name, entry in given.workers.items()),
        allows_any=given.allow_any_worker,
        wait_seconds=given.worker_wait_seconds,
        shared_memory=given.shared_memory,
    )
    return Config(
        serving=serving,
        dial_rule=dial_rule,
        limits=given.limits,
        clients=given.clients,
        audit_log=given.audit_log,
        metrics_listen=given.metrics_listen,
    )


def read_clients(path: str) -> Rights:
    """Returns what the file at `path` says of clients now.

    Raises InvalidRequestError for what is wrong with that, and where the file says nothing of them.
    """
    clients = load(path).entries().get("clients")
    if clients is None:
        raise InvalidRequestError(f"{path}: the key 'clients' is missing; clients: {{}} lets nobody in")
    return {name: entry.read(_rights) for name, entry in clients.items()}


def _worker(name: str, entry: Entry, own: Optional[TlsFiles]) -> ConfiguredWorker:
    if not _NAME.match(name):
        raise entry.error("not allowed as a name; allowed: letters, digits, '_', '.', '-'")
    given = _READER.read(entry, _Worker)
    with entry.pointing("worker"):
        tls = given.tls
        if tls is None and not (given.insecure or is_local(given.address, field="worker.address")):
            # The coordinator's own certificate serves for workers of the same CA.
            tls = WorkerTls(ca=own.ca, certificate=own.certificate, key=own.key) if own and own.ca else None
        return ConfiguredWorker(
            name=name,
            address=given.address,
            framework=given.framework,
            labels=tuple(Label(name=label, value=value) for label, value in given.labels.items()),
            tls=tls,
            token_file=given.token_file,
            insecure=given.insecure,
        )


def _server_tls(entry: Entry) -> TlsFiles:
    given = _READER.read(entry, _ServerTls)
    files = TlsFiles(certificate=given.certificate, key=given.key, ca=given.ca)
    with entry.pointing("tls"):
        files.read()
    return files


def _worker_tls(entry: Entry) -> WorkerTls:
    given = _READER.read(entry, _WorkerTls)
    files = WorkerTls(certificate=given.certificate, key=given.key, ca=given.ca)
    with entry.pointing("tls"):
        files.read()
    return files


def _rights(entry: Entry) -> frozenset[Right]:
    found = frozenset(one.read(_right) for one in entry.one_or_more())
    if not found:
        raise entry.error(f"[] is not allowed; allowed: one or more of {', '.join(map(str, Right))}")
    return found


def _right(entry: Entry) -> Right:
    return word(Right, entry.as_written(), field="value")


def _seconds(entry: Entry) -> float:
    value = entry.value()
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise entry.error(f"{value!r} is not allowed; allowed: seconds, at least 0")
    return checked_seconds(value, field="value")


_READER = Reader(
    {
        TlsFiles: _server_tls,
        WorkerTls: _worker_tls,
        float: _seconds,
        _SomeRights: _rights,
        _Token: lambda entry: read_token(entry.path(), field="value"),
        _LabelValue: lambda entry: entry.of_type(str, 'a text; put numbers in quotes, as "12.6"'),
    }
)
