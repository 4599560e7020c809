"""A user's own rule for weights: a function of named arrays, in the candidate's worker."""

from __future__ import annotations

from collections.abc import Mapping

from padiff_rpc.errors import InvalidRequestError
from padiff_rpc.tensors import HostTensor
from padiff_rpc.words import Phase
from padiff_worker.failures import raising_as_failure
from padiff_worker.loader import Loader


def apply_rule(loader: Loader, rule: str, arrays: Mapping[str, HostTensor]) -> dict[str, HostTensor]:
    """Returns what the function that `rule` names makes of `arrays`. Raises ModelRaised."""
    with raising_as_failure(Phase.INITIAL_WEIGHTS):
        made = loader.resolve(rule, field="special_init")(
            {name: tensor.array for name, tensor in arrays.items()}
        )
    if not isinstance(made, dict):
        raise InvalidRequestError(
            f"special_init: {rule!r} returned a {type(made).__name__}; return a dict of name -> array"
        )
    return {name: HostTensor.from_array(array) for name, array in made.items()}
