"""Results of runs, a line of JSON each, so that a run that was cut short goes on where it ended."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

Result = dict[str, Any]


class Results:
    """The results of one set of options, kept in a file from the moment they are known."""

    def __init__(self, file: Path) -> None:
        self._file = file
        file.parent.mkdir(parents=True, exist_ok=True)
        self._known: dict[tuple[str, int], Result] = {}
        if file.exists():
            for line in file.read_text(encoding="utf-8").splitlines():
                result = json.loads(line)
                self._known[result["id"], result["round"]] = result

    def __contains__(self, key: tuple[str, int]) -> bool:
        return key in self._known

    def add(self, key: tuple[str, int], result: Mapping[str, Any]) -> None:
        kept = {"id": key[0], "round": key[1], **result}
        self._known[key] = kept
        with self._file.open("a", encoding="utf-8") as file:
            file.write(json.dumps(kept) + "\n")

    def of(self, identity: str) -> list[Result]:
        """Returns the results of all rounds of one fault or pair."""
        return [result for key, result in sorted(self._known.items()) if key[0] == identity]
