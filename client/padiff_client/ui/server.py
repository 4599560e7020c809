"""The HTTP server of `padiff ui`, on loopback alone: it decodes requests, calls, and encodes answers."""

from __future__ import annotations

import errno
import logging
from collections.abc import Callable
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Optional
from urllib.parse import parse_qsl, unquote, urlsplit

from padiff_client.ui.exchange import PageAnswer, PageRequest, text_answer
from padiff_rpc.errors import InvalidRequestError, NotFoundError, PaDiffError
from padiff_rpc.names import reason

ADDRESS = "127.0.0.1"
# For a connection on which nothing comes.
_SILENCE_SECONDS = 30
_HEADERS = {
    "Cache-Control": "no-store",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
_STATUSES = {NotFoundError: HTTPStatus.NOT_FOUND, InvalidRequestError: HTTPStatus.BAD_REQUEST}

logger = logging.getLogger("padiff_client")


class PageServer(ThreadingHTTPServer):
    """A server for one user; a context manager. It answers GET, and no other verb."""

    daemon_threads = True
    # Ctrl-C waits for no request.
    block_on_close = False
    # The port that another server has just left is free.
    allow_reuse_address = True

    def __init__(self, port: int) -> None:
        """`port` 0: any that is free. Raises InvalidRequestError where the port cannot be had."""
        # Set before the first request comes, by `serve`.
        self.answer: Callable[[PageRequest], PageAnswer]
        try:
            super().__init__((ADDRESS, port), _Handler)
        except OSError as error:
            said = "is in use" if error.errno == errno.EADDRINUSE else reason(error)
            raise InvalidRequestError(
                f"port {port} of {ADDRESS} {said}; give another, or 0 for any that is free", field="--port"
            ) from None

    def serve(self, answer: Callable[[PageRequest], PageAnswer]) -> None:
        """Answers requests, several at once, until an exception ends it."""
        self.answer = answer
        self.serve_forever()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A browser that hangs up in the midst of an answer is no error; any other is logged."""
        logger.debug("a connection of the page server ended", exc_info=True)


class _Handler(BaseHTTPRequestHandler):
    server: PageServer
    timeout = _SILENCE_SECONDS

    def do_GET(self) -> None:
        self._send(self._answer())

    def send_error(self, code: int, message: Optional[str] = None, explain: Optional[str] = None) -> None:
        """Answers what is no request of ours: another verb, a line that is no HTTP."""
        if code == HTTPStatus.NOT_IMPLEMENTED:
            self._send(text_answer(HTTPStatus.METHOD_NOT_ALLOWED, "only GET is answered", ("Allow", "GET")))
        else:
            self._send(text_answer(HTTPStatus(code), HTTPStatus(code).phrase))

    def version_string(self) -> str:
        return "padiff"

    def log_message(self, format: str, *args: Any) -> None:
        """Logs nothing: the first address holds the token."""

    def _answer(self) -> PageAnswer:
        try:
            request = self._request()
        except ValueError:
            return text_answer(HTTPStatus.BAD_REQUEST, "this address cannot be read")
        try:
            return self.server.answer(request)
        except PaDiffError as error:
            return text_answer(_status(error), " ".join(str(error).splitlines()))
        except Exception as error:
            logger.exception("the page server failed")
            return text_answer(HTTPStatus.INTERNAL_SERVER_ERROR, f"our bug: {type(error).__name__}: {error}")

    def _request(self) -> PageRequest:
        parts = urlsplit(self.path)
        query: dict[str, str] = {}
        for key, value in parse_qsl(parts.query):
            query.setdefault(key, value)
        pairs = (
            one.strip().partition("=")
            for line in self.headers.get_all("Cookie", [])
            for one in line.split(";")
        )
        return PageRequest(
            path=unquote(parts.path),
            query=query,
            hosts=tuple(self.headers.get_all("Host", [])),
            cookies={name: value for name, _, value in pairs},
        )

    def _send(self, answer: PageAnswer) -> None:
        self.send_response(answer.status)
        policy = f"{answer.policy}; frame-ancestors 'none'"
        told = {"Content-Type": answer.kind, "Content-Length": str(len(answer.body))}
        all_of_them = {**told, "Content-Security-Policy": policy, **_HEADERS, **dict(answer.headers)}
        for name, value in all_of_them.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(answer.body)


def _status(error: PaDiffError) -> HTTPStatus:
    for kind, status in _STATUSES.items():
        if isinstance(error, kind):
            return status
    return HTTPStatus.INTERNAL_SERVER_ERROR
