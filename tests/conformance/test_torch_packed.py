"""Packed sequences of Torch: what is captured of them, and what lockstep puts into them."""

from __future__ import annotations

from collections import OrderedDict

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence, pad_packed_sequence  # noqa: E402

from padiff_rpc import trees  # noqa: E402
from padiff_rpc.tensors import HostTensor  # noqa: E402
from padiff_rpc.v1.records import OverridePlace, OverrideTicket, PackedBatch, StepStart  # noqa: E402
from padiff_rpc.v1.words import CallMoment  # noqa: E402
from padiff_worker.conformance.tape import Tape  # noqa: E402
from padiff_worker.lockstep import Lockstep  # noqa: E402
from padiff_worker.overrides import Overrides  # noqa: E402
from padiff_worker.recorder import Recorder, Wanted  # noqa: E402
from padiff_worker_torch.adapter import TorchAdapter  # noqa: E402

ADAPTER = TorchAdapter()
LENGTHS = (2, 4, 1)
X = torch.arange(24, dtype=torch.float32).reshape(3, 4, 2)
WITHIN = (torch.arange(4) < torch.tensor(LENGTHS)[:, None])[..., None]


class Doubled(torch.nn.Module):
    def forward(self, packed):
        return packed._replace(data=packed.data * 2)


class Rows(torch.nn.Module):
    def forward(self, x):
        return x + 0


class Model(torch.nn.Module):
    """Packs; `rows` takes the elements as they are, before they are packed anew."""

    def __init__(self, batch_first=True):
        super().__init__()
        self.doubled, self.rows, self.batch_first = Doubled(), Rows(), batch_first

    def forward(self, x):
        x = x if self.batch_first else x.transpose(0, 1)
        packed = pack_padded_sequence(
            x, torch.tensor(LENGTHS), batch_first=self.batch_first, enforce_sorted=False
        )
        packed = self.doubled(packed)
        packed = self.doubled(packed._replace(data=self.rows(packed.data)))
        out = pad_packed_sequence(packed, batch_first=self.batch_first)[0]
        return out if self.batch_first else out.transpose(0, 1)


def recorded(model, x=X, lockstep=None):
    tape = Tape()
    with Recorder(ADAPTER, ADAPTER.layers(model), tape, Wanted(), lockstep) as recorder:
        output = model(x)
        recorder.begin_backward()
        (output * (1 + torch.arange(24).reshape(3, 4, 2))).sum().backward()
    return tape, output


@pytest.mark.parametrize("batch_first", [True, False])
def test_a_packed_batch_is_captured_in_its_own_order_with_its_lengths(batch_first):
    tape, _ = recorded(Model(batch_first), X.clone().requires_grad_())
    slots = {(event.path, event.call, event.moment.value): event.slots for event in tape.events}
    entry = slots["doubled", 0, "entry"]
    assert [(slot.name, slot.lengths, slot.spec.shape) for slot in entry] == [("0", LENGTHS, (3, 4, 2))]
    within = (X * WITHIN).tolist()
    assert tape.values["input doubled#0.0"] == within
    assert tape.values["output doubled#0.0"] == (X * WITHIN * 2).tolist()
    weights = 1.0 + torch.arange(24).reshape(3, 4, 2)
    assert tape.values["output_gradient doubled#1.0"] == (weights * WITHIN).tolist()
    assert tape.values["input_gradient doubled#0.0"] == (weights * WITHIN * 4).tolist()


def test_a_tensor_that_was_shown_as_it_is_has_another_number_as_a_packed_batch():
    tape, _ = recorded(Model(), X.clone().requires_grad_())
    slots = {(event.path, event.call, event.moment.value): event.slots[0] for event in tape.events}
    doubled, taken = slots["doubled", 0, "exit"], slots["rows", 0, "entry"]
    assert (taken.tensor, taken.lengths) == (doubled.tensor, LENGTHS), "it is the same batch still"
    made, again = slots["rows", 0, "exit"], slots["doubled", 1, "entry"]
    assert (made.lengths, made.spec.shape) == ((), (7, 2))
    assert (again.lengths, again.spec.shape) == (LENGTHS, (3, 4, 2))
    assert again.tensor != made.tensor
    gradient = tape.values["output_gradient rows#0.0"]
    assert sorted(map(tuple, gradient)) == sorted(
        map(tuple, np.array(tape.values["input_gradient doubled#1.0"])[WITHIN[..., 0].numpy()].tolist())
    )


