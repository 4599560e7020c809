"""A comparison described in a YAML file; docs/spec.md describes the keys."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import fields
from typing import Any, Optional

from padiff_client.comparison import Comparison
from padiff_client.input_files import input_names, read_inputs
from padiff_client.layer_map import LayerMap
from padiff_client.session import Server
from padiff_client.spec import ModelSpec, check_reference
from padiff_client.spec_paths import beside, near_file
from padiff_rpc.addresses import check_address
from padiff_rpc.errors import InvalidRequestError
from padiff_rpc.names import known_names, nearest, reason
from padiff_rpc.records import record
from padiff_rpc.serving import read_token
from padiff_rpc.v1.records import Options, Tls
from padiff_rpc.yaml_nodes import Entry, load

_TOP = ("reference", "candidate", "inputs", "steps", "auto_weights", "options", "layer_map", "server")
_MODEL = (
    "framework",
    "model",
    "kwargs",
    "python",
    "path",
    "allow",
    "worker",
    "token",
    "token_file",
    "tls",
    "insecure",
    "device",
    "dtype",
    "autocast",
    "train",
    "seed",
    "loader",
    "train_step",
    "loss",
    "optimizer",
    "weights",
)
_PLAIN_MODEL = (
    "framework",
    "model",
    "worker",
    "token",
    "insecure",
    "device",
    "dtype",
    "autocast",
    "train",
    "seed",
    "loader",
    "train_step",
    "kwargs",
)
_OPTIONS = tuple(field.name for field in fields(Options))
_WORDS = ("diff_phase", "compare_mode", "trace", "loss", "randomness")
_IGNORING = ("ignore", "ignore_recursively", "ignore_class")


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


def read_comparison(path: str, *, with_inputs: bool = True) -> SpecFile:
    """Returns what the file at `path` describes; relative paths in it start at its folder.

    A function under `inputs` is called, unless they are left out. Raises InvalidRequestError as
    "file:line: key: what is wrong".
    """
    try:
        with open(path, encoding="utf-8") as file:
            content = file.read()
    except (OSError, UnicodeDecodeError) as error:
        near = "" if os.path.exists(path) else near_file(path)
        raise InvalidRequestError(f"{path}: cannot be read: {reason(error)}{near}") from None
    top = load(content, path)
    folder = os.path.dirname(os.path.abspath(path))
    found = top.known(*_TOP, advice=_elsewhere)
    for key in ("reference", "candidate"):
        if key not in found:
            raise top.error(f"the key {key!r} is missing")
    has_loaders = any("loader" in _keys_of(found[side]) for side in ("reference", "candidate"))
    if "inputs" not in found and not has_loaders:
        raise top.error("the key 'inputs' is missing; or give both models a loader")
    reference, reference_loss, reference_optimizer = _model(found["reference"], folder)
    candidate, candidate_loss, candidate_optimizer = _model(found["candidate"], folder)
    comparison = Comparison(
        candidate=candidate,
        reference=reference,
        losses=(candidate_loss, reference_loss),
        optimizers=(candidate_optimizer, reference_optimizer),
        options=_options(found.get("options")),
        layer_map=_layer_map(found.get("layer_map"), folder).to_record(),
        steps=_steps(found.get("steps")),
        auto_weights=found["auto_weights"].of_type(bool, "true, false") if "auto_weights" in found else True,
        server=_server(found.get("server"), folder),
        input_names=input_names(found["inputs"]) if "inputs" in found else None,
        # Last, since it may run the user's code.
        example_inp=read_inputs(found["inputs"], folder) if with_inputs and "inputs" in found else None,
    )
    return SpecFile(top=top, comparison=comparison)


def _elsewhere(key: str) -> str:
    """Returns where in a file a key belongs that is not where it stands, or an empty text."""
    if key in ("layer", "module"):
        return f"unknown key; the key for it is {'candidate' if key == 'layer' else 'reference'}"
    if key in _MODEL:  # before the options: both have a loss
        return f"belongs to one model; write {key}: under reference and candidate"
    if key in _OPTIONS:
        return f"an option; write options: {{{key}: ...}}"
    return "a key of its own; write it at the top of the file" if key in _TOP else ""


def _keys_of(entry: Entry) -> dict[str, Entry]:
    return entry.known(*_MODEL, advice=_elsewhere)


def _model(entry: Entry, folder: str) -> tuple[ModelSpec, str, str]:
    found = _keys_of(entry)
    given: dict[str, Any] = {key: found[key].value() for key in _PLAIN_MODEL if key in found}
    if "python" in found:
        python = found["python"].text()
        given["python"] = beside(folder, python) if os.sep in python else python
    if "path" in found:
        given["path"] = [beside(folder, root) for root in found["path"].texts()]
    elif "worker" not in found:
        given["path"] = [folder]
    if "allow" in found:
        given["allow"] = found["allow"].texts()
    if "weights" in found:
        weights = found["weights"].text()
        # A running worker's files are its own machine's.
        given["weights"] = weights if "worker" in found else beside(folder, weights)
    if "tls" in found:
        given["tls"] = _tls(found["tls"], folder)
    if "token_file" in found:
        given["token"] = _token_in_file(entry, folder)
    for key in ("loss", "optimizer"):
        if key in found:
            found[key].read(lambda one: check_reference(one.value(), field="value"))
    with entry.pointing("ModelSpec"):
        spec = ModelSpec(**given)
    loss, optimizer = (found[key].text() if key in found else "" for key in ("loss", "optimizer"))
    return spec, loss, optimizer


def _options(entry: Optional[Entry]) -> Options:
    if entry is None:
        return Options()
    found = entry.known(*_OPTIONS, advice=_elsewhere, kind="option")
    # Words that YAML takes for something else, as randomness: off.
    values = {key: one.as_written() if key in _WORDS else one.value() for key, one in found.items()}
    with entry.pointing("options"):
        return Options.from_mapping(values)


def _layer_map(entry: Optional[Entry], folder: str) -> LayerMap:
    if entry is None:
        return LayerMap()
    if not entry.is_mapping:
        plan = beside(folder, entry.of_type(str, "a mapping, or a plan's file"))
        if not os.path.isfile(plan):
            raise entry.error(f"{plan} is no file{near_file(plan)}")
        return LayerMap.load(plan)
    found = entry.known("pairs", *_IGNORING, "special_init", advice=_no_pair)
    pairs = found["pairs"].entries() if "pairs" in found else {}
    made = LayerMap({reference: candidate.text() for reference, candidate in pairs.items()})
    for key in _IGNORING:
        if key in found:
            sides = found[key].known("reference", "candidate")
            made = getattr(made, key)(**{side: names.texts() for side, names in sides.items()})
    for item in found["special_init"].items() if "special_init" in found else ():
        parts = item.known("reference", "candidate", "function")
        for key in ("reference", "candidate", "function"):
            if key not in parts:
                raise item.error(f"the key {key!r} is missing")
        with item.pointing("layer_map.special_init"):
            made = made.special_init(
                (parts["reference"].text(), parts["candidate"].text()), parts["function"].text()
            )
    return made


def _no_pair(key: str) -> str:
    known = ("pairs", *_IGNORING, "special_init")
    return (
        "" if nearest(key, known) else f"unknown key; write pairs: {{{key}: ...}}; {known_names(key, known)}"
    )


def _steps(entry: Optional[Entry]) -> int:
    if entry is None:
        return 1
    steps = entry.of_type(int, "a whole number of at least 1")
    if steps < 1:
        raise entry.error(f"{steps} is not allowed; allowed: a whole number of at least 1")
    return steps


def _server(entry: Optional[Entry], folder: str) -> Optional[Server]:
    if entry is None:
        return None
    if not entry.is_mapping:
        server = Server(address=entry.text())
    else:
        found = entry.known("address", "token", "token_file", "tls", "insecure")
        if "address" not in found:
            raise entry.error("the key 'address' is missing")
        token = found["token"].text() if "token" in found else ""
        server = Server(
            address=found["address"].text(),
            token=_token_in_file(entry, folder) if "token_file" in found else token,
            tls=_tls(found["tls"], folder) if "tls" in found else None,
            insecure=found["insecure"].of_type(bool, "true, false") if "insecure" in found else False,
        )
    with entry.pointing("server"):
        check_address(
            server.address,
            has_tls=server.tls is not None,
            insecure=server.insecure,
            field="server.address",
        )
    return server


def _token_in_file(owner: Entry, folder: str) -> str:
    """Returns the token in the file that the mapping `owner` names; it has no token of its own beside it."""
    found = owner.entries()
    entry = found["token_file"]
    if "token" in found:
        raise entry.error("there is a token as well; give one of them")
    path = beside(folder, entry.text())
    with entry.pointing():
        return read_token(path, field="value")


def _tls(entry: Entry, folder: str) -> Tls:
    return Tls(
        **{part: _file_bytes(one, folder) for part, one in entry.known("ca", "certificate", "key").items()}
    )


def _file_bytes(entry: Entry, folder: str) -> bytes:
    try:
        with open(beside(folder, entry.text()), "rb") as file:
            return file.read()
    except OSError as error:
        raise entry.error(f"cannot be read: {reason(error)}") from None
