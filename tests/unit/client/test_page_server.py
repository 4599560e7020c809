"""The page server: nobody gets in without the token, nor by another name; and what its addresses show."""

from __future__ import annotations

import http.client
import json
import re
import socket
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, Optional

import page_reports
import pytest

from padiff_client.ui.guard import PageGuard
from padiff_client.ui.pages import Pages
from padiff_client.ui.server import ADDRESS, PageServer
from padiff_compare.report.kept_run import RunWriter
from padiff_compare.report.run_store import RunStore, StoreRoom
from padiff_rpc.errors import InvalidRequestError
from padiff_rpc.v1.records import ReportSoFar


class Visitor:
    """Asks a server, with the cookie or without it."""

    def __init__(self, port: int, guard: PageGuard) -> None:
        self.port = port
        self.token = guard.token
        self.cookie = f"padiff-{port}={guard.token}"

    def ask(
        self, path: str, *, verb: str = "GET", host: str = "", cookie: Optional[str] = None
    ) -> tuple[int, http.client.HTTPMessage, str]:
        connection = http.client.HTTPConnection(ADDRESS, self.port, timeout=30)
        connection.putrequest(verb, path, skip_host=True, skip_accept_encoding=True)
        connection.putheader("Host", host or f"{ADDRESS}:{self.port}")
        connection.putheader("Cookie", self.cookie if cookie is None else cookie)
        connection.endheaders()
        answer = connection.getresponse()
        text = answer.read().decode()
        connection.close()
        return answer.status, answer.headers, text

    def raw(self, sent: bytes) -> bytes:
        with socket.create_connection((ADDRESS, self.port), timeout=30) as connection:
            connection.sendall(sent)
            connection.shutdown(socket.SHUT_WR)
            return b"".join(iter(lambda: connection.recv(4096), b""))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "runs"
    folder.mkdir()
    page_reports.kept(folder, page_reports.trained("aaaa1111", 2e-3, 1.7e9))
    page_reports.kept(folder, page_reports.trained("bbbb2222", 0, 1.7e9 + 60))
    return folder


@pytest.fixture
def visitor(folder: Path) -> Iterator[Visitor]:
    with PageServer(0) as server:
        guard = PageGuard(server.server_address[1])
        pages = Pages(RunStore(folder, StoreRoom()), guard)
        thread = threading.Thread(target=server.serve, args=(pages.answer,))
        thread.start()
        yield Visitor(server.server_address[1], guard)
        server.shutdown()
        thread.join()


def content_of(page: str) -> dict[str, Any]:
    found = re.search(r'<script type="application/json" id="content">(.*?)</script>', page, re.DOTALL)
    assert found is not None
    content: dict[str, Any] = json.loads(found[1])
    return content


def test_the_token_in_the_address_becomes_a_cookie_that_no_script_and_no_other_site_can_use(
    visitor: Visitor,
) -> None:
    status, headers, text = visitor.ask(f"/?token={visitor.token}", cookie="")
    assert status == 200
    assert headers["Set-Cookie"] == f"{visitor.cookie}; HttpOnly; SameSite=Strict; Path=/"
    assert visitor.token not in text


@pytest.mark.parametrize(
    "path", ["/", "/runs", "/runs/aaaa1111", "/runs/aaaa1111/content", "/against", "/none", "/?token="]
)
@pytest.mark.parametrize("cookie", ["", "padiff-{port}=", "padiff-{port}=wrong", "padiff-1={token}", "é"])
def test_without_the_token_nothing_is_shown(visitor: Visitor, path: str, cookie: str) -> None:
    given = cookie.format(port=visitor.port, token=visitor.token)
    status, headers, text = visitor.ask(path, cookie=given)
    assert (status, text) == (
        403,
        "the token is missing or wrong; open the address that padiff ui printed\n",
    )
    assert "Set-Cookie" not in headers


def test_a_wrong_token_in_the_address_gets_no_cookie(visitor: Visitor) -> None:
    status, headers, _ = visitor.ask("/?token=wrong", cookie="")
    assert status == 403
    assert "Set-Cookie" not in headers


@pytest.mark.parametrize(
    "host", ["evil.example", "127.0.0.1.evil.example", "localhost.evil.example:80", "192.168.0.7", "::1"]
)
def test_a_name_that_was_made_to_lead_here_shows_nothing_even_with_the_token(
    visitor: Visitor, host: str
) -> None:
    for path in ("/runs", f"/?token={visitor.token}"):
        status, headers, _ = visitor.ask(path, host=host)
        assert status == 403
        assert "Set-Cookie" not in headers


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost:9000", "LOCALHOST", "[::1]:8080"])
def test_any_port_of_this_machines_own_names_will_do_as_tunnels_have_theirs(
    visitor: Visitor, host: str
) -> None:
    assert visitor.ask("/runs", host=host)[0] == 200


