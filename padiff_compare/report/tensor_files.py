"""Tensors of kept runs in safetensors files, each of which is written whole or not at all."""

from __future__ import annotations

import importlib
import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from padiff_rpc.errors import PaDiffError
from padiff_rpc.tensors import COMPLEX, Array, HostTensor, numpy_dtype
from padiff_rpc.v1.words import DType

SUFFIX = ".safetensors"
_DTYPES = "dtypes"
# Complex elements lie as pairs of their parts, since not every version of safetensors knows them; bfloat16
# as its bits, since NumPy knows none. The file says what they are.
_PARTS = {DType.COMPLEX64: np.float32, DType.COMPLEX128: np.float64}


def write_tensors(path: Path, tensors: Mapping[str, HostTensor]) -> None:
    """Writes a file of named tensors, which nobody else can read. Raises OSError, PaDiffError."""
    safetensors = _safetensors()
    beside = path.with_suffix(".new")
    try:
        dtypes = json.dumps({name: str(tensor.dtype) for name, tensor in tensors.items()})
        arrays = {name: _laid_out(tensor) for name, tensor in tensors.items()}
        safetensors.numpy.save_file(arrays, os.fspath(beside), {_DTYPES: dtypes})
        os.chmod(beside, 0o600)
        os.replace(beside, path)
    except OSError:
        raise
    except Exception as error:  # safetensors has an error of its own for a full disk
        raise OSError(f"{path}: {error}") from None
    finally:
        beside.unlink(missing_ok=True)


def read_tensor(path: Path, name: str) -> HostTensor:
    """Returns one tensor of a file. Raises PaDiffError for a file that is damaged."""
    safetensors = _safetensors()
    try:
        with safetensors.safe_open(os.fspath(path), "np") as file:
            dtype = DType(json.loads(file.metadata()[_DTYPES])[name])
            array: Array = file.get_tensor(name)
        if dtype in COMPLEX:
            array = array.view(numpy_dtype(dtype)).reshape(array.shape[:-1])
        return HostTensor(array=array, dtype=dtype)
    except Exception as error:  # whatever a damaged file makes of its reader
        raise PaDiffError(f"{path}: cannot be read as tensors: {type(error).__name__}: {error}") from None


def _safetensors() -> Any:
    """Returns the package, imported when it is needed. Raises PaDiffError where it is missing."""
    try:
        importlib.import_module("safetensors.numpy")
        return importlib.import_module("safetensors")
    except ImportError:
        raise PaDiffError(
            f"tensors of kept runs need a package that is missing; run: {sys.executable} -m pip install "
            "safetensors"
        ) from None


def _laid_out(tensor: HostTensor) -> Array:
    array: Array = np.array(tensor.array, order="C")
    if tensor.dtype in COMPLEX:
        return array.reshape(*array.shape, 1).view(_PARTS[tensor.dtype])
    return array
