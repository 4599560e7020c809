"""Files of a Torch model's state."""

from __future__ import annotations

import pickle
import tarfile
import zipfile
from typing import Any

import torch

from padiff_rpc.errors import InvalidRequestError
from padiff_worker.state_files import check_fit, checked_suffix, needing_safetensors, reading

READABLE = (".pt", ".pth", ".safetensors")
WRITABLE = (".pt", ".pth", ".safetensors")


def load_weights(model: Any, path: str) -> None:
    state = _read(path, checked_suffix(path, READABLE, field="weights"))
    expected = {name: tuple(tensor.shape) for name, tensor in _tensors(model.state_dict()).items()}
    check_fit(path, expected, {name: tuple(tensor.shape) for name, tensor in _tensors(state).items()})
    with reading(path):
        model.load_state_dict(state)


def save_weights(model: Any, path: str) -> None:
    suffix = checked_suffix(path, WRITABLE, field="save")
    if suffix == ".safetensors":
        # Every tensor its own copy: the format refuses tensors that share memory.
        state = {
            name: tensor.cpu().clone().contiguous() for name, tensor in _tensors(model.state_dict()).items()
        }
        with needing_safetensors():
            from safetensors.torch import save_file
        save_file(state, path)
    else:
        torch.save({name: _on_host(value) for name, value in model.state_dict().items()}, path)


def _read(path: str, suffix: str) -> dict[str, Any]:
    with reading(path):
        if suffix == ".safetensors":
            with needing_safetensors():
                from safetensors.torch import load_file
            state = load_file(path)
        else:
            _refuse_what_holds_code(path)
            try:
                state = torch.load(path, map_location="cpu", weights_only=True)
            except pickle.UnpicklingError:
                raise InvalidRequestError(
                    f"{path} is no file of tensors and plain containers, and nothing else is "
                    "unpickled; save the state_dict alone",
                    field="weights",
                ) from None
        if not isinstance(state, dict):
            raise InvalidRequestError(
                f"{path} holds a {type(state).__name__}, not a state_dict", field="weights"
            )
        return state


def _refuse_what_holds_code(path: str) -> None:
    """Refuses two kinds of file in which Torch before 2.6 runs code, weights_only or not."""
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


def _tensors(state: dict[str, Any]) -> dict[str, Any]:
    """Returns a state without a module's own extra state, which is of any kind."""
    return {name: value.detach() for name, value in state.items() if isinstance(value, torch.Tensor)}


def _on_host(value: Any) -> Any:
    return value.detach().cpu() if isinstance(value, torch.Tensor) else value