@pytest.mark.parametrize("hosts", ["", "Host: localhost\r\nHost: localhost\r\n"])
def test_a_request_with_no_host_or_two_gets_nothing(visitor: Visitor, hosts: str) -> None:
    answer = visitor.raw(f"GET /runs HTTP/1.1\r\n{hosts}Cookie: {visitor.cookie}\r\n\r\n".encode())
    assert answer.split(b"\r\n")[0].startswith(b"HTTP/1.0 403 ")


@pytest.mark.parametrize("verb", ["POST", "PUT", "DELETE", "HEAD", "OPTIONS", "PATCH", "TRACE", "NONSENSE"])
def test_no_verb_but_get_is_answered(visitor: Visitor, verb: str) -> None:
    status, headers, _ = visitor.ask("/runs", verb=verb)
    assert (status, headers["Allow"]) == (405, "GET")


@pytest.mark.parametrize(
    "path",
    [
        "/../../etc/passwd",
        "/runs/../aaaa1111",
        "/runs/..%2f..%2fetc%2fpasswd",
        "/runs/%2e%2e",
        "/runs/aaaa1111/run.sqlite",
        "/runs/aaaa1111%00",
        "/page/page.js",
        "/runs/none",
        "/runs/none/content",
        "/against?before=aaaa1111&after=..%2faaaa1111",
        "/against?before=aaaa1111",
    ],
)
def test_an_address_of_no_page_and_of_no_run_is_not_found(visitor: Visitor, path: str) -> None:
    status, headers, text = visitor.ask(path)
    assert status == 404
    assert headers["Content-Type"].startswith("text/plain")
    assert text.count("\n") == 1


@pytest.mark.parametrize("path", ["/runs/aaaa1111/content?rows=-1", "/runs/aaaa1111/content?parts=x", "//[x"])
def test_what_cannot_be_meant_is_refused_in_one_line(visitor: Visitor, path: str) -> None:
    status, _, text = visitor.ask(path)
    assert status in (400, 404)
    assert text.count("\n") == 1


def test_what_is_no_http_is_refused_and_the_server_goes_on(visitor: Visitor) -> None:
    for sent in (b"\x16\x03\x01\x02\x00\x01\r\n\r\n", b"GET\r\n\r\n", b"GET /" + b"x" * 70_000 + b"\r\n\r\n"):
        answer = visitor.raw(sent)
        assert answer == b"Bad Request\n" or answer.startswith(b"HTTP/1.0 414 ")
    assert visitor.ask("/runs")[0] == 200


@pytest.mark.parametrize("path", ["/", "/runs", "/runs/aaaa1111", "/none", "/?token=wrong"])
def test_every_answer_keeps_other_sites_and_every_cache_out(visitor: Visitor, path: str) -> None:
    _, headers, _ = visitor.ask(path)
    assert "default-src 'none'" in headers["Content-Security-Policy"]
    assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]
    assert "unsafe" not in headers["Content-Security-Policy"]
    assert headers["Cross-Origin-Resource-Policy"] == "same-origin"
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "no-referrer"
    assert headers["Cache-Control"] == "no-store"
    assert "Access-Control-Allow-Origin" not in headers


def test_the_list_tells_of_every_run_and_leaves_out_what_cannot_be_read(
    visitor: Visitor, folder: Path
) -> None:
    (folder / "cccc3333").mkdir()
    (folder / "cccc3333" / "run.sqlite").write_bytes(b"no database")
    told = json.loads(visitor.ask("/runs")[2])["runs"]
    assert [one["id"] for one in told] == ["bbbb2222", "aaaa1111"]
    assert [one["state"] for one in told] == ["pass", "fail"]
    assert "encoder.norm" in told[1]["told"]
    assert told[1]["seconds"] == 12.5


def test_a_run_that_joins_goes_or_ends_is_told_at_the_next_asking(visitor: Visitor, folder: Path) -> None:
    def states() -> dict[str, str]:
        return {one["id"]: one["state"] for one in json.loads(visitor.ask("/runs")[2])["runs"]}

    whole = page_reports.trained("cccc3333", 0, 1.7e9 + 120)
    with RunWriter(folder / "cccc3333", page_reports.head_of(whole)) as writer:
        writer.add_rows(whole.rows[:5])
        assert states()["cccc3333"] == "running"
        writer.end(whole)
    assert states()["cccc3333"] == "pass"
    store = RunStore(folder, StoreRoom())
    store.remove(store.find("aaaa1111"))
    assert states().keys() == {"bbbb2222", "cccc3333"}


def test_a_runs_page_is_that_of_its_report_and_may_ask_its_own_server_alone(visitor: Visitor) -> None:
    status, headers, page = visitor.ask("/runs/aaaa1111")
    content = content_of(page)
    assert status == 200
    assert content["state"] == "fail"
    assert content["address"] == "/runs/aaaa1111"
    assert len(content["rows"]) == 72
    assert "connect-src 'self'" in headers["Content-Security-Policy"]


