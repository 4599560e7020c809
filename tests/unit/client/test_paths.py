"""Paths that no file can have, wherever one may be written: one line that names the field."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from padiff_client import LayerMap, ModelSpec, Report, assign_weight, cli, kept_report
from padiff_client.certs import make_certificates
from padiff_client.exit_codes import TROUBLE
from padiff_client.keeping import store_of
from padiff_rpc.errors import InvalidRequestError
from padiff_rpc.serving import read_token
from padiff_rpc.v1.records import Coverage, ReportSummary, Tls
from padiff_rpc.yaml_nodes import load
from padiff_server.main import main as serve
from padiff_worker.settings import WorkerSettings
from padiff_worker.state_files import save_target

NAME = "x" * 300
IMPOSSIBLE = {
    "a name of 300 letters": NAME,
    "a folder's name of 300 letters": f"{NAME}/y",
    "a name of 200 letters that take 400 bytes": "é" * 200,
    "a zero byte": "a\0b",
    "5000 bytes": "x/" * 2500,
    "half of a pair of code units": "a\ud800b",
    "nothing": "",
}
SPEC = ModelSpec(framework="torch", model="a:b")


@pytest.fixture(params=IMPOSSIBLE.values(), ids=IMPOSSIBLE.keys())
def path(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def report() -> Report:
    return Report(ReportSummary(session="s", passed=False, coverage=Coverage()), [])


ENTRANCES: dict[str, Callable[[str], object]] = {
    "assign_weight.save": lambda path: assign_weight(SPEC, SPEC, save=f"{path}.pdparams" if path else path),
    "ModelSpec.weights": lambda path: ModelSpec(framework="torch", model="a:b", weights=path),
    "ModelSpec.python": lambda path: ModelSpec(framework="torch", model="a:b", python=path),
    "ModelSpec.path": lambda path: ModelSpec(framework="torch", model="a:b", path=path),
    "Report.save": lambda path: report().save(f"{path}.json" if path else path),
    "Report.load": Report.load,
    "LayerMap.load": LayerMap.load,
    "kept_report.store": lambda path: kept_report("last", store=path or "\0"),
    "store": lambda path: store_of(path or "\0", {}),
    "PADIFF_STORE": lambda path: store_of(None, {"PADIFF_STORE": path or "\0"}),
    "tls.ca": lambda path: Tls.from_files(ca=path),
    "token_file": lambda path: read_token(path, field="token_file"),
    "a spec": load,
    "certs": lambda path: make_certificates(path, [], days=2, force=False),
    "a worker's save": lambda path: save_target("/tmp", path, [".pt"]),
    "a worker's path": lambda path: WorkerSettings(roots=(path,)),
    "a worker's save root": lambda path: WorkerSettings(save_root=path),
}


@pytest.mark.parametrize("entrance", ENTRANCES.values(), ids=ENTRANCES.keys())
def test_a_path_that_no_file_can_have_is_one_line(entrance: Callable[[str], object], path: str) -> None:
    with pytest.raises(InvalidRequestError, match="is no path") as caught:
        entrance(path)
    said = str(caught.value)
    assert "\n" not in said
    assert "\0" not in said
    assert len(said) < 250


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, empty."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


COMMANDS = {
    "compare SPEC": ["compare", "{}"],
    "compare --json": ["compare", "spec.yaml", "--json", "{}"],
    "compare --html": ["compare", "spec.yaml", "--html", "{}"],
    "compare --store": ["compare", "spec.yaml", "--store", "{}"],
    "plan -o": ["plan", "spec.yaml", "-o", "{}"],
    "runs --store": ["runs", "--store", "{}"],
    "show --store": ["show", "last", "--store", "{}"],
    "init": ["init", "{}"],
    "doctor": ["doctor", "{}"],
    "certs init": ["certs", "init", "{}"],
    "certs show": ["certs", "show", "{}"],
    "certs client": ["certs", "client", "ada", "{}"],
    "health --tls-ca": ["health", "127.0.0.1:1", "--tls-ca", "{}"],
    "workers --token-file": ["workers", "--server", "127.0.0.1:1", "--token-file", "{}"],
}
# A command line holds no zero byte.
WRITTEN = [path for path in IMPOSSIBLE.values() if path and "\0" not in path]


@pytest.mark.parametrize("command", COMMANDS.values(), ids=COMMANDS.keys())
@pytest.mark.parametrize("path", WRITTEN, ids=range(len(WRITTEN)))
def test_a_command_says_so_in_one_line(
    command: list[str], path: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    side = "{framework: torch, model: 'a:b'}"
    Path("spec.yaml").write_text(f"reference: {side}\ncandidate: {side}\ninputs: {{table: {{}}}}\n")
    assert cli.main([path if word == "{}" else word for word in command]) == TROUBLE
    printed = capsys.readouterr()
    said = printed.err or printed.out
    assert "bug" not in said
    assert "Traceback" not in said
    assert max(map(len, said.splitlines())) < 400
    assert os.listdir(folder) == ["spec.yaml"]


KEYS = {
    "weights": "reference: {{framework: torch, model: 'a:b', weights: {}}}\n",
    "python": "reference: {{framework: torch, model: 'a:b', python: ./{}}}\n",
    "path": "reference: {{framework: torch, model: 'a:b', path: {}}}\n",
    "token_file": "reference: {{worker: 127.0.0.1:1, model: 'a:b', token_file: {}}}\n",
    "tls": "reference: {{worker: 127.0.0.1:1, model: 'a:b', tls: {{ca: {}}}}}\n",
    "layer_map": "layer_map: {}\n",
    "inputs": "inputs: {}\n",
}


@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize(
    "written", [f"{NAME}.npz", '"a\\0b.npz"', f"{NAME}/y.npz"], ids=["long", "zero", "long folder"]
)
def test_a_spec_file_points_at_its_line(
    key: str, written: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = "{framework: torch, model: 'a:b'}"
    rest = {
        "reference": f"reference: {model}\n",
        "candidate": f"candidate: {model}\n",
        "inputs": "inputs: {table: {}}\n",
    }
    line = KEYS[key].format(written)
    spec = tmp_path / "spec.yaml"
    spec.write_text(line + "".join(text for name, text in rest.items() if not line.startswith(f"{name}:")))
    assert cli.main(["plan", str(spec)]) == TROUBLE
    (said,) = capsys.readouterr().err.splitlines()
    assert f"{key}" in said
    assert "bug" not in said
    assert said.startswith(f"padiff: {spec}:1: ")


FLAGS = ("--config", "--spill-folder", "--floors-folder", "--audit-log", "--token-file", "--tls-ca")


@pytest.mark.parametrize("flag", FLAGS)
def test_a_coordinator_does_not_start(flag: str, capsys: pytest.CaptureFixture[str]) -> None:
    more = ["--tls-cert", NAME, "--tls-key", NAME] if flag == "--tls-ca" else []
    assert serve([flag, NAME, *more]) == TROUBLE
    assert "is no path: a name in it has 300 bytes" in capsys.readouterr().err.splitlines()[-1]


def test_what_is_a_folder_is_no_file_to_save_to(tmp_path: Path) -> None:
    (tmp_path / "there.pt").mkdir()
    with pytest.raises(InvalidRequestError, match=r"^save: .*there\.pt is a folder; name a file in it"):
        save_target(str(tmp_path), "there.pt", [".pt"])


def test_a_name_as_long_as_any_is_saved_to(tmp_path: Path) -> None:
    for name in ("x" * 250 + ".json", "🐍" * 62 + ".json"):
        report().save(tmp_path / name)
        assert Report.load(tmp_path / name).session == "s"
