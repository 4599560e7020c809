"""Mistakes that newcomers make, each by the real command: one line that blames the right thing.

A row says what is wrong, how the command ends, and the telling parts of what it says. What needs a
framework is in `tests/e2e/test_newcomer_mistakes.py`.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from mistakes import COMPARE, Mistake, check
from processes import FAKES, ROOT, running, running_worker

from padiff_client.certs import make_certificates
from padiff_rpc.transport import open_channel
from padiff_rpc.v1 import worker_pb2, worker_pb2_grpc
from padiff_rpc.version import PROTOCOL_VERSION

SECONDS = 60
RUN = ("run", "--side", "reference", "--name", "nobody-meets", "--")
TOKEN = "the right token"
SPEC = """reference:
  worker: {reference}
  model: "mistaken_models:net"
candidate:
  worker: {candidate}
  model: "mistaken_models:net"
inputs: {{x: {{shape: [5, 4]}}}}
server: {server}
"""
MODEL = 'candidate:\n  worker: {candidate}\n  model: "mistaken_models:net"\n'


def spec(old: str, new: str) -> str:
    assert old in SPEC
    return SPEC.replace(old, new, 1)


def candidate(*lines: str, model: str = "mistaken_models:net") -> str:
    head = MODEL.replace("mistaken_models:net", model)
    return spec(MODEL, head + "".join(f"  {line}\n" for line in lines))


def inputs(text: str) -> str:
    return spec("inputs: {{x: {{shape: [5, 4]}}}}\n", text)


MISTAKES = {
    # The file.
    "a spec that is not there": Mistake(
        spec=SPEC,
        arguments=("compare", "spce.yaml"),
        said=["spce.yaml: cannot be read: no such file", "nearest: spec.yaml"],
    ),
    "YAML that does not end": Mistake(
        spec=SPEC + "options: {{rtol: 1.0e-5\n",
        said=["spec.yaml:10: not valid YAML", "while parsing a flow mapping that begins in line 9"],
    ),
    "a tab": Mistake(
        spec=SPEC + "options:\n\trtol: 1.0e-5\n", said=["spec.yaml:10: not valid YAML", "indent by spaces"]
    ),
    "a key that is misspelled": Mistake(
        spec=spec("inputs:", "input:"), said=["spec.yaml:7: input: unknown key; allowed:", "nearest: inputs"]
    ),
    "a key of a model at the top": Mistake(
        spec=SPEC + "train: true\n",
        said=["spec.yaml:9: train: belongs to one model; write train: under reference and candidate"],
    ),
    "an option at the top": Mistake(
        spec=SPEC + "atol: 1.0e-5\n", said=["spec.yaml:9: atol: an option; write options: {atol: ...}"]
    ),
    "an option that is misspelled": Mistake(
        spec=SPEC + "options: {{rtoll: 1.0e-5}}\n",
        said=["spec.yaml:9: options.rtoll: unknown option; allowed:", "nearest: rtol"],
    ),
    "a text for true": Mistake(
        spec=candidate('train: "yes"'),
        said=["spec.yaml:7: candidate.train: 'yes' is not allowed; allowed: true, false"],
    ),
    "a text for a number": Mistake(
        spec=SPEC + "options: {{atol: tiny}}\n",
        said=["spec.yaml:9: options.atol: 'tiny' is not allowed; allowed: a number"],
    ),
    "no step": Mistake(
        spec=SPEC + "steps: 0\n",
        said=["spec.yaml:9: steps: 0 is not allowed; allowed: a whole number of at least 1"],
    ),
    "no inputs": Mistake(spec=inputs(""), said=["the key 'inputs' is missing; write one, as {x: {shape:"]),
    # The models.
    "a module that is misspelled": Mistake(
        spec=candidate(model="mistakn_models:net"),
        said=["spec.yaml:6: candidate.model:", "no module 'mistakn_models'", "nearest: mistaken_models"],
    ),
    "a dot for the colon": Mistake(
        spec=candidate(model="mistaken_models.net"),
        said=["spec.yaml:6: candidate.model:", "allowed: ", "nearest: mistaken_models:net"],
    ),
    "a function that is misspelled": Mistake(
        spec=candidate(model="mistaken_models:ned"),
        said=["spec.yaml:6: candidate.model:", "the module has no 'ned'; did you mean needy, net"],
    ),
    "a function of another module": Mistake(
        spec=candidate(model="mistaken_models:build_resnet"),
        said=["spec.yaml:6: candidate.model:", "the module has no 'build_resnet'; it has Needy, net, needy"],
    ),
    "a package that the worker's Python lacks": Mistake(
        spec=candidate(model="unported_models:net"),
        said=[
            "the candidate raised ModuleNotFoundError (load): No module named 'a_package_that_nobody_has'",
            "unported_models.py",
            "install what is missing into the candidate's Python",
            "or correct the import at unported_models.py:3",
        ],
    ),
    "an argument that the factory does not have": Mistake(
        spec=candidate("kwargs: {{widht: 8}}"),
        said=["spec.yaml:7: candidate.kwargs: 'mistaken_models:net' takes: width=8;", "'widht'"],
    ),
    "a factory that returns nothing": Mistake(
        spec=candidate(model="mistaken_models:no_model"),
        said=["spec.yaml:6: candidate.model:", "returned None, which is no fake model; name a function that"],
    ),
    "a factory that returns a dict": Mistake(
        spec=candidate(model="mistaken_models:a_dict"),
        said=["spec.yaml:6: candidate.model:", "returned a dict, which is no fake model"],
    ),
    "a reference that raises": Mistake(
        spec=spec("mistaken_models:net", "mistaken_models:needy"),
        said=[
            "FAIL: cut short: the reference raised ValueError (forward of step 0): no head for 8 features",
            "mistaken_models.py",
            "in forward",
            "return self.head_of(self.fc1(x))",
            "in head_of",
            "correct the reference's code at mistaken_models.py:14, then compare again",
        ],
    ),
    "modes that differ": Mistake(
        spec=candidate("train: true"),
        status=1,
        said=["the candidate is in train mode, the reference in eval mode", "train: true under reference:"],
    ),
    "a device that is not there": Mistake(
        spec=candidate("device: cuda:0"),
        said=["spec.yaml:7: candidate.device: 'cuda:0' is not usable here; use one of cpu"],
    ),
    "models of other sizes": Mistake(
        spec=candidate("kwargs: {{width: 9}}"),
        status=1,
        said=[
            "FAIL: initial weights, parameter weight of fc1 (Linear): the shapes differ",
            "give the candidate's fc1 (made at fake_models.py:12) the reference's out_features, 8",
        ],
    ),
    # The inputs.
    "a shape as a text": Mistake(
        spec=inputs("inputs: {{x: {{shape: 5x4}}}}\n"),
        said=["spec.yaml:7: inputs.x.shape: '5x4' is not allowed; allowed: a list"],
    ),
    "a dtype that is misspelled": Mistake(
        spec=inputs("inputs: {{x: {{shape: [5, 4], dtype: flaot32}}}}\n"),
        said=["spec.yaml:7: inputs.x.dtype: 'flaot32' is not allowed; allowed:", "nearest: float32"],
    ),
    "a shape that the models do not take": Mistake(
        spec=inputs("inputs: {{x: {{shape: [5, 7]}}}}\n"),
        said=[
            "raised ValueError in fc1 (forward of step 0)",
            "correct the inputs, which neither model takes",
        ],
    ),
    "an input of another name": Mistake(
        spec=inputs("inputs: {{image: {{shape: [5, 4]}}}}\n"),
        said=["argument 'image'; forward takes: x", "correct the inputs, which neither model takes"],
    ),
    "an input too many": Mistake(
        spec=inputs("inputs: [{{shape: [5, 4]}}, {{shape: [5, 4]}}]\n"),
        said=["forward takes: x", "correct the inputs, which neither model takes"],
    ),
    # Loss, optimizer, steps.
    "a loss by its name alone": Mistake(
        spec=candidate("loss: mse"),
        said=["spec.yaml:7: candidate.loss: 'mse' is not allowed; allowed: \"package.module:name\""],
    ),
    "a loss on one side": Mistake(
        spec=candidate('loss: "mistaken_models:loss_without_return"'),
        said=["reference.loss: give one for both sides, or for neither"],
    ),
    "a loss that returns nothing": Mistake(
        spec=SPEC.replace(':net"\n', ':net"\n  loss: "mistaken_models:loss_without_return"\n'),
        said=["the loss returned a NoneType; return a scalar fake tensor"],
    ),
    "an optimizer that is not there": Mistake(
        spec=SPEC.replace(':net"\n', ':net"\n  optimizer: "mistaken_models:adamw"\n') + "steps: 2\n",
        said=["optimizer: 'mistaken_models:adamw': the module has no 'adamw'; it has"],
    ),
    "steps without an optimizer": Mistake(
        spec=SPEC + "steps: 3\n",
        said=["spec.yaml:9: steps: 3 steps need an optimizer on both sides: give one, or leave steps at 1"],
    ),
    # The layer map.
    "a pair of a layer that is misspelled": Mistake(
        spec=SPEC + "layer_map: {{pairs: {{fc11: fc1}}}}\n",
        said=["spec.yaml:9: layer_map.pairs: the reference has no layer 'fc11'; nearest: fc1"],
    ),
    "a pair without the key pairs": Mistake(
        spec=SPEC + "layer_map: {{fc1: fc1}}\n",
        said=["spec.yaml:9: layer_map.fc1: unknown key; write pairs: {fc1: ...}"],
    ),
    "ignoring a layer that is not there": Mistake(
        spec=SPEC + "layer_map: {{ignore: {{reference: [fc9]}}}}\n",
        said=["spec.yaml:9: layer_map.ignore.reference: the reference has no layer 'fc9'; nearest: fc"],
    ),
    "ignoring a class that is not there": Mistake(
        spec=SPEC + "layer_map: {{ignore_class: {{reference: [Liner]}}}}\n",
        status=0,
        said=["PASS", "note", "layer_map.ignore_class.reference: no layer is a 'Liner'; nearest: Linear"],
    ),
    # The command.
    "a command that is misspelled": Mistake(
        spec=SPEC,
        arguments=("comapre", "spec.yaml"),
        said=["'comapre' is not allowed; allowed:", "nearest: compare"],
    ),
    "a flag that is misspelled": Mistake(
        spec=SPEC,
        arguments=(*COMPARE, "--formats", "json"),
        said=["'--formats' is not known here; nearest: --format"],
    ),
    "flags that contradict each other": Mistake(
        spec=SPEC,
        arguments=(*COMPARE, "-q", "-v"),
        said=["-v/--verbose: not allowed with argument -q/--quiet"],
    ),
    "a format that is not there": Mistake(
        spec=SPEC,
        arguments=(*COMPARE, "--format", "jsn=report.json"),
        said=["--format: 'jsn' is not allowed; allowed: text, json,", "nearest: json"],
    ),
    "a page in a folder that is not there": Mistake(
        spec=SPEC,
        arguments=(*COMPARE, "--html", "reports/report.html"),
        said=["--html: reports is not a folder; create it first"],
    ),
    "a page where nobody may write": Mistake(
        spec=SPEC,
        arguments=(*COMPARE, "--html", "/proc/report.html"),
        said=["--html: /proc/report.html cannot be written:", "name another file"],
    ),
    "a run that is not kept": Mistake(
        spec=SPEC,
        arguments=("show", "abcdef12", "--store", "."),
        said=["no run 'abcdef12' is kept in", "padiff runs lists all"],
    ),
    "a script that is misspelled": Mistake(
        spec=SPEC,
        arguments=(*RUN, "pyhton", "train.py"),
        said=[
            "COMMAND: pyhton cannot be run (no such file or directory); write the script's command behind --"
        ],
    ),
    "a script that watches no model": Mistake(
        spec=SPEC,
        arguments=(*RUN, "true"),
        said=["the script ended with exit code 0, and no watched model", "call watch(model, optimizer)"],
    ),
    # Workers and coordinators.
    "a worker that is not there": Mistake(
        spec=spec("{candidate}", "{nobody}"),
        said=["the candidate worker at 127.0.0.1:", "cannot be reached", "start it, or correct the address"],
    ),
    "a coordinator that is not there": Mistake(
        spec=spec("server: {server}", "server: {nobody}"),
        said=["the coordinator at 127.0.0.1:", "cannot be reached", "start it, or correct its address"],
    ),
    "a worker that somebody else has": Mistake(
        spec=spec("{candidate}", "{busy}"),
        said=["the candidate worker at 127.0.0.1:", "in use by another comparison", "try again when"],
    ),
    "a worker of another framework": Mistake(
        spec=candidate("framework: torch"),
        said=["spec.yaml:7: candidate.framework:", "runs fake, not torch: name the framework that it runs"],
    ),
    "a path for a worker that runs already": Mistake(
        spec=candidate("path: [models]"),
        said=[
            "spec.yaml:7: candidate.path: is for a worker that is started here; leave it out beside worker"
        ],
    ),
    "no token": Mistake(
        spec=spec("{server}", "{guarded}"),
        said=["token"],
    ),
    "a wrong token": Mistake(
        spec=spec("server: {server}", "server: {{address: '{guarded}', token: wrong}}"),
        said=["token"],
    ),
    "plain text against TLS": Mistake(
        spec=spec("{server}", "{secured}"),
        said=["the coordinator at 127.0.0.1:", "it may want TLS", "padiff doctor tells which"],
    ),
    "TLS against plain text": Mistake(
        spec=spec("server: {server}", "server: {{address: '{server}', tls: {{ca: certs/ca.pem}}}}"),
        said=["the coordinator at 127.0.0.1:", "it serves in plain text: leave tls out"],
    ),
}


@pytest.fixture(scope="module")
def addresses(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """Where all of the specs' processes serve, and a folder of certificates."""
    folder = tmp_path_factory.mktemp("mistakes")
    make_certificates(str(folder / "certs"), [], days=2, force=False)
    coordinator = ("-m", "padiff_server", "--allow-any-worker", "--worker-wait-seconds", "0")
    tls = ("--tls-cert", str(folder / "certs/server.pem"), "--tls-key", str(folder / "certs/server-key.pem"))
    with ExitStack() as exits:
        nobody = exits.enter_context(socket.socket())
        nobody.bind(("127.0.0.1", 0))  # and nobody listens
        started = {
            "server": running(*coordinator, log=folder / "server.log"),
            "guarded": running(*coordinator, log=folder / "guarded.log", environment={"PADIFF_TOKEN": TOKEN}),
            "secured": running(*coordinator, *tls, log=folder / "secured.log"),
            **{name: running_worker(folder, name) for name in ("reference", "candidate", "busy")},
        }
        found = {name: exits.enter_context(one).address for name, one in started.items()}
        channel = exits.enter_context(open_channel(found["busy"]))
        lease = worker_pb2_grpc.WorkerStub(channel).Lease(
            worker_pb2.LeaseRequest(protocol_version=PROTOCOL_VERSION)
        )
        next(lease)
        yield {**found, "nobody": f"127.0.0.1:{nobody.getsockname()[1]}", "folder": str(folder)}
        lease.cancel()


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_blamed_by_what_it_is(name: str, addresses: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "certs").symlink_to(Path(addresses["folder"], "certs"))
    paths = os.pathsep.join([str(ROOT), str(ROOT / "client"), str(FAKES)])
    check(MISTAKES[name], tmp_path, addresses, {"PYTHONPATH": paths})


def test_there_are_three_dozen() -> None:
    assert len(MISTAKES) >= 36


def test_a_port_that_is_in_use_is_named(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        ended = subprocess.run(
            [sys.executable, "-m", "padiff_server", "--listen", address],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )
    assert ended.returncode == 2
    (line,) = ended.stderr.splitlines()
    assert address in line
    assert "is taken" in line
    assert "name another one (port 0: any that is free)" in line
