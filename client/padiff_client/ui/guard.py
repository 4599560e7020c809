"""The guard of the page server: who has the token gets in, and only by a name of this very machine.

The token comes in the address that the command prints. The answer to that address puts it into a cookie,
which no script can read and no other site's page sends, and leads to an address without it.
"""

from __future__ import annotations

import re
import secrets
from http import HTTPStatus
from typing import Optional

from padiff_client.ui.exchange import PageAnswer, PageRequest, html_answer, text_answer

TOKEN_KEY = "token"
_TOKEN_BYTES = 32
# Whatever the port: a tunnel from another machine has its own.
_LOOPBACK = re.compile(r"(127\.0\.0\.1|localhost|\[::1\])(:\d{1,5})?\Z", re.IGNORECASE)
# Not a redirect: where another site's page led here, a browser would follow that without the cookie.
_ENTRY = (
    '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>padiff</title>'
    '<meta http-equiv="refresh" content="0; url=/"></head>'
    '<body><a href="/">The kept runs</a></body></html>\n'
)


class PageGuard:
    """Knows the token of one server."""

    def __init__(self, port: int) -> None:
        """`port`: that of the server. Cookies know no ports, so their names must."""
        self.token = secrets.token_urlsafe(_TOKEN_BYTES)
        self._cookie = f"padiff-{port}"

    def verdict(self, request: PageRequest) -> Optional[PageAnswer]:
        """Returns the answer to who may not get in, or has just shown the token; None: go on."""
        # Another name that leads to this machine was made to lead here: the page behind it is not ours.
        if len(request.hosts) != 1 or not _LOOPBACK.match(request.hosts[0]):
            return text_answer(
                HTTPStatus.FORBIDDEN, "this server answers to 127.0.0.1, localhost and [::1] alone"
            )
        if request.path == "/" and TOKEN_KEY in request.query:
            return self._entry() if self._is_token(request.query[TOKEN_KEY]) else _refusal()
        return None if self._is_token(request.cookies.get(self._cookie, "")) else _refusal()

    def _is_token(self, given: str) -> bool:
        return secrets.compare_digest(given.encode(errors="surrogateescape"), self.token.encode())

    def _entry(self) -> PageAnswer:
        cookie = f"{self._cookie}={self.token}; HttpOnly; SameSite=Strict; Path=/"
        return html_answer(_ENTRY, "default-src 'none'", ("Set-Cookie", cookie))


def _refusal() -> PageAnswer:
    return text_answer(
        HTTPStatus.FORBIDDEN, "the token is missing or wrong; open the address that padiff ui printed"
    )
