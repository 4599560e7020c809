"""What the comparison makes of the words for layers and weights."""

from __future__ import annotations

from dataclasses import replace
from typing import Optional

from padiff_compare.alignment.kinds import canonical_shape, is_aside, is_bookkeeping, is_table
from padiff_rpc.v1.records import TensorSpec, Weight
from padiff_rpc.v1.words import BufferRole, DType, WeightKind, WeightLayout


def weight(name: str, *shape: int, layout: Optional[WeightLayout] = None) -> Weight:
    spec = TensorSpec(dtype=DType.FLOAT32, shape=shape)
    return Weight(name=name, kind=WeightKind.PARAMETER, spec=spec, layout=layout)


def buffer(role: Optional[BufferRole] = None) -> Weight:
    return replace(weight("any", 8), kind=WeightKind.BUFFER, role=role)


def test_a_table_that_no_state_file_holds_is_bookkeeping() -> None:
    assert is_bookkeeping(replace(buffer(), unsaved=True))
    assert not is_bookkeeping(buffer())


def test_only_a_buffer_can_be_bookkeeping_or_computed() -> None:
    for role in (BufferRole.BOOKKEEPING, BufferRole.COMPUTED):
        assert is_aside(buffer(role))
        assert not is_aside(replace(buffer(role), kind=WeightKind.PARAMETER))


def test_what_is_gathered_or_counted_is_no_table() -> None:
    assert is_table(buffer())
    assert not any(is_table(buffer(role)) for role in BufferRole)


def test_shapes_are_compared_in_one_layout() -> None:
    in_out, out_in = WeightLayout.IN_OUT, WeightLayout.OUT_IN
    assert canonical_shape("linear", weight("weight", 3, 5, layout=in_out)) == (5, 3)
    assert canonical_shape("linear", weight("weight", 5, 3, layout=out_in)) == (5, 3)
    assert canonical_shape("linear", weight("bias", 5)) == (5,)
    assert canonical_shape("layer_norm", weight("weight", 4, 8)) == (32,)