def lockstep(*places, values):
    """Returns what gives each place its value and its gradient."""
    overrides = Overrides(lambda ticket: None, lambda bytes: None)
    for index, (value, gradient) in enumerate(values):
        overrides.deliver(OverrideTicket(place=index), HostTensor.from_array(value))
        ticket = OverrideTicket(place=index, gradient=True)
        overrides.deliver(ticket, HostTensor.from_array(gradient))
    refused = []
    nothing = PackedBatch(args=trees.ABSENT, kwargs=trees.ABSENT)
    start = StepStart(
        lease="",
        step=0,
        batch=nothing,
        backward=True,
        optimize=False,
        overrides=places,
        override_gradients=True,
    )
    return Lockstep(ADAPTER, start, overrides, refused.append, weights=()), refused


def numbers(shape, seed):
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def test_lockstep_fills_a_packed_batch_from_a_padded_one():
    place = OverridePlace(moment=CallMoment.EXIT, path="doubled", call=0, slot="0", tensor=1)
    value, gradient = numbers((3, 4, 2), 1), numbers((3, 4, 2), 2)
    steps, refused = lockstep(place, values=[(value, gradient)])
    x = X.clone().requires_grad_()
    _, output = recorded(Model(), x, steps)
    assert refused == []
    assert torch.equal(output.detach(), torch.from_numpy(value) * 2 * WITHIN)
    assert torch.equal(x.grad, torch.from_numpy(gradient) * 2 * WITHIN)


def test_a_padded_batch_keeps_its_own_behind_the_ends_that_the_other_side_has():
    place = OverridePlace(
        moment=CallMoment.EXIT, path="rows", call=0, slot="0", tensor=1, lengths=LENGTHS, time_first=True
    )
    value, gradient = numbers((4, 3, 2), 1), numbers((4, 3, 2), 2)
    steps, refused = lockstep(place, values=[(value, gradient)])
    model = torch.nn.Sequential(OrderedDict(rows=Rows()))
    x = X.transpose(0, 1).clone().requires_grad_()
    tape = Tape()
    with Recorder(ADAPTER, ADAPTER.layers(model), tape, Wanted(), steps) as recorder:
        output = model(x)
        recorder.begin_backward()
        output.sum().backward()
    within = WITHIN.transpose(0, 1)
    assert refused == []
    assert torch.equal(output.detach(), torch.where(within, torch.from_numpy(value), x.detach()))
    assert torch.equal(x.grad, torch.where(within, torch.from_numpy(gradient), torch.ones(())))


def test_a_batch_of_other_lengths_is_refused():
    place = OverridePlace(moment=CallMoment.ENTRY, path="doubled", call=0, slot="0", tensor=1)
    steps, refused = lockstep(place, values=[(numbers((3, 3, 2), 1), numbers((3, 3, 2), 2))])
    recorded(Model(), X.clone().requires_grad_(), steps)
    assert {one.reason.names for one in refused} == {("[3, 3, 2]", "[3, 4, 2]")}


def test_only_packed_sequences_of_what_can_travel_are_packed():
    packed = pack_padded_sequence(X, torch.tensor((4, 2, 1)), batch_first=True)
    assert ADAPTER.packed(packed).packing.places is None
    assert ADAPTER.packed(packed).packing.lengths == (4, 2, 1)
    assert ADAPTER.tensor_in(packed) is packed.data
    assert ADAPTER.packed(X) is None
    assert ADAPTER.packed(tuple(packed)) is None
    meta = PackedSequence(torch.zeros(7, 2, device="meta"), packed.batch_sizes)
    assert ADAPTER.tensor_in(meta) is None
