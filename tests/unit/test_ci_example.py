"""The example of a gate in CI: what it runs is what the command knows."""

from __future__ import annotations

import shlex
from pathlib import Path

import yaml

from padiff_client import cli
from padiff_client.formats.known import FORMATS

ROOT = Path(__file__).resolve().parents[2]
WORKFLOW = (ROOT / "examples" / "ci" / "workflow.yml").read_text()
# BaseLoader: YAML 1.1 takes `on` for a truth value, and GitHub does not.
STEPS = yaml.load(WORKFLOW, yaml.BaseLoader)["jobs"]["compare"]["steps"]


def test_every_step_runs_a_command_or_uses_an_action() -> None:
    assert all(("run" in step) != ("uses" in step) for step in STEPS)
    assert set(yaml.load(WORKFLOW, yaml.BaseLoader)) == {"name", "on", "permissions", "jobs"}


def test_the_command_knows_every_flag() -> None:
    lines = [step["run"].partition(" >> ")[0] for step in STEPS if step.get("run", "").startswith("padiff ")]
    parsed = [cli._parser().parse_args(shlex.split(line)[1:]) for line in lines]
    renderers = [output.renderer for given in parsed for output in given.outputs]
    assert renderers == [FORMATS[name] for name in ("junit", "sarif", "json", "html", "markdown")]


def test_what_is_uploaded_is_what_was_written() -> None:
    (sarif,) = (step["with"]["sarif_file"] for step in STEPS if "sarif" in step.get("uses", ""))
    assert any(f"sarif={sarif}" in step.get("run", "") for step in STEPS)
