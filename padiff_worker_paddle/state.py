"""Files of a Paddle model's state."""

from __future__ import annotations

import os
import pickle
from collections import OrderedDict
from collections.abc import Mapping
from typing import Any, BinaryIO

import numpy as np
import paddle

from padiff_rpc.errors import InvalidRequestError
from padiff_rpc.tensors import HostTensor
from padiff_rpc.v1.words import DType
from padiff_worker.state_files import StateFiles
from padiff_worker_paddle.tensors import TENSORS

# paddle.save adds an entry of its own beside the tensors: structured name -> Paddle's global name.
_NAME_TABLE = "StructuredToParameterName@@"
# How often tied weights may name one array.
_MOST_SHARED = 16


def _read(path: str) -> Any:
    with open(path, "rb") as file:
        state = _ArraysOnly(file, encoding="latin1").load()
    if not isinstance(state, dict):
        return state
    # A few bytes may name one array many times, and each becomes a tensor of its own.
    unpacked = sum(array.nbytes for array in map(_array, state.values()) if isinstance(array, np.ndarray))
    if unpacked > _MOST_SHARED * os.path.getsize(path):
        raise InvalidRequestError(
            f"{path} unpacks to {unpacked} bytes, many times its size; save the state_dict alone",
            field="weights",
        )
    return {name: _tensor(value) for name, value in state.items() if name != _NAME_TABLE}


def _fill(model: Any, state: Mapping[str, Any]) -> None:
    for name, tensor in model.state_dict().items():
        TENSORS.write_weight(tensor, TENSORS.host_copy(state[name]))


class _ArraysOnly(pickle.Unpickler):
    """Reads a .pdparams file without running its code: paddle.load unpickles whatever is in there.

    What a pickled array is made of is called with the arguments that NumPy writes, and with no others: they
    make what the file's own bytes then fill.
    """

    def __init__(self, file: BinaryIO, *, encoding: str) -> None:
        super().__init__(file, encoding=encoding)

    def find_class(self, module: str, name: str) -> Any:
        try:
            return _MADE_OF[module.replace("numpy._core", "numpy.core"), name]
        except KeyError:
            raise pickle.UnpicklingError(
                f"it holds a {module}.{name} and only arrays are taken; save the state_dict alone"
            ) from None


class _ArrayClass:
    """Stands for numpy.ndarray, which is named and never called."""


def _empty_array(cls: Any, shape: Any, code: Any) -> Any:
    if cls is not _ArrayClass or tuple(shape) != (0,):
        raise pickle.UnpicklingError("it makes an array otherwise than NumPy does")
    return np.ndarray.__new__(np.ndarray, (0,), "b")


def _dtype(text: Any, *_: Any) -> Any:
    if not (isinstance(text, str) and len(text) <= _LONGEST_DTYPE):
        raise pickle.UnpicklingError("it holds an array of records and only numbers are taken")
    return np.dtype(text)


def _bytes(text: Any, encoding: Any) -> bytes:
    if encoding != "latin1":
        raise pickle.UnpicklingError("it holds bytes otherwise than NumPy writes them")
    return bytes(text, encoding)


_LONGEST_DTYPE = 4
# In NumPy 1 and 2.
_MADE_OF = {
    ("_codecs", "encode"): _bytes,
    ("collections", "OrderedDict"): OrderedDict,
    ("numpy", "dtype"): _dtype,
    ("numpy", "ndarray"): _ArrayClass,
    ("numpy.core.multiarray", "_reconstruct"): _empty_array,
}


def _array(value: Any) -> Any:
    # A tensor outside a state_dict is saved as (name, array).
    return value[1] if isinstance(value, tuple) and len(value) == 2 else value


def _tensor(value: Any) -> Any:
    array = _array(value)
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
