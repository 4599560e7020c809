"""Files of a Torch model's state."""

from __future__ import annotations

import os
import pickle
import tarfile
import zipfile
from collections.abc import Mapping
from typing import Any

import torch

from padiff_rpc.errors import InvalidRequestError
from padiff_worker.state_files import StateFiles


def _read(path: str) -> Any:
    _refuse_before_unpacking(path)
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError:
        raise InvalidRequestError(
            f"{path} cannot be read as a state file of tensors in plain dicts and lists; save the state_dict "
            "alone",
            field="weights",
        ) from None


def _refuse_before_unpacking(path: str) -> None:
    """Refuses two kinds of file in which Torch before 2.6 runs code, weights_only or not, and archives that
    unpack to more than they are: Torch stores tensors as they are."""
    if tarfile.is_tarfile(path):
        raise InvalidRequestError(
            f"{path} is a tar archive, as early versions of Torch wrote them; save it again", field="weights"
        )
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            if any(name.endswith("constants.pkl") for name in archive.namelist()):
                raise InvalidRequestError(
                    f"{path} holds a TorchScript module; save its state_dict alone", field="weights"
                )
            unpacked = sum(entry.file_size for entry in archive.infolist())
            if unpacked > os.path.getsize(path):
                raise InvalidRequestError(
                    f"{path} is compressed ({unpacked} bytes unpacked); save it with torch.save",
                    field="weights",
                )


def _write(state: Mapping[str, Any], path: str) -> None:
    torch.save({name: _on_host(value) for name, value in state.items()}, path)


def _on_host(value: Any) -> Any:
    # A module's own extra state is of any kind.
    return value.detach().cpu() if isinstance(value, torch.Tensor) else value


STATE_FILES = StateFiles(
    framework="torch",
    tensor=torch.Tensor,
    suffixes=(".pt", ".pth"),
    read=_read,
    write=_write,
    fill=lambda model, state: model.load_state_dict(state),
)
