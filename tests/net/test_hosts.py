"""A coordinator, two workers and a client on a host each, with mutual TLS; builds that no one would merge."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from network import Host
from services import (
    ROOT,
    WORKER_PORT,
    Certificates,
    Remote,
    finished,
    interpreter,
    start_comparison,
)
from specs import MODELS, STEPS, side, training

RESNET50 = ROOT / "examples" / "resnet50"
# What differs from run to run, or from machine to machine.
OF_THIS_RUN = {"session", "started_at", "seconds", "timings", "traffic", "environments", "sendings"}
COSTS = {"gold_seconds", "peaks"}


def of_the_models(report: dict[str, Any]) -> dict[str, Any]:
    """Returns what a report says of the models: verdicts, figures, plan, and no times or places."""
    told = {key: value for key, value in report.items() if key not in OF_THIS_RUN}
    measured = {key: value for key, value in report["measurement"].items() if key not in COSTS}
    return {**told, "measurement": measured}


def test_resnet50_on_three_hosts_gives_the_same_report_as_embedded(
    remote: Remote, tmp_path_factory: pytest.TempPathFactory
) -> None:
    spec = yaml.safe_load((RESNET50 / "compare.yaml").read_text())
    spec["inputs"]["path"] = [str(RESNET50)]
    frameworks = {"reference": "torch", "candidate": "paddle"}
    workers = {role: {**spec[role], "worker": framework} for role, framework in frameworks.items()}
    far = remote.compare({**spec, **workers})

    folder = tmp_path_factory.mktemp("embedded")
    for role, framework in frameworks.items():
        spec[role] |= {"python": interpreter(framework), "path": [str(RESNET50)]}
    near = finished(start_comparison(spec, folder), folder)

    assert far.exit_code == near.exit_code == 0, far.errors
    assert len(far.rows) > 1000
    assert of_the_models(far.report) == of_the_models(near.report)


def test_a_worker_on_another_host_is_compared_with_one_that_is_started_here(
    start_worker: Callable[[str], None],
    hosts: dict[str, Host],
    certificates: Certificates,
    tmp_path: Path,
) -> None:
    start_worker("paddle")
    here = {**side("torch", ""), "framework": "torch", "python": interpreter("torch"), "path": [str(MODELS)]}
    del here["worker"]
    there = side("paddle", f"{hosts['paddle'].address}:{WORKER_PORT}")
    there["tls"] = certificates.keys("client")
    outcome = finished(start_comparison(training(here, there), tmp_path, hosts["client"]), tmp_path)
    assert outcome.exit_code == 0, outcome.errors
    assert_all_compared(outcome.report)


def test_an_old_paddle_beside_an_old_numpy_is_compared_with_a_new_torch(remote: Remote) -> None:
    outcome = remote.compare(training(side("torch", "torch"), side("paddle", "paddle26")))
    assert outcome.exit_code == 0, outcome.report["reasons"]
    assert_all_compared(outcome.report)
    reference, candidate = told_by_workers(outcome.report)
    assert candidate["framework_version"].startswith("2.6.")
    assert candidate["python_version"].startswith("3.10.")
    assert not reference["framework_version"].startswith("2.6.")
    # The tensor that a layer took by keyword was seen, though hooks of this Paddle show none.
    assert any(row.candidate.slot == "scale" for row in outcome.rows if row.candidate is not None)


def test_workers_of_the_oldest_and_the_newest_python_are_compared(remote: Remote) -> None:
    outcome = remote.compare(training(side("paddle", "py39"), side("paddle", "py313")))
    assert outcome.exit_code == 0, outcome.report["reasons"]
    assert_all_compared(outcome.report)
    versions = [one["python_version"] for one in told_by_workers(outcome.report)]
    assert [version.rpartition(".")[0] for version in versions] == ["3.9", "3.13"]


def assert_all_compared(report: dict[str, Any]) -> None:
    coverage = report["coverage"]
    assert coverage["tensors_compared"] == coverage["tensors_total"] > 0
    assert coverage["parameters_compared"] == coverage["parameters_total"] == 5
    assert [step["passed"] for step in report["steps"]] == [True] * STEPS


def told_by_workers(report: dict[str, Any]) -> list[dict[str, Any]]:
    """Returns what the reference's worker and the candidate's said of themselves."""
    return [environment["worker"] for environment in report["environments"]]
