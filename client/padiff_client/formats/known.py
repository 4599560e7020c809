"""The table of formats."""

from __future__ import annotations

from collections.abc import Mapping

from padiff_client import as_json
from padiff_client.formats import html, json_full, junit, markdown, sarif, text
from padiff_client.formats.renderer import Renderer
from padiff_client.whole_files import COMPRESSED
from padiff_rpc.errors import InvalidRequestError
from padiff_rpc.names import not_among

FORMATS: Mapping[str, Renderer] = {
    "text": text,
    "json": as_json,
    "json-full": json_full,
    "html": html,
    "junit": junit,
    "sarif": sarif,
    "markdown": markdown,
}


def by_name(name: str, *, field: str) -> Renderer:
    """Returns a format. Raises InvalidRequestError for a name of none, with the nearest."""
    if name not in FORMATS:
        raise not_among(name, FORMATS, field=field)
    return FORMATS[name]


def by_suffix(path: str, *, field: str) -> Renderer:
    """Returns the format of a file's name; `.gz` behind its suffix stands for the same, compressed.

    Raises InvalidRequestError for a suffix of no format.
    """
    name = path.lower().removesuffix(COMPRESSED)
    # Of two that fit, the longer one says more.
    found = max((one for one in FORMATS.values() if name.endswith(one.SUFFIX)), key=_length, default=None)
    if found is None:
        known = ", ".join(one.SUFFIX for one in FORMATS.values())
        raise InvalidRequestError(
            f"{path!r} is not allowed; allowed suffixes: {known}, and these with {COMPRESSED} behind",
            field=field,
        )
    return found


def _length(one: Renderer) -> int:
    return len(one.SUFFIX)
