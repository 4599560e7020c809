"""Pairs of the two models' outputs, for the default loss of both."""

from __future__ import annotations

from padiff_rpc.v1.words import CallMoment, Side
from padiff_server.alignment.slots import pair_slots
from padiff_server.capture.trace import Traces
from padiff_server.sides import SIDES


def loss_slots(traces: Traces) -> dict[Side, tuple[str, ...]]:
    """Returns each side's root output slots, partners at the same position.

    The default loss projects the n-th of them by the n-th fixed tensor, so a tuple and a mapping of the
    same outputs have the same loss. Outputs without a partner come last. Without traces: empty.
    """
    reference, candidate = (traces[side].returned for side in SIDES)
    pairing = pair_slots(CallMoment.EXIT, reference, candidate)
    return {
        Side.REFERENCE: (
            *(pair.reference.name for pair in pairing.pairs),
            *(slot.name for slot in pairing.only_reference),
        ),
        Side.CANDIDATE: (
            *(pair.candidate.name for pair in pairing.pairs),
            *(slot.name for slot in pairing.only_candidate),
        ),
    }
