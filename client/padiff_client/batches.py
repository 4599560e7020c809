"""Batches of the two models, one pair a step, and the form in which they travel."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Optional

import numpy as np

from padiff_client.tensor_leaves import check_gradient, host_tensor, identity, is_tensor, requires_grad
from padiff_rpc import trees
from padiff_rpc.errors import InvalidRequestError
from padiff_rpc.limits import limits
from padiff_rpc.names import said_by
from padiff_rpc.records import Tree, fields_checked, record
from padiff_rpc.tensors import HostTensor
from padiff_rpc.v1 import records


@fields_checked("Batch")
@dataclass(frozen=True, eq=False)
class Batch:
    """The arguments of one call of a model, and the loss's target.

    Leaves are NumPy arrays, `Input`s, Torch or Paddle tensors, numbers, strings, bytes, None; they may
    be nested in dicts, lists and tuples. Without a target the loss is called with the output alone.
    """

    args: tuple[Any, ...] = ()
    kwargs: Mapping[str, Any] = field(default_factory=dict)
    target: Any = None

    def __post_init__(self) -> None:
        if not isinstance(self.args, (tuple, list)):
            raise InvalidRequestError(
                f"a {type(self.args).__name__} is not allowed; allowed: a tuple or list of "
                "positional arguments, as in Batch(args=(x,))",
                field="Batch.args",
            )
        if not isinstance(self.kwargs, Mapping) or not all(isinstance(name, str) for name in self.kwargs):
            raise InvalidRequestError(
                "not allowed; allowed: a dict from argument names to values", field="Batch.kwargs"
            )
        object.__setattr__(self, "args", tuple(self.args))
        object.__setattr__(self, "kwargs", dict(self.kwargs))


@record
class Pulled:
    """One side's batch of one step, and what its user calls it and its arguments."""

    batch: Batch
    name: str
    args_name: str
    kwargs_name: str


@record
class PulledPair:
    """Both sides' batches of one step."""

    candidate: Pulled
    reference: Pulled


class BatchPairs:
    """Pulls the pair (candidate, reference) of a comparison's inputs, step after step.

    A Batch or a dict is used at every step; of anything else that can be iterated, one item a step.
    One and the same iterable on both sides is pulled once a step.
    """

    def __init__(self, example_inp: Any, names: Optional[tuple[str, str]] = None) -> None:
        """`names`: what a file calls the candidate's inputs and the reference's; None: they are arguments."""
        if not isinstance(example_inp, (tuple, list)) or len(example_inp) != 2:
            raise InvalidRequestError(
                f"{_kind(example_inp)} is not allowed; allowed: a pair (candidate's input, "
                "reference's input), each a Batch, a dict of keyword arguments, or an iterable of these; "
                f"for both alike, write {_for_both(example_inp)}",
                field="example_inp",
            )
        candidate, reference = example_inp
        is_file = names is not None
        called = names or ("example_inp[0]", "example_inp[1]")
        self._candidate = _Source(candidate, called[0], is_file)
        self._reference = (
            self._candidate if reference is candidate else _Source(reference, called[1], is_file)
        )

    def pull(self, step: int) -> PulledPair:
        """Returns the pair of `step`; steps are asked for in order.

        Raises InvalidRequestError when an iterable has ended, holds something else, or raised.
        """
        candidate = self._candidate.pull(step)
        reference = candidate if self._reference is self._candidate else self._reference.pull(step)
        return PulledPair(candidate=candidate, reference=reference)


