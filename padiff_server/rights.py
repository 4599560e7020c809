"""Rights of clients, and which of them each call of the service takes."""

from __future__ import annotations

from collections.abc import Mapping

from padiff_rpc.health import COORDINATOR_SERVICE, HEALTH_SERVICE, REFLECTION_SERVICE
from padiff_rpc.records import Word


class Right(Word):
    """What a client may do, as the coordinator's file says it.

    Attributes:
        COMPARE: make comparisons, and read and end its own.
        READ: read the reports of all clients, and follow their comparisons.
        ADMINISTER: both, and end the comparisons of others.
    """

    COMPARE = "compare"
    READ = "read"
    ADMINISTER = "administer"


_ANY = frozenset(Right)
_TO_COMPARE = frozenset({Right.COMPARE, Right.ADMINISTER})
# By the name of a call: each of these rights is enough for it. Whose report a client may read, and whose
# comparison it may end, is for `Sessions` to say.
ENOUGH: Mapping[str, frozenset[Right]] = {
    f"/{service}/{method}": rights
    for service, methods in {
        COORDINATOR_SERVICE: {
            "GetCoordinatorInfo": _ANY,
            "ListWorkers": _ANY,
            "GetReport": _ANY,
            "Attach": _ANY,
            "Compare": _TO_COMPARE,
            "AssignWeights": _TO_COMPARE,
            "Plan": _TO_COMPARE,
            "CheckInputs": _TO_COMPARE,
            "Record": _TO_COMPARE,
        },
        # Check is open to everybody.
        HEALTH_SERVICE: {"Watch": _ANY, "List": _ANY},
        REFLECTION_SERVICE: {"ServerReflectionInfo": _ANY},
    }.items()
    for method, rights in methods.items()
}


def enough_for(method: str) -> frozenset[Right]:
    """Returns the rights each of which is enough for a call; of one that the table lacks, ADMINISTER."""
    return ENOUGH.get(method, frozenset({Right.ADMINISTER}))
