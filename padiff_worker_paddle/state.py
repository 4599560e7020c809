"""Files of a Paddle model's state."""

from __future__ import annotations

import pickle
from typing import Any, BinaryIO

import numpy as np
import paddle

from padiff_rpc.errors import InvalidRequestError
from padiff_rpc.tensors import HostTensor
from padiff_rpc.v1.words import DType
from padiff_worker.state_files import check_fit, checked_suffix, needing_safetensors, reading
from padiff_worker_paddle import tensors

READABLE = (".pdparams", ".safetensors")
WRITABLE = (".pdparams", ".safetensors")
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


def load_weights(model: Any, path: str) -> None:
    state = _read(path, checked_suffix(path, READABLE, field="weights"))
    expected = model.state_dict()
    check_fit(
        path,
        {name: tuple(tensor.shape) for name, tensor in expected.items()},
        {name: value.spec.shape for name, value in state.items()},
    )
    for name, tensor in expected.items():
        tensors.write(tensor, state[name])


def save_weights(model: Any, path: str) -> None:
    suffix = checked_suffix(path, WRITABLE, field="save")
    state = model.state_dict()
    if suffix == ".safetensors":
        with needing_safetensors():
            from safetensors.paddle import save_file
        save_file({name: tensor.detach().contiguous() for name, tensor in state.items()}, path)
    else:
        paddle.save(state, path)


def _read(path: str, suffix: str) -> dict[str, HostTensor]:
    with reading(path):
        if suffix == ".safetensors":
            with needing_safetensors():
                from safetensors.paddle import load_file
            return {name: tensors.host_copy(tensor) for name, tensor in load_file(path).items()}
        with open(path, "rb") as file:
            state = _ArraysOnly(file, encoding="latin1").load()
        if not isinstance(state, dict):
            raise InvalidRequestError(
                f"{path} holds a {type(state).__name__}, not a state_dict", field="weights"
            )
        return {name: _host_tensor(value) for name, value in state.items() if name != _NAME_TABLE}


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


def _host_tensor(value: Any) -> HostTensor:
    # A tensor outside a state_dict is saved as (name, array).
    array = value[1] if isinstance(value, tuple) and len(value) == 2 else value
    # Paddle writes the bits of bfloat16 as uint16.
    is_bfloat16 = isinstance(array, np.ndarray) and array.dtype == np.uint16
    return HostTensor.from_array(array, DType.BFLOAT16 if is_bfloat16 else None)
