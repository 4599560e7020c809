"""The JSON Schemas of reports and specs: made of the records, and true of the files."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import sample_reports as samples
from jsonschema import Draft202012Validator as Validator

from padiff_client import Report
from padiff_client.spec_template import SCHEMA, template
from padiff_rpc.yaml_nodes import load

ROOT = Path(__file__).resolve().parents[3]
SPECS = sorted((ROOT / "examples").glob("*/*.yaml"))


def schema(name: str) -> Any:
    return json.loads((SCHEMA.parent / name).read_text())


def closed(part: Any) -> Any:
    """Returns a schema under which whatever it does not describe is wrong."""
    if isinstance(part, list):
        return [closed(one) for one in part]
    if not isinstance(part, dict):
        return part
    made = {key: closed(one) for key, one in part.items()}
    return {**made, "additionalProperties": False} if "properties" in made else made


REPORT = Validator(closed(schema("report.schema.json")))
SPEC = Validator(schema("spec.schema.json"))


@pytest.mark.parametrize("name", ["report.schema.json", "spec.schema.json"])
def test_the_schemas_are_valid_and_published(name: str) -> None:
    Validator.check_schema(schema(name))
    assert json.loads((ROOT / "docs" / name).read_text()) == schema(name)


@pytest.mark.parametrize("make", [samples.failing, samples.passing, samples.cut_short, samples.lone])
def test_a_report_fits_its_schema_and_has_nothing_that_it_does_not_describe(
    make: Callable[[], Report],
) -> None:
    REPORT.validate(json.loads(make().to_json()))


@pytest.mark.parametrize(
    "change",
    [
        {"passed": "yes"},
        {"schema": "padiff-report/1"},
        {"rows": [{"step": 0}]},
        {"plan": {"columns": ["like", "place"], "lines": [[0]], "like": [{}]}},
        {"coverage": {"tensors_compared": 0.5}},
        {"extra": 1},
    ],
)
def test_what_is_no_report_does_not_fit(change: dict[str, Any]) -> None:
    assert not REPORT.is_valid({**json.loads(samples.failing().to_json()), **change})


@pytest.mark.parametrize("file", SPECS, ids=[f"{file.parent.name}/{file.name}" for file in SPECS])
def test_every_example_is_a_spec(file: Path) -> None:
    SPEC.validate(load(str(file)).value())


def test_the_spec_to_begin_with_names_its_schema_and_fits_it(tmp_path: Path) -> None:
    file = tmp_path / "spec.yaml"
    file.write_text(template("spec.yaml"))
    first = file.read_text().splitlines()[0]
    assert first == f"# yaml-language-server: $schema={SCHEMA.as_uri()}"
    SPEC.validate(load(str(file)).value())


MODEL = "{framework: torch, model: 'a.b:c'}"
KEYS = f"reference: {MODEL}\ncandidate: {MODEL}\ninputs: {{x: {{shape: [2]}}}}\n"


@pytest.mark.parametrize(
    "more",
    [
        "",
        "options: {atol: 1e-4, randomness: off, diff_phase: forward}\n",
        "layer_map: plan.yaml\n",
        "layer_map: {pairs: {a: b}, ignore: {reference: a}}\n",
        "layer_map: {special_init: [{reference: a, candidate: b, function: 'c:d'}]}\n",
        "server: localhost:1\n",
        "server: {address: 'localhost:1', token_file: t, tls: {ca: ca.pem}}\n",
    ],
)
def test_what_the_reader_takes_fits(tmp_path: Path, more: str) -> None:
    (tmp_path / "spec.yaml").write_text(KEYS + more)
    SPEC.validate(load(str(tmp_path / "spec.yaml")).value())


@pytest.mark.parametrize(
    "more",
    [
        "setps: 2\n",
        "steps: 0\n",
        "steps: many\n",
        "options: {atoll: 1e-4}\n",
        "options: {randomness: sometimes}\n",
        "options: {atol: small}\n",
        "layer_map: {pair: {a: b}}\n",
        "server: {adress: 'localhost:1'}\n",
        "reference: {modle: 'a:b'}\n",
        "reference: {framework: jax}\n",
        "reference: {train: 1}\n",
        "reference: {seed: one}\n",
        "reference: {loss: no reference}\n",
        "inputs: {x: {shpae: [2]}}\n",
        "inputs: {table: {x: {shape: [2]}}, fucntion: 'a:b'}\n",
    ],
)
def test_wrong_keys_and_values_do_not_fit(tmp_path: Path, more: str) -> None:
    kept = "".join(line for line in KEYS.splitlines(True) if line.split(":")[0] != more.split(":")[0])
    (tmp_path / "spec.yaml").write_text(kept + more)
    assert not SPEC.is_valid(load(str(tmp_path / "spec.yaml")).value())