class _Source:
    def __init__(self, given: Any, name: str, is_file: bool) -> None:
        """`is_file`: a file gives the arguments by themselves, without a Batch around them."""
        self._name = name
        self._is_file = is_file
        self._constant = self._pulled(given, name)
        self._items: Optional[Iterator[Any]] = None
        if self._constant is None:
            if is_tensor(given) or isinstance(given, (str, bytes)) or not isinstance(given, Iterable):
                raise InvalidRequestError(
                    f"{_kind(given)} is not allowed; allowed: a Batch (positional arguments: "
                    "Batch(args=(x,))), a dict of keyword arguments, or an iterable of these",
                    field=name,
                )
            self._items = iter(given)

    def pull(self, step: int) -> Pulled:
        if self._items is None:
            assert self._constant is not None
            return self._constant
        name = f"{self._name}[{step}]"
        try:
            item = next(self._items)
        except StopIteration:
            raise InvalidRequestError(
                f"ended after {step} batches; every step needs one, so give more or fewer steps",
                field=self._name,
            ) from None
        except (Exception, SystemExit) as error:  # sys.exit(0) must not pass for a match
            raise InvalidRequestError(f"{type(error).__name__}: {said_by(error)}", field=name) from error
        pulled = self._pulled(item, name)
        if pulled is None:
            raise InvalidRequestError(
                f"{_kind(item)} is not allowed; allowed: a Batch (positional arguments: "
                "Batch(args=(x,)), with a target: Batch(args=(x,), target=y)) or a dict of keyword arguments",
                field=name,
            )
        return pulled

    def _pulled(self, given: Any, name: str) -> Optional[Pulled]:
        """Returns what a batch or a dict gives; None for anything else."""
        if isinstance(given, Batch) and not self._is_file:
            return Pulled(batch=given, name=name, args_name=f"{name}.args", kwargs_name=f"{name}.kwargs")
        batch = Batch(kwargs=given) if isinstance(given, Mapping) else given
        if not isinstance(batch, Batch):
            return None
        return Pulled(batch=batch, name=name, args_name=name, kwargs_name=name)


def _for_both(given: Any) -> str:
    """Returns the pair to write where one input was given for both."""
    if is_tensor(given) or not isinstance(given, Iterable):
        return "(Batch(args=(x,)), Batch(args=(x,)))"
    return "(inputs, inputs)"


def _kind(value: Any) -> str:
    return f"a {type(value).__name__}"


@record
class EncodedPair:
    """A pair as it travels: the trees, and the tensors that they point at, by number."""

    batch: records.SendBatch
    tensors: tuple[tuple[int, HostTensor], ...]


class PairEncoder:
    """Encodes the pairs of one stream; tensor numbers grow from pair to pair.

    A tensor object that occurs several times, on both sides or in nested places, is sent once.
    """

    def __init__(self) -> None:
        self._next = 1

    def encode(self, step: int, pair: PulledPair) -> EncodedPair:
        """Returns `pair` encoded. Raises InvalidRequestError that names the leaf which cannot travel."""
        numbering = _Numbering(self._next)
        send = records.SendBatch(
            step=step,
            candidate=_encode_batch(pair.candidate, numbering),
            reference=_encode_batch(pair.reference, numbering),
        )
        self._next += len(numbering.tensors)
        return EncodedPair(batch=send, tensors=tuple(numbering.tensors.items()))


class _Numbering:
    def __init__(self, first: int) -> None:
        self._first = first
        # With the leaf: one that a lazy Mapping made would else be gone, and the next have its id.
        self._numbers: dict[tuple[int, Optional[str]], tuple[int, Any]] = {}
        self.tensors: dict[int, HostTensor] = {}

    def plain(self, value: Any, where: str, depth: int = 0) -> Any:
        """Returns `value` with references in place of tensors, Python's own scalars in place of NumPy's."""
        if depth > limits().tree_depth:
            raise trees.too_deep(where)
        if isinstance(value, Mapping):
            return {key: self.plain(item, f"{where}[{key!r}]", depth + 1) for key, item in value.items()}
        if isinstance(value, (list, tuple)):
            items = [self.plain(item, f"{where}[{i}]", depth + 1) for i, item in enumerate(value)]
            return tuple(items) if isinstance(value, tuple) else items
        if is_tensor(value):
            return self._reference(value, where)
        return value.item() if isinstance(value, np.generic) else value

    def _reference(self, leaf: Any, where: str) -> trees.TensorRef:
        key = identity(leaf)
        if key not in self._numbers:
            number = self._first + len(self._numbers)
            self._numbers[key] = number, leaf
            self.tensors[number] = host_tensor(leaf, where=where)
        number, _ = self._numbers[key]
        check_gradient(leaf, self.tensors[number].dtype, where=where)
        return trees.TensorRef(number=number, requires_grad=requires_grad(leaf))


def _encode_batch(pulled: Pulled, numbering: _Numbering) -> records.PackedBatch:
    batch = pulled.batch

    def packed(value: Any, where: str) -> Tree:
        return trees.pack(numbering.plain(value, where), where=where)

    return records.PackedBatch(
        args=packed(list(batch.args), pulled.args_name),
        kwargs=packed(dict(batch.kwargs), pulled.kwargs_name),
        target=trees.ABSENT if batch.target is None else packed(batch.target, f"{pulled.name}.target"),
        args_name=pulled.args_name,
        kwargs_name=pulled.kwargs_name,
    )
