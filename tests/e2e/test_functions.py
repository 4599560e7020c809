"""Code between the layers: the functions that part are named with both sides' lines; a healthy port has none.

The models are `models/torch_functions.py` and `models/paddle_functions.py`.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from padiff_client import Batch, ModelSpec, Report, auto_diff
from padiff_rpc.v1.words import FindingKind

Compare = Callable[..., Report]


@pytest.fixture
def compare(service: Any) -> Compare:
    def run(fault: str = "", swapped: bool = False, **options: Any) -> Report:
        layer, module = (
            ModelSpec(
                framework, f"{framework}_functions:Net", kwargs=kwargs, worker=getattr(service, framework)
            )
            for framework, kwargs in (("paddle", {"fault": fault}), ("torch", {}))
        )
        if swapped:
            layer, module = module, layer
        value = np.random.default_rng(0).standard_normal((2, 5, 8), dtype=np.float32)
        return auto_diff(
            layer=layer,
            module=module,
            example_inp=(Batch(args=(value,)),) * 2,
            server=service.server,
            options=options,
        )

    return run


def lines(report: Report, side: str) -> list[str]:
    """Returns the lines of one side's call and of what takes its result."""
    (found,) = report.findings
    call, user, place = (getattr(found, side + part) for part in ("_call", "_user", ""))
    sources = [call.source if call is not None else None, user.source if user is not None else place.source]
    return [source.text.strip() for source in sources if source is not None]


def test_a_healthy_port_passes_and_nothing_is_looked_into(compare: Compare) -> None:
    report = compare()
    assert report, str(report)
    assert report.findings == ()


def test_a_function_of_equal_inputs_is_named_in_the_text_the_tree_and_the_json(compare: Compare) -> None:
    report = compare("axis")
    (found,) = report.findings
    assert found.kind is FindingKind.FUNCTION
    assert (found.candidate.path, found.reference.path) == ("blocks.1.mixer", "blocks.1.mixer")
    assert lines(report, "candidate")[0].startswith("weights = F.softmax(scores, axis=1")
    assert lines(report, "reference")[0] == "weights = F.softmax(scores, dim=-1)"
    assert [(one.name, one.candidate, one.reference) for one in found.differing] == [("axis", "1", "-1")]
    text = str(report)
    assert "equal inputs, different output" in text
    marked = [line for line in text.splitlines() if "HERE" in line]
    assert marked
    assert all("softmax" in line for line in marked)
    (told,) = json.loads(report.to_json())["findings"]
    assert told["text"] == report.finding(found)


def test_a_mask_is_followed_to_the_comparison_that_makes_it(compare: Compare) -> None:
    report = compare("mask")
    assert report.findings[0].kind is FindingKind.FUNCTION
    assert lines(report, "candidate")[0].startswith("hidden = keep ==")
    assert lines(report, "candidate")[1].startswith("scores = paddle.where")
    assert lines(report, "reference")[0].startswith("scores = scores.masked_fill(keep == 0")


def test_what_the_port_leaves_out_is_named_with_the_line_that_hands_on_too_little(compare: Compare) -> None:
    report = compare("missing")
    assert report.findings[0].kind is FindingKind.MISSING
    assert lines(report, "reference")[0] == "return x + h"
    assert "return h" in lines(report, "candidate")


def test_either_framework_may_be_the_reference(compare: Compare) -> None:
    report = compare("missing", swapped=True)
    assert report.findings[0].kind is FindingKind.EXTRA
    assert lines(report, "candidate")[0] == "return x + h"


def test_layers_alone_are_told_where_nothing_else_is_asked_for(compare: Compare) -> None:
    report = compare("axis", detail="layers")
    assert not report
    assert report.findings == ()


def test_detail_of_a_whole_pass_has_the_functions_and_a_fault_in_the_roots_own_code(compare: Compare) -> None:
    healthy, report = compare(detail="functions"), compare("root", detail="functions")
    assert healthy, str(healthy)
    assert healthy.findings == ()
    (whole,), (detail,) = healthy.function_details, report.function_details
    assert whole.paired == whole.tensors >= 15
    assert f"{whole.paired} of {whole.tensors} tensors of the reference have a counterpart" in str(healthy)
    mixer = next(one for one in whole.calls if one.reference_path == "blocks.0.mixer")
    assert {"masked_fill", "softmax", "matmul"} <= {leaf.call.operation for leaf in mixer.reference}
    (found,) = report.findings
    assert (found.candidate.path, found.kind) == ("", FindingKind.FUNCTION)
    assert lines(report, "candidate")[0].startswith("pooled = paddle.max(x, axis=1)")
    assert lines(report, "reference")[0] == "return self.head(x.mean(1))"
    assert detail.tensors - detail.paired == 1
    assert any("max(" in line for line in str(report).splitlines() if "HERE" in line)
