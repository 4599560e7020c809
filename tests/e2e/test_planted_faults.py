"""Five faults of a port, one at a time: every first screen says where, how much, what, and what next."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Callable, Mapping
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest

from padiff_client import Batch, ModelSpec, Report, auto_diff, first_screen, page_content
from padiff_client.formats.known import FORMATS
from padiff_rpc.records import record


@record
class Told:
    """What a stranger has to learn of a fault.

    Attributes:
        where: the place, as headlines have it.
        lines: of both sides, where the fault is in a call.
        size: how much, in words.
        probably: the class of the mistake.
        next: what to do about it.
    """

    where: str
    lines: tuple[str, ...] = ()
    size: str
    probably: str
    next: str


FAULTS = {
    "layer": Told(
        where="forward of step 0, output 0 of blocks.1.norm (LayerNorm): the values differ",
        lines=("torch_planted.py:20", "paddle_planted.py:21"),
        size="times what rounding does here",
        probably="the norm's epsilon: 1e-05 in the reference, 0.001 in the candidate",
        next="blocks.1.norm (made at paddle_planted.py:17) the reference's epsilon, 1e-05, then compare",
    ),
    "glue": Told(
        where="made by the code of the root (Encoder), between blocks and head",
        lines=("torch_planted.py:35", "paddle_planted.py:39"),
        size="scale 1.1",
        probably="other 0.55 against 0.5",
        next="change other from 0.55 to 0.5 at paddle_planted.py:39, then compare again",
    ),
    "weight": Told(
        where="initial weights, parameter weight of head (Linear): the shapes differ",
        size="float32[8, 3] does not fit float32[8, 4]",
        probably="the candidate's layer is made with 4 in place of 3 on axis 1",
        next="make the candidate's head (made at paddle_planted.py:35) of the reference's size, [8, 3], then",
    ),
    "gradient": Told(
        where="backward of step 0, gradient of input 0 of blocks.1.norm (LayerNorm): the values differ",
        lines=("torch_planted.py:20", "paddle_planted.py:23"),
        size="times what rounding does here",
        probably="the candidate's gradient ends at `detach()`",
        next="take `detach()` at paddle_planted.py:23 out of the candidate, then compare again",
    ),
    "optimizer": Told(
        where="optimizer of step 0, optimizer state weight.second_moment of stem (Linear)",
        size="times what is allowed here",
        probably="the optimizer's beta2 is 0.999 in the reference, 0.99 in the candidate",
        next="optimizer (made at paddle_planted.py:60) the reference's beta2, 0.999, then compare again",
    ),
}


@pytest.fixture(scope="module")
def reports(service: Any) -> Mapping[str, Report]:
    numbers = np.random.default_rng(0)
    x, target = (numbers.standard_normal((4, size)).astype(np.float32) for size in (6, 3))
    given = Batch(args=(x,), target=target)

    def report(fault: str) -> Report:
        layer = ModelSpec(
            "paddle", "paddle_planted:encoder", kwargs={"fault": fault}, worker=service.paddle, train=True
        )
        adam = "faulty_adam" if fault == "optimizer" else "adam"
        return auto_diff(
            layer,
            ModelSpec("torch", "torch_planted:encoder", worker=service.torch, train=True),
            (given, given),
            steps=2,
            loss_fn=("paddle_planted:distance", "torch_planted:distance"),
            optimizer=(f"paddle_planted:{adam}", "torch_planted:adam"),
            server=service.server,
        )

    return {fault: report(fault) for fault in FAULTS}


def terminal(report: Report) -> str:
    return first_screen.text(report, width=1000)


def markdown(report: Report) -> str:
    whole = "".join(FORMATS["markdown"].pieces(report))
    return html.unescape(re.sub("<br>|</?code>", " ", whole.partition("<details>")[0])).replace("\u200b", "")


def junit(report: Report) -> str:
    root = ElementTree.fromstring("".join(FORMATS["junit"].pieces(report)))
    (failure,) = root.findall("testsuite[@name='verdict']/testcase/failure")
    return f"{failure.get('message')} {' '.join((failure.text or '').split())}"


def card(report: Report) -> str:
    return html.unescape(re.sub("<[^>]*>", " ", report._repr_html_()))


SURFACES: Mapping[str, Callable[[Report], str]] = {
    "terminal": terminal,
    "markdown": markdown,
    "junit": junit,
    "card": card,
}


@pytest.mark.parametrize("surface", SURFACES)
@pytest.mark.parametrize("fault", FAULTS)
def test_a_first_screen_tells_where_how_much_what_and_what_next(
    reports: Mapping[str, Report], fault: str, surface: str
) -> None:
    told, shown = FAULTS[fault], SURFACES[surface](reports[fault])
    for part in (told.where, *told.lines, told.size, told.probably, told.next):
        assert part in shown, shown


def test_tensors_that_one_side_alone_has_are_told_where_not_all_were_compared(
    reports: Mapping[str, Report],
) -> None:
    shown = " ".join(terminal(reports["gradient"]).split())
    assert "117 of 129 tensors (12 are on one side alone), 12 of 12 calls" in shown


@pytest.mark.parametrize("fault", FAULTS)
def test_a_page_holds_the_same(reports: Mapping[str, Report], fault: str) -> None:
    told, content = FAULTS[fault], page_content.content(reports[fault])
    assert told.where in content["headline"]
    assert told.next in " ".join(content["next"])
    assert told.probably in json.dumps(content["likely"])
    shown = json.dumps(content, ensure_ascii=False)
    # What a page says of the size and the kind of a place, its script makes of the row's figures and hints.
    row = content["rows"][content["divergence"]]
    assert row
    for line in told.lines:
        file, number = line.split(":")
        assert re.search(rf'{file}", "line": {number}\b', shown), line


@pytest.mark.parametrize("fault", FAULTS)
def test_a_first_screen_is_no_longer_than_a_terminal(reports: Mapping[str, Report], fault: str) -> None:
    lines = first_screen.text(reports[fault], width=80, rest="padiff show 1a2b3c4d --all").splitlines()
    assert len(lines) <= 32, "\n".join(lines)
    assert max(map(len, lines)) <= 80
