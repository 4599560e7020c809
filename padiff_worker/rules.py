"""A user's own rule for weights: a function of named arrays, in the candidate's worker."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from padiff_rpc.errors import InvalidRequestError
from padiff_rpc.tensors import Array, HostTensor, widen
from padiff_rpc.v1.words import DType, Phase
from padiff_worker.failures import raising_as_failure
from padiff_worker.loader import Loader


def apply_rule(loader: Loader, rule: str, arrays: Mapping[str, HostTensor]) -> dict[str, HostTensor]:
    """Returns what the function that `rule` names makes of `arrays`. Raises ModelRaised.

    The function sees bfloat16, which NumPy does not have, as float32.
    """
    with raising_as_failure(Phase.INITIAL_WEIGHTS):
        function = loader.resolve(rule, field="special_init")
        made = function({name: _seen(tensor) for name, tensor in arrays.items()})
    if not isinstance(made, dict):
        raise InvalidRequestError(
            f"{rule!r} returned a {type(made).__name__}; return a dict of name -> array", field="special_init"
        )
    return {name: HostTensor.from_array(array) for name, array in made.items()}


def _seen(tensor: HostTensor) -> Array:
    if tensor.dtype is DType.BFLOAT16:
        return widen(tensor.array, tensor.dtype).astype(np.float32)
    return tensor.array
