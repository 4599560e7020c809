"""Check of a trace that a worker sent: numbers that name something, before anything relies on them."""

from __future__ import annotations

from padiff_rpc.errors import ProtocolError
from padiff_rpc.fingerprints import SIZE
from padiff_rpc.v1.records import FunctionTrace


def checked(trace: FunctionTrace) -> FunctionTrace:
    """Returns the trace. Raises ProtocolError for one that names tensors or calls that it does not have."""
    if [one.number for one in trace.tensors] != list(range(1, len(trace.tensors) + 1)):
        raise ProtocolError(f"a trace of functions ({trace.path!r}) does not number its tensors from 1")
    if [one.number for one in trace.calls] != list(range(1, len(trace.calls) + 1)):
        raise ProtocolError(f"a trace of functions ({trace.path!r}) does not number its calls from 1")
    named = {number for call in trace.calls for number in (*call.inputs, *call.outputs)}
    named |= {one.tensor for one in trace.boundaries}
    named |= {one.replaced_by for one in trace.boundaries if one.replaced_by}
    made = {one.producer for one in trace.tensors if one.producer}
    if any(not 0 < number <= len(trace.tensors) for number in named) or (
        made and max(made) > len(trace.calls)
    ):
        raise ProtocolError(f"a trace of functions ({trace.path!r}) names what it does not have")
    if any(len(one.fingerprint) not in (0, 8 * SIZE) for one in trace.tensors):
        raise ProtocolError(f"a fingerprint in a trace of functions ({trace.path!r}) has another size")
    return trace
