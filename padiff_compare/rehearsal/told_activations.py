"""Activations that a layer says it applies to its own result, while its partner says that it applies none."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Optional

from padiff_compare.alignment.activations import ACTIVATIONS, COMPUTED, Activation
from padiff_compare.alignment.plan import PairedLayer
from padiff_compare.alignment.slots import SlotPair
from padiff_compare.capture.sides import SIDES, TensorPair, other
from padiff_compare.join.calls import JoinedCalls
from padiff_compare.model_index import Models
from padiff_rpc.v1.words import CallMoment, Side


def told_activations(joined: JoinedCalls, models: Models) -> Mapping[TensorPair[int], Activation]:
    """Returns them by the tensors that the two layers return, where NumPy can compute them.

    Left out are tensors that something takes on both sides as they are, or that the models return.
    """
    told: dict[TensorPair[int], Activation] = {}
    taken: set[TensorPair[int]] = set()
    for call in joined.pairs:
        if call.moment is CallMoment.ENTRY or call.is_root_exit:
            taken.update(pair.tensors for pair in call.slots.pairs)
            continue
        activation = _told(call.layer, models)
        if activation is not None:
            told.update((pair.tensors, activation) for pair in call.slots.pairs if _is_computable(pair))
    return {tensors: activation for tensors, activation in told.items() if tensors not in taken}


def _is_computable(pair: SlotPair) -> bool:
    return pair.reference.spec == pair.candidate.spec and pair.reference.spec.dtype in COMPUTED


def _told(layer: PairedLayer, models: Models) -> Optional[Activation]:
    said = {
        Side.REFERENCE: models[Side.REFERENCE].fused_activation(layer.reference),
        Side.CANDIDATE: models[Side.CANDIDATE].fused_activation(layer.candidate),
    }
    for side in SIDES:
        activation = Activation(name=said[side] or "", side=side)
        if activation in ACTIVATIONS and said[other(side)] == "":
            return activation
    return None
