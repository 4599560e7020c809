"""Lines of a report about random decisions, and about a model that does not agree with itself."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from padiff_client import sentences, wording
from padiff_rpc.v1.records import RandomOperation, Reason, Row, RunToRunNoise
from padiff_rpc.v1.words import Omission, Pass, Side, Verdict

_SHOWN = 4


def decisions(operations: Sequence[RandomOperation]) -> list[str]:
    """Returns a line for what both sides shared, and one for each operation and reason not to."""
    lines = []
    shared = [one for one in operations if one.shared]
    if shared:
        counts = {side: sum(one.side is side for one in shared) for side in Side}
        lines.append(
            f"{wording.count(counts[Side.REFERENCE], 'decision')} of the reference and "
            f"{counts[Side.CANDIDATE]} of the candidate are the same: {_names(shared)}"
        )
    others: dict[tuple[str, tuple[Reason, ...]], list[RandomOperation]] = {}
    for one in operations:
        if not one.shared:
            others.setdefault((one.name, one.reasons), []).append(one)
    for (name, reasons), found in others.items():
        times = Counter(wording.plain(f"{one.path or 'the root'}#{one.call} ({one.side})") for one in found)
        places = [place if many == 1 else f"{place} {many} times" for place, many in times.items()]
        more = f" and {len(places) - _SHOWN} more" if len(places) > _SHOWN else ""
        why = wording.plain(sentences.joined(reasons)) or "not shared"
        lines.append(f"{wording.plain(name)} in {', '.join(places[:_SHOWN])}{more}: {why}")
    return lines


def left_out(rows: Iterable[Row]) -> list[str]:
    """Returns a line for the tensors that were not compared since chance decides them on each side."""
    # Of two passes the one in lockstep decides.
    found = sum(
        row.verdict is Verdict.NOT_COMPARED
        and row.omission is Omission.RANDOM
        and (row.pass_kind is Pass.LOCKSTEP or not row.twin)
        for row in rows
    )
    if not found:
        return []
    return [f"so {wording.count(found, 'tensor')} {'was' if found == 1 else 'were'} not compared"]


def noise(found: Sequence[RunToRunNoise]) -> list[str]:
    """Returns a line for each side whose two runs from one state differ in any bit."""
    return [
        f"two runs of the {one.side} from one state differ: relative L2 {wording.small(one.relative_l2)} in "
        f"what it returns, first after {wording.plain(one.path) or 'the root'}#{one.call}"
        for one in found
        if one.differs
    ]


def _names(operations: Sequence[RandomOperation]) -> str:
    names = sorted({wording.plain(one.name) for one in operations})
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more
