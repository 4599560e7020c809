"""Files of kept tensors: every dtype and shape comes back, and a failure leaves no half of a file."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import numpy as np
import pytest

from padiff_compare.report.tensor_files import read_tensor, write_tensors
from padiff_rpc.errors import PaDiffError
from padiff_rpc.tensors import HostTensor, numpy_dtype
from padiff_rpc.v1.words import DType


@pytest.mark.parametrize("shape", [(), (0, 3), (2, 3)])
@pytest.mark.parametrize("dtype", list(DType))
def test_a_tensor_comes_back(tmp_path: Path, dtype: DType, shape: tuple[int, ...]) -> None:
    array = np.arange(6).astype(numpy_dtype(dtype))[: int(np.prod(shape))].reshape(shape)
    # Neither order of axes is lost.
    tensors = {
        "a": HostTensor(array=array, dtype=dtype),
        "b": HostTensor(array=array.T, dtype=dtype),
    }
    write_tensors(tmp_path / "0.safetensors", tensors)
    for name, tensor in tensors.items():
        again = read_tensor(tmp_path / "0.safetensors", name)
        assert again.spec == tensor.spec
        np.testing.assert_array_equal(again.array, tensor.array)
    assert [file.name for file in tmp_path.iterdir()] == ["0.safetensors"]
    assert stat.S_IMODE(os.stat(tmp_path / "0.safetensors").st_mode) == 0o600


def test_what_cannot_be_written_is_an_error_of_the_system(tmp_path: Path) -> None:
    tensor = HostTensor.from_array(np.zeros(3, np.float32))
    with pytest.raises(OSError, match="nowhere"):
        write_tensors(tmp_path / "nowhere" / "0.safetensors", {"a": tensor})


@pytest.mark.parametrize("content", [b"", b"\xff" * 40, b"\x02\0\0\0\0\0\0\0{}"])
def test_a_damaged_file_is_one_line(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "0.safetensors"
    file.write_bytes(content)
    with pytest.raises(PaDiffError, match="cannot be read as tensors"):
        read_tensor(file, "a")
