"""The table of formats."""

from __future__ import annotations

import os
from collections.abc import Mapping

from padiff_client import as_json
from padiff_client.formats import html, junit, markdown, sarif, text
from padiff_client.formats.renderer import Renderer
from padiff_client.whole_files import COMPRESSED
from padiff_rpc.errors import InvalidRequestError
from padiff_rpc.names import not_among

FORMATS: Mapping[str, Renderer] = {
    "text": text,
    "json": as_json,
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
    suffix = os.path.splitext(path.lower().removesuffix(COMPRESSED))[1]
    found = {one.SUFFIX: one for one in FORMATS.values()}
    if suffix not in found:
        known = ", ".join(found)
        raise InvalidRequestError(
            f"{path!r} is not allowed; allowed suffixes: {known}, and these with {COMPRESSED} behind",
            field=field,
        )
    return found[suffix]
