"""A comparison described in a YAML file; docs/spec.md describes the keys."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import field, fields
from typing import Any, NewType, Optional

from padiff_client.comparison import Comparison
from padiff_client.input_files import input_names, read_inputs
from padiff_client.layer_map import LayerMap
from padiff_client.recording import RecordingAsked
from padiff_client.session import Server
from padiff_client.spec import ModelSpec, check_reference
from padiff_client.spec_paths import near_file
from padiff_rpc.addresses import check_address
from padiff_rpc.errors import InvalidRequestError
from padiff_rpc.names import known_names, nearest, reason
from padiff_rpc.paths import UNREADABLE
from padiff_rpc.records import record
from padiff_rpc.serving import read_token
from padiff_rpc.typed_files import REQUIRED, Count, FilePath, Reader
from padiff_rpc.v1.records import IgnoredLayers, Options, Tls
from padiff_rpc.v1.words import Side
from padiff_rpc.yaml_nodes import Entry, load

_CodeName = NewType("_CodeName", str)
_Interpreter = NewType("_Interpreter", str)
# The default of a key, and no value of any.
_ABSENT: Any = object()
# Words that YAML takes for something else, as randomness: off.
_WORDS = ("diff_phase", "compare_mode", "trace", "loss", "randomness", "floor", "detail", "level")
_IGNORING = ("ignore", "ignore_recursively", "ignore_class")


@record
class _Model:
    """The keys of one model; what is not given is left to `ModelSpec`."""

    framework: Any = _ABSENT
    model: Any = _ABSENT
    kwargs: Any = _ABSENT
    python: _Interpreter = _ABSENT
    path: tuple[FilePath, ...] = _ABSENT
    allow: tuple[str, ...] = _ABSENT
    worker: Any = _ABSENT
    token: Any = _ABSENT
    token_file: Entry = _ABSENT
    tls: Tls = _ABSENT
    insecure: Any = _ABSENT
    device: Any = _ABSENT
    dtype: Any = _ABSENT
    autocast: Any = _ABSENT
    train: Any = _ABSENT
    seed: Any = _ABSENT
    loader: Any = _ABSENT
    train_step: Any = _ABSENT
    loss: _CodeName = _CodeName("")
    optimizer: _CodeName = _CodeName("")
    weights: Entry = _ABSENT
    recording: FilePath = _ABSENT


@record
class _Server:
    """The keys under `server`."""

    address: str = REQUIRED
    token: str = _ABSENT
    token_file: Entry = _ABSENT
    tls: Optional[Tls] = None
    insecure: bool = False


@record
class _SpecialInit:
    """The keys of one special initialiser."""

    reference: str = REQUIRED
    candidate: str = REQUIRED
    function: str = REQUIRED

    def __post_init__(self) -> None:
        check_reference(self.function, field="_SpecialInit")


@record
class _LayerMap:
    """The keys under `layer_map`."""

    pairs: Mapping[str, str] = field(default_factory=dict)
    ignore: IgnoredLayers = IgnoredLayers()
    ignore_recursively: IgnoredLayers = IgnoredLayers()
    ignore_class: IgnoredLayers = IgnoredLayers()
    special_init: tuple[_SpecialInit, ...] = ()


@record
class _File:
    """The keys at the top of the file.

    Attributes:
        reference: The model that is taken as right.
        candidate: The model that is judged.
        steps: How many steps; more than one needs optimizers.
        auto_weights: Copy the reference's weights into the candidate first.
        options: How the two are compared.
        layer_map: Which layers belong together, and which do not count.
        server: A coordinator that runs already; default: one is started here.
    """

    reference: Optional[_Model] = None
    candidate: Optional[_Model] = None
    inputs: Optional[Entry] = None
    steps: Count = Count(1)
    auto_weights: bool = True
    options: Options = Options()
    layer_map: LayerMap = field(default_factory=LayerMap)
    server: Optional[Server] = None


@record
class _BothSided(_File):
    """The keys of a file of which both models are used."""

    reference: _Model = REQUIRED
    candidate: _Model = REQUIRED


_TOP, _MODEL, _PAIRING, _OPTIONS = (
    tuple(one.name for one in fields(keys)) for keys in (_File, _Model, _LayerMap, Options)
)


@record
class ScriptsFile:
    """The keys of a file for two scripts, which bring their models, inputs and optimizers themselves."""

    options: Options = Options()
    layer_map: LayerMap = field(default_factory=LayerMap)


@record
class SpecFile:
    """What a file asks for, and where in it."""

    top: Entry
    comparison: Comparison

    @contextmanager
    def pointing(self) -> Iterator[None]:
        """Makes InvalidRequestErrors raised inside point into the file, where they name a key of it."""
        try:
            yield
        except InvalidRequestError as error:
            # The names that the arguments of `auto_diff` have.
            raise self.top.located(error, {"layer": "candidate", "module": "reference"}) from None


@record
class RecordingSpec:
    """What a file asks for of one of its models, and where in it."""

    top: Entry
    asked: RecordingAsked

    @contextmanager
    def pointing(self) -> Iterator[None]:
        """As that of `SpecFile`."""
        try:
            yield
        except InvalidRequestError as error:
            raise self.top.located(error, {}) from None


def read_comparison(path: str, *, with_inputs: bool = True) -> SpecFile:
    """Returns what the file at `path` describes; relative paths in it start at its folder.

    A function under `inputs` is called, unless they are left out. Raises InvalidRequestError as
    "file:line: key: what is wrong".
    """
    top = load(path, "" if os.path.exists(path) else near_file(path))
    given = _READER.read(top, _BothSided)
    if given.inputs is None and not any(map(_may_have_batches, (given.reference, given.candidate))):
        raise top.error(
            "the key 'inputs' is missing; write one, as {x: {shape: [2, 4]}}, or give both models a loader"
        )
    comparison = Comparison(
        reference=_spec(given.reference, top.entries()["reference"]),
        candidate=_spec(given.candidate, top.entries()["candidate"]),
        losses=(given.candidate.loss, given.reference.loss),
        optimizers=(given.candidate.optimizer, given.reference.optimizer),
        options=given.options,
        layer_map=given.layer_map.to_record(),
        steps=given.steps,
        auto_weights=given.auto_weights,
        server=given.server,
        input_names=None if given.inputs is None else input_names(given.inputs),
        # Last, since it may run the user's code.
        example_inp=None if given.inputs is None or not with_inputs else read_inputs(given.inputs),
    )
    return SpecFile(top=top, comparison=comparison)


def read_scripts_file(path: str) -> ScriptsFile:
    """Returns what the file at `path` says of the comparison of two scripts. Raises as `read_comparison`."""
    return _READER.read(load(path, "" if os.path.exists(path) else near_file(path)), ScriptsFile)


def read_recording(path: str, side: Side) -> RecordingSpec:
    """Returns what the file at `path` describes of one side, as `read_comparison`; it may name it alone."""
    top = load(path, "" if os.path.exists(path) else near_file(path))
    given = _READER.read(top, _File)
    model = given.reference if side is Side.REFERENCE else given.candidate
    if model is None:
        raise top.error(f"the key '{side}' is missing; name the model to record")
    if model.recording is not _ABSENT:
        raise top.entries()[str(side)].error("is a recording already; name a model")
    if given.inputs is None and not _may_have_batches(model):
        raise top.error(
            "the key 'inputs' is missing; write one, as {x: {shape: [2, 4]}}, or give the model a loader"
        )
    place = 1 if side is Side.REFERENCE else 0
    inputs = None if given.inputs is None else read_inputs(given.inputs)[place]
    asked = RecordingAsked(
        model=_spec(model, top.entries()[str(side)]),
        inputs=inputs,
        input_name=None if given.inputs is None else input_names(given.inputs)[place],
        steps=given.steps,
        options=given.options,
        loss=model.loss,
        optimizer=model.optimizer,
        server=given.server,
        field=str(side),
    )
    return RecordingSpec(top=top, asked=asked)


def _may_have_batches(given: _Model) -> bool:
    """Whether a model has a loader, or a recording: its file, or a worker that may show one."""
    is_shown = given.recording is not _ABSENT or (given.worker is not _ABSENT and given.model is _ABSENT)
    return is_shown or given.loader is not _ABSENT


def _elsewhere(key: str) -> str:
    """Returns where in a file a key belongs that is not where it stands, or an empty text."""
    if key in ("layer", "module"):
        return f"unknown key; the key for it is {'candidate' if key == 'layer' else 'reference'}"
    if key in _MODEL:  # before the options: both have a loss
        return f"belongs to one model; write {key}: under reference and candidate"
    if key in _OPTIONS:
        return f"an option; write options: {{{key}: ...}}"
    return "a key of its own; write it at the top of the file" if key in _TOP else ""


def _spec(given: _Model, entry: Entry) -> ModelSpec:
    named = {**vars(given), "token": _token(given.token, given.token_file)}
    for name in ("token_file", "loss", "optimizer"):
        del named[name]
    runs_already = given.worker is not _ABSENT
    if given.weights is not _ABSENT:
        # A running worker's files are its own machine's.
        named["weights"] = given.weights.text() if runs_already else given.weights.path()
    if given.path is _ABSENT and not runs_already and given.recording is _ABSENT:
        named["path"] = (entry.folder,)
    with entry.pointing("ModelSpec"):
        return ModelSpec(**{name: value for name, value in named.items() if value is not _ABSENT})


def _token(given: Any, file: Any) -> Any:
    """Returns a token that is given itself or in a file; _ABSENT for neither."""
    if file is _ABSENT:
        return given
    if given is not _ABSENT:
        raise file.error("there is a token as well; give one of them")
    return file.read(lambda entry: read_token(entry.path(), field="value"))


def _options(entry: Entry) -> Options:
    found = entry.known(*_OPTIONS, advice=_elsewhere, kind="option")
    values = {key: one.as_written() if key in _WORDS else one.value() for key, one in found.items()}
    with entry.pointing("options"):
        return Options.from_mapping(values)


def _layer_map(entry: Entry) -> LayerMap:
    if not entry.is_mapping:
        entry.of_type(str, "a mapping, or a plan's file")
        plan = entry.path()
        if not os.path.isfile(plan):
            raise entry.error(f"{plan} is no file{near_file(plan)}")
        return LayerMap.load(plan)
    given = _READER.read(entry, _LayerMap)
    made = LayerMap(given.pairs)
    for key in _IGNORING:
        sides = getattr(given, key)
        getattr(made, key)(reference=sides.reference, candidate=sides.candidate)
    for special in given.special_init:
        made.special_init((special.reference, special.candidate), special.function)
    return made


def _no_pair(key: str) -> str:
    return (
        ""
        if nearest(key, _PAIRING)
        else f"unknown key; write pairs: {{{key}: ...}}; {known_names(key, _PAIRING)}"
    )


def _server(entry: Entry) -> Server:
    given = _READER.read(entry, _Server) if entry.is_mapping else _Server(address=entry.text())
    with entry.pointing("server"):
        check_address(
            given.address, has_tls=given.tls is not None, insecure=given.insecure, field="server.address"
        )
    token = _token(given.token, given.token_file)
    return Server(
        address=given.address,
        token="" if token is _ABSENT else token,
        tls=given.tls,
        insecure=given.insecure,
    )


def _interpreter(entry: Entry) -> str:
    python = entry.text()
    return entry.path() if os.sep in python else python


def _file_bytes(entry: Entry) -> bytes:
    try:
        with open(entry.path(), "rb") as file:
            return file.read()
    except UNREADABLE as error:
        raise entry.error(f"cannot be read: {reason(error)}") from None


_READER = Reader(
    {
        bytes: _file_bytes,
        Options: _options,
        LayerMap: _layer_map,
        Server: _server,
        _Interpreter: _interpreter,
        _CodeName: lambda entry: check_reference(entry.value(), field="value"),
    },
    advice={
        _File: _elsewhere,
        _BothSided: _elsewhere,
        ScriptsFile: _elsewhere,
        _Model: _elsewhere,
        _LayerMap: _no_pair,
    },
)
