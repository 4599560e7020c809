"""A user's specification of a model: its name, its settings, and where it runs."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, dataclass, field, fields
from typing import Any, Optional, Union

import numpy as np

from padiff_client.frameworks import FRAMEWORKS, framework_of
from padiff_client.habits import instead_of_field, instead_of_object
from padiff_rpc import trees
from padiff_rpc.addresses import check_address
from padiff_rpc.errors import InvalidRequestError
from padiff_rpc.names import not_allowed, not_among
from padiff_rpc.paths import checked_path
from padiff_rpc.records import Tree, fields_checked
from padiff_rpc.tensors import FLOATING
from padiff_rpc.v1.records import Label, Model, Tls, WorkerAddress
from padiff_rpc.v1.words import DType

PathLike = Union[str, "os.PathLike[str]"]

_AUTOCAST = ("float16", "bfloat16")


def check_reference(text: Any, *, field: str) -> str:
    """Returns `text` if it reads "package.module:name", one plain identifier after the colon.

    Raises InvalidRequestError otherwise, naming `field`.
    """
    if isinstance(text, str):
        module, colon, name = text.partition(":")
        if colon and name.isidentifier() and all(part.isidentifier() for part in module.split(".")):
            return text
    if not isinstance(text, str) and (callable(text) or framework_of(text)):
        raise InvalidRequestError(instead_of_object(text, field=field))
    raise not_allowed(
        text, f'"package.module:name", as in "my_model.resnet:build"{_meant(text)}', field=field
    )


def _meant(text: Any) -> str:
    """Returns "; nearest: ..." for a file in place of a module, or a dot in place of the colon."""
    if not isinstance(text, str):
        return ""
    module, colon, name = text.partition(":")
    if not colon:
        module, _, name = text.rpartition(".")
    module = module.removesuffix(".py").removeprefix("./").replace("/", ".")
    parts = [*module.split("."), name]
    return f"; nearest: {module}:{name}" if all(part.isidentifier() for part in parts) else ""


@fields_checked("ModelSpec", instead_of_field)
@dataclass(frozen=True)
class ModelSpec:
    """A model by reference, with what its worker needs to know.

    Attributes:
        framework: "torch" or "paddle"; may be empty where `worker` is given.
        model: "package.module:factory", resolved in the worker; empty: the model that the worker at
            `worker` was started with.
        kwargs: keyword arguments of the factory: numbers, strings, None, and lists, tuples, dicts of them.
        python: interpreter of a worker that is started here; default: PADIFF_TORCH_PYTHON or
            PADIFF_PADDLE_PYTHON, then this process's own.
        path: import roots of a worker that is started here; relative ones start at the working directory.
        weights: state file, loaded into the model after it is built; a file of the worker's machine.
        device: as the framework names it: "cpu", "cuda:0", "gpu:0".
        dtype: floating parameters and buffers are cast to it; None leaves them as built.
        train: train mode; False is eval mode.
        seed: seeds Python, NumPy and the framework before the model is built.
        worker: a worker that runs already: its address ("unix:/path" or "host:port"), or what the
            coordinator calls it: its name, or a dict of labels that it has, as {"cuda": "12.6"}.
        token, tls: credentials for `worker`, where that is an address.
        insecure: plain text to a `worker` on another machine.
        loader: "package.module:function", resolved in the worker and called without arguments; returns an
            iterable of batches (a list, a generator, a DataLoader), used in place of batches from here.
        train_step: "package.module:function", called as (model, batch, optimizer) for the whole step.
        autocast: "float16" or "bfloat16": forward and loss run under the framework's autocast to it.
        allow: packages outside `path` that may be referred to, for a worker that is started here.
        recording: a file that `padiff record` wrote, in place of all of the above: nothing runs.
    """

    framework: str = ""
    model: str = ""
    kwargs: Mapping[str, Any] = field(default_factory=dict)
    python: Optional[PathLike] = None
    path: Sequence[PathLike] = ()
    weights: Optional[PathLike] = None
    device: str = "cpu"
    dtype: Optional[str] = None
    train: bool = False
    seed: int = 0
    worker: Union[str, Mapping[str, str], None] = None
    token: Optional[str] = field(default=None, repr=False)
    tls: Optional[Tls] = field(default=None, repr=False)
    allow: Sequence[str] = ()
    insecure: bool = False
    loader: Optional[str] = None
    train_step: Optional[str] = None
    autocast: Optional[str] = None
    recording: Optional[PathLike] = None

    def __post_init__(self) -> None:
        self._check_what()
        self._check_where()
        object.__setattr__(self, "path", _texts(self.path, field="ModelSpec.path", item="folder"))
        for folder in self.path:
            checked_path(os.fspath(folder), field="ModelSpec.path")
        object.__setattr__(self, "allow", _texts(self.allow, field="ModelSpec.allow", item="package"))
        self._pack_kwargs()

    def _check_what(self) -> None:
        if self.framework not in ("", *FRAMEWORKS):
            raise not_among(self.framework, FRAMEWORKS, field="ModelSpec.framework")
        if self.model != "":
            check_reference(self.model, field="ModelSpec.model")
        if not isinstance(self.train, bool):
            raise not_allowed(self.train, "true, false", field="ModelSpec.train")
        if isinstance(self.seed, bool) or not isinstance(self.seed, int) or not 0 <= self.seed < 2**32:
            raise not_allowed(self.seed, "a whole number from 0 to 2**32 - 1", field="ModelSpec.seed")
        if not isinstance(self.device, str) or not self.device:
            raise not_allowed(self.device, 'a device name, as "cpu"', field="ModelSpec.device")
        if self.dtype is not None:
            floating = [str(known) for known in DType if known in FLOATING]
            if self.dtype not in floating:
                raise not_among(self.dtype, floating, field="ModelSpec.dtype")

        for name in ("python", "weights"):
            path = getattr(self, name)
            if not isinstance(path, (str, os.PathLike, type(None))):
                raise not_allowed(path, "a file's path", field=f"ModelSpec.{name}")
            if path is not None:
                checked_path(os.fspath(path), field=f"ModelSpec.{name}")
        if not isinstance(self.token, (str, type(None))):
            raise InvalidRequestError("not allowed; allowed: a text", field="ModelSpec.token")
        for name in ("loader", "train_step"):
            if getattr(self, name) is not None:
                check_reference(getattr(self, name), field=f"ModelSpec.{name}")
        if self.autocast not in (None, *_AUTOCAST):
            raise not_among(self.autocast, _AUTOCAST, field="ModelSpec.autocast")

    def _check_where(self) -> None:
        if self.recording is not None:
            self._check_recording()
            return
        if self.worker is None:
            for name in ("framework", "model"):
                if not getattr(self, name):
                    raise InvalidRequestError(
                        "missing; only with worker= may it be left out", field=f"ModelSpec.{name}"
                    )
            for name in ("token", "tls", "insecure"):
                if getattr(self, name) not in (None, False):
                    raise InvalidRequestError(
                        "is for a worker that runs already; name it by worker, or leave this out",
                        field=f"ModelSpec.{name}",
                    )
            return
        for name in ("python", "path", "allow"):
            if getattr(self, name):
                raise InvalidRequestError(
                    "is for a worker that is started here; leave it out beside worker",
                    field=f"ModelSpec.{name}",
                )
        if self.tls is not None and not isinstance(self.tls, Tls):
            raise InvalidRequestError(
                "not allowed; allowed: Tls(ca=..., certificate=..., key=...) or Tls.from_files",
                field="ModelSpec.tls",
            )
        if not isinstance(self.insecure, bool):
            raise not_allowed(self.insecure, "true, false", field="ModelSpec.insecure")
        self._check_worker()

    def _check_recording(self) -> None:
        for own in fields(self):
            default = own.default if own.default_factory is MISSING else own.default_factory()
            if own.name != "recording" and getattr(self, own.name) != default:
                raise InvalidRequestError(
                    "a recording has all of its model; leave it out", field=f"ModelSpec.{own.name}"
                )
        if not isinstance(self.recording, (str, os.PathLike)) or not os.fspath(self.recording):
            raise not_allowed(self.recording, "a file's path", field="ModelSpec.recording")

    def _check_worker(self) -> None:
        if self.has_worker_address:
            check_address(
                str(self.worker),
                has_tls=self.tls is not None,
                insecure=self.insecure,
                field="ModelSpec.worker",
            )
            return
        labels = self.worker
        if labels == "" or not isinstance(labels, (str, Mapping)):
            raise not_allowed(
                labels,
                "an address (unix:/path, host:port), a worker's name, or a dict of its labels",
                field="ModelSpec.worker",
            )
        if isinstance(labels, Mapping) and not (
            labels and all(isinstance(word, str) for pair in labels.items() for word in pair)
        ):
            raise InvalidRequestError(
                f"{dict(labels)!r} is not allowed; allowed: one or more labels, name and "
                'value texts in quotes, as {"cuda": "12.6"}',
                field="ModelSpec.worker",
            )
        for name in ("token", "tls", "insecure"):
            if getattr(self, name) not in (None, False):
                raise InvalidRequestError(
                    "the coordinator has the credentials of the workers that it knows; "
                    "leave it out with a worker's name or labels",
                    field=f"ModelSpec.{name}",
                )

    @property
    def has_worker_address(self) -> bool:
        """Whether `worker` is an address, and not a name or labels, which only a coordinator can look up."""
        return isinstance(self.worker, str) and ":" in self.worker

    def worker_address(self) -> WorkerAddress:
        """Returns `worker` as the coordinator is told of it."""
        if isinstance(self.worker, Mapping):
            return WorkerAddress(
                labels=tuple(Label(name=name, value=value) for name, value in self.worker.items())
            )
        if not self.has_worker_address:
            return WorkerAddress(name=self.worker or "")
        return WorkerAddress(
            address=self.worker or "", token=self.token or "", tls=self.tls, insecure=self.insecure
        )

    def _pack_kwargs(self) -> Tree:
        if not isinstance(self.kwargs, Mapping) or not all(isinstance(name, str) for name in self.kwargs):
            raise InvalidRequestError(
                "not allowed; allowed: a dict from argument names to values", field="ModelSpec.kwargs"
            )
        plain = trees.map_leaves(
            dict(self.kwargs), lambda leaf, _: leaf.item() if isinstance(leaf, np.generic) else leaf
        )
        return trees.pack(plain, where="ModelSpec.kwargs")

    def to_model(self, *, loss: str = "", optimizer: str = "") -> Model:
        """Returns what the worker is told; a state file becomes absolute where the worker is started here."""
        weights = os.fspath(self.weights) if self.weights is not None else ""
        if weights and self.worker is None:
            weights = os.path.abspath(os.path.expanduser(weights))
        return Model(
            framework=self.framework,
            model=self.model,
            kwargs=self._pack_kwargs() if self.kwargs else trees.ABSENT,
            weights=weights,
            device=self.device,
            dtype=DType(self.dtype) if self.dtype is not None else None,
            train=self.train,
            seed=self.seed,
            loss=loss,
            optimizer=optimizer,
            loader=self.loader or "",
            train_step=self.train_step or "",
            autocast=DType(self.autocast) if self.autocast is not None else None,
        )


def _texts(values: Any, *, field: str, item: str) -> tuple[str, ...]:
    if isinstance(values, (str, os.PathLike)):
        values = (values,)
    if not isinstance(values, (list, tuple)) or not all(isinstance(v, (str, os.PathLike)) for v in values):
        raise not_allowed(values, f"a list of {item} names", field=field)
    return tuple(os.fspath(value) for value in values)
