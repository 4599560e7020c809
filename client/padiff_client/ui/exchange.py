"""Requests and answers of the page server, as all but its sockets know them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from padiff_rpc.records import record

_TEXT, _HTML, _JSON = "text/plain; charset=utf-8", "text/html; charset=utf-8", "application/json"


@record
class PageRequest:
    """What a browser asks for.

    Attributes:
        path: without the query, percent signs decoded.
        query: the first value of each key.
        hosts: every Host header, as it came.
        cookies: every cookie, by its name.
    """

    path: str
    query: Mapping[str, str]
    hosts: tuple[str, ...]
    cookies: Mapping[str, str]


@record
class PageAnswer:
    """What a browser gets.

    Attributes:
        policy: what the content may do, as a content security policy.
        headers: more of them.
    """

    status: HTTPStatus = HTTPStatus.OK
    kind: str = _TEXT
    body: bytes = b""
    policy: str = "default-src 'none'"
    headers: tuple[tuple[str, str], ...] = ()


def text_answer(status: HTTPStatus, text: str, *headers: tuple[str, str]) -> PageAnswer:
    """Returns one line for people."""
    return PageAnswer(status=status, body=f"{text}\n".encode(), headers=headers)


def json_answer(value: Any) -> PageAnswer:
    """Returns a value as JSON."""
    return PageAnswer(kind=_JSON, body=json.dumps(value, allow_nan=False, separators=(",", ":")).encode())


def html_answer(text: str, policy: str, *headers: tuple[str, str]) -> PageAnswer:
    """Returns a document."""
    return PageAnswer(kind=_HTML, body=text.encode(), policy=policy, headers=headers)


def nothing_new() -> PageAnswer:
    """Returns that a page knows all that there is."""
    return PageAnswer(status=HTTPStatus.NO_CONTENT)