def test_a_running_comparison_tells_what_joined_it_and_then_its_end(visitor: Visitor, folder: Path) -> None:
    def asked(known: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        path = f"/runs/cccc3333/content?rows={known['rows']}&parts={known['parts']}&stage={known['stage']}"
        status, _, text = visitor.ask(path)
        return status, json.loads(text) if text else {}

    whole = page_reports.trained("cccc3333", 2e-3, 1.7e9 + 120)
    with RunWriter(folder / "cccc3333", page_reports.head_of(whole)) as writer:
        early = replace(whole.summary, steps=(), first_divergence=None)
        writer.add_so_far(ReportSoFar(summary=early))
        writer.add_rows(whole.rows[:30])
        first = content_of(visitor.ask("/runs/cccc3333")[2])
        assert first["state"] == "running"
        assert first["headline"].startswith("RUNNING: ")
        known = {"rows": 30, "parts": len(first["parts"]), "stage": first["stage"]}
        assert asked(known) == (204, {})
        writer.add_rows(whole.rows[30:50])
        status, news = asked(known)
        assert (status, news["first_row"], len(news["rows"])) == (200, 30, 20)
        assert news["first_part"] == known["parts"]
        assert "first divergence" in news["headline"]
        known = {"rows": 50, "parts": known["parts"] + len(news["parts"]), "stage": news["stage"]}
        writer.end(whole)
    status, ended = asked(known)
    assert (status, ended["state"], ended["first_row"], len(ended["rows"])) == (200, "fail", 50, 22)
    # Read bit by bit, it is the same as read at once.
    at_once = content_of(visitor.ask("/runs/cccc3333")[2])
    assert [*first["rows"], *news["rows"], *ended["rows"]] == at_once["rows"]
    assert [*first["parts"], *news["parts"], *ended["parts"]] == at_once["parts"]
    assert ended["places"] == at_once["places"]


def test_long_lists_are_told_again_only_when_they_have_changed(visitor: Visitor, folder: Path) -> None:
    def asked(known: dict[str, Any]) -> dict[str, Any]:
        path = f"/runs/cccc3333/content?rows=30&stage={known['stage']}&lists={known['lists']}"
        news: dict[str, Any] = json.loads(visitor.ask(path)[2])
        return news

    whole = page_reports.trained("cccc3333", 0, 1.7e9 + 120)
    with RunWriter(folder / "cccc3333", page_reports.head_of(whole)) as writer:
        writer.add_so_far(ReportSoFar(summary=replace(whole.summary, plan=whole.summary.plan[:2])))
        writer.add_rows(whole.rows[:30])
        first = content_of(visitor.ask("/runs/cccc3333")[2])
        assert (first["unchanged"], len(first["report"]["plan"])) == ([], 2)
        writer.add_rows(whole.rows[30:40])
        second = asked(first)
        assert second["unchanged"] == ["plan", "weights"]
        assert not second["report"].keys() & {"plan", "weights"}
        writer.add_so_far(ReportSoFar(summary=whole.summary, anew=True))
        third = asked(second)
        assert (third["unchanged"], len(third["report"]["plan"])) == ([], 8)
        writer.end(whole)
    assert len(asked(third)["report"]["plan"]) == 8


def test_a_page_of_a_run_that_was_begun_anew_gets_it_from_its_beginning(
    visitor: Visitor, folder: Path
) -> None:
    whole = page_reports.trained("cccc3333", 0, 1.7e9 + 120)
    head = page_reports.head_of(whole)
    store = RunStore(folder, StoreRoom())
    with store.begin(head) as writer:
        writer.add_rows(whole.rows[:30])
        first = content_of(visitor.ask("/runs/cccc3333")[2])
    with store.begin_again(head.id) as writer:
        writer.add_rows(whole.rows[:4])
        path = f"/runs/cccc3333/content?rows=30&parts={len(first['parts'])}&stage={first['stage']}"
        news = json.loads(visitor.ask(path)[2])
    assert (news["first_row"], len(news["rows"])) == (0, 4)


def test_two_runs_against_each_other_name_every_place_by_its_rows(visitor: Visitor) -> None:
    content = content_of(visitor.ask("/against?before=aaaa1111&after=bbbb2222")[2])
    assert [one["state"] for one in content["runs"]] == ["fail", "pass"]
    changes = [change for *_, change in content["changes"]]
    assert len(changes) == 36
    assert changes.count("better") == 12
    assert set(changes) == {"better", "same"}


def test_a_port_that_another_has_is_refused_in_one_line() -> None:
    with PageServer(0) as server:
        port = server.server_address[1]
        with pytest.raises(InvalidRequestError) as caught:
            PageServer(port)
    told = f"--port: port {port} of 127.0.0.1 is in use; give another, or 0 for any that is free"
    assert str(caught.value) == told
