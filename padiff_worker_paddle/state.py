"""Files of a Paddle model's state."""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from typing import Any, BinaryIO

import numpy as np
import paddle

from padiff_rpc.tensors import HostTensor
from padiff_rpc.v1.words import DType
from padiff_worker.state_files import StateFiles
from padiff_worker_paddle.tensors import TENSORS

# paddle.save adds an entry of its own beside the tensors: structured name -> Paddle's global name.
_NAME_TABLE = "StructuredToParameterName@@"
# What a pickled NumPy array is made of, in NumPy 1 and 2.
_HARMLESS = {
    ("_codecs", "encode"),
    ("collections", "OrderedDict"),
    ("numpy", "dtype"),
    ("numpy", "ndarray"),
    ("numpy.core.multiarray", "_reconstruct"),
    ("numpy._core.multiarray", "_reconstruct"),
}


def _read(path: str) -> Any:
    with open(path, "rb") as file:
        state = _ArraysOnly(file, encoding="latin1").load()
    if not isinstance(state, dict):
        return state
    return {name: _tensor(value) for name, value in state.items() if name != _NAME_TABLE}


def _fill(model: Any, state: Mapping[str, Any]) -> None:
    for name, tensor in model.state_dict().items():
        TENSORS.write_weight(tensor, TENSORS.host_copy(state[name]))


class _ArraysOnly(pickle.Unpickler):
    """Reads a .pdparams file without running its code: paddle.load unpickles whatever is in there."""

    def __init__(self, file: BinaryIO, *, encoding: str) -> None:
        super().__init__(file, encoding=encoding)

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) in _HARMLESS:
            return super().find_class(module, name)
        raise pickle.UnpicklingError(
            f"it holds a {module}.{name} and only arrays are taken; save the state_dict alone"
        )


def _tensor(value: Any) -> Any:
    # A tensor outside a state_dict is saved as (name, array).
    array = value[1] if isinstance(value, tuple) and len(value) == 2 else value
    # Paddle writes the bits of bfloat16 as uint16.
    is_bfloat16 = isinstance(array, np.ndarray) and array.dtype == np.uint16
    held = HostTensor.from_array(array, DType.BFLOAT16 if is_bfloat16 else None)
    return TENSORS.made(held, device="cpu", requires_grad=False)


STATE_FILES = StateFiles(
    framework="paddle",
    tensor=paddle.Tensor,
    suffixes=(".pdparams",),
    read=_read,
    write=paddle.save,
    fill=_fill,
)
