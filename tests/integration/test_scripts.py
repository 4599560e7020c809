"""Training scripts as they are: `padiff run` starts two, and compares the steps that they make."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from processes import Service, running_worker
from scripts import Command, Commands, commands, environment, script

from padiff_client import Batch, InvalidRequestError, ModelSpec, Report, auto_diff
from padiff_client.certs import make_certificates
from padiff_rpc.v1.words import CaptureKind, NoteKind, Phase, Side

TWICE = "output = model(x) + model(x) * np.float32(0.5)"
ACCUMULATED = "fake.run_backward((model(x) * model(x)).sum())\n    output = model(x)"


@pytest.fixture
def both(tmp_path: Path) -> Iterator[Commands]:
    with commands(tmp_path) as made:
        yield made


def test_scripts_that_agree_pass_and_the_references_command_says_what_came_of_it(both: Commands) -> None:
    report, candidate, reference = both.compared(script(), script())
    assert report, str(report)
    assert [step.step for step in report.steps] == [0, 1, 2]
    assert report.coverage.losses_compared == 3
    assert report.coverage.parameters_compared == report.coverage.parameters_total == 6
    assert NoteKind.JUDGED_FREELY in {note.kind for note in report.summary.notes}
    assert (candidate.status, reference.status) == (0, 0)
    assert candidate.out.startswith("step 0\nstep 1\nPASS: the models agree; judged freely\n")
    assert "compared by the candidate's command: PASS" in reference.err
    assert [one.train for one in report.environments] == [True, True]


@pytest.mark.parametrize(("forward", "calls"), [(TWICE, 2), (ACCUMULATED, 3)])
def test_all_forwards_up_to_the_optimizers_step_are_one_step(
    both: Commands, forward: str, calls: int
) -> None:
    text = script(forward=forward)
    report, _, _ = both.compared(text, text, steps=2)
    assert report, str(report)
    roots = {
        (row.step, row.reference.call)
        for row in report.rows
        if row.reference is not None and row.kind is CaptureKind.OUTPUT and row.reference.path == "fc1"
    }
    assert roots == {(step, call) for step in range(2) for call in range(calls)}


def test_without_an_optimizer_a_step_ends_at_the_next_forward_or_with_the_script(both: Commands) -> None:
    plain = script(watched="None", made=3).replace("optimizer = fake.SGD(model, lr=0.1)", "")
    text = plain.replace("optimizer.step()", "pass").replace("optimizer.clear()", "pass")
    report, candidate, _ = both.compared(text, text, steps=3)
    assert report, str(report)
    assert len(report.steps) == 3
    assert candidate.status == 0


def test_an_optimizer_that_nobody_names_is_found(both: Commands) -> None:
    text = script(watched="None")
    report, _, _ = both.compared(text, text, steps=2)
    assert report, str(report)
    assert {row.phase for row in report.rows} >= {Phase.OPTIMIZER, Phase.WEIGHTS}


def test_a_fault_is_found_in_the_step_and_at_the_place_where_it_is(both: Commands) -> None:
    report, candidate, _ = both.compared(script(), script(scale="1 if step < 1 else 2"))
    assert report.first_divergence is not None
    assert (report.first_divergence.step, report.first_divergence.phase) == (1, Phase.LOSS)
    assert candidate.status == 1


def test_a_script_that_raises_is_a_result_with_its_traceback(both: Commands) -> None:
    raising = script(between="assert step < 1, 'broken on purpose'")
    report, candidate, reference = both.compared(script(), raising)
    (failure,) = report.failures
    assert (failure.side, failure.step, failure.exception) == (Side.CANDIDATE, 1, "AssertionError")
    assert "assert step < 1" in failure.traceback
    assert [step.passed for step in report.steps] == [True]
    assert candidate.status == 2
    assert "AssertionError: broken on purpose" in candidate.err, "the script says so itself as well"
    assert "cut short" in reference.err


def test_the_layer_in_which_a_script_raises_is_named(both: Commands) -> None:
    text = script().replace("watch.watch(", "model.relu.forward = None\nwatch.watch(")
    report, _, _ = both.compared(script(), text)
    (failure,) = report.failures
    assert (failure.path, failure.phase, failure.step) == ("relu", Phase.FORWARD, 0)


def test_a_script_that_ends_early_cuts_the_report_short(both: Commands) -> None:
    report, candidate, _ = both.compared(script(made=2), script())
    assert [step.passed for step in report.steps] == [True, True]
    assert [(one.side, one.text) for one in report.troubles] == [
        (Side.REFERENCE, "the script ended after 2 steps")
    ]
    assert candidate.status == 2


def test_scripts_go_on_unwatched_where_they_are_asked_to(both: Commands) -> None:
    report, candidate, reference = both.compared(script(), script(), "--then", "continue", steps=2)
    assert report
    assert "step 3\ndone, with 0 hooks\n" in candidate.out
    assert "the script goes on unwatched" in candidate.err
    assert "done" not in reference.out


def test_the_candidate_gets_the_references_weights_where_they_are_to_be_copied(both: Commands) -> None:
    other = script().replace("default_rng(number)", "default_rng(number + 100)")
    report, _, _ = both.compared(script(), other)
    assert report.first_divergence is not None
    assert report.first_divergence.phase is Phase.INITIAL_WEIGHTS
    report, _, _ = both.compared(script(), other, "--copy-weights")
    assert report, str(report)


def test_options_and_a_layer_map_come_from_a_file(both: Commands) -> None:
    file = both.folder / "scripts.yaml"
    file.write_text("options: {keep_going: true}\nlayer_map: {ignore: {candidate: [relu]}}\n")
    report, _, _ = both.compared(script(), script(scale="2"), "--spec", str(file), steps=2)
    assert len(report.steps) == 2
    file.write_text("options: {single_step: true}\n")
    other = both.run("reference", script())
    refused = both.run("candidate", script(), "--spec", str(file)).ended()
    assert refused.status == 2
    assert "options.single_step: scripts make their own steps" in refused.err
    assert other.ended().status == 2


def test_random_numbers_stay_the_scripts_own_unless_they_are_switched_off(both: Commands) -> None:
    file = both.folder / "scripts.yaml"
    file.write_text("options: {randomness: off}\n")
    drops = "model.relu.forward = lambda x: fake.dropout(fake.relu(x), 0.5, model.training)\n"
    text = script().replace("watch.watch(", f"{drops}watch.watch(")
    texts = [text.replace("fake.seed(0)", f"fake.seed({seed})") for seed in (0, 1)]
    report, _, _ = both.compared(*texts, steps=2)
    assert report.first_divergence is not None
    report, _, _ = both.compared(*texts, "--spec", str(file), steps=2)
    assert report, str(report)


def test_a_script_that_makes_no_step_is_told_of(both: Commands) -> None:
    other = both.run("reference", script())
    ended = both.run("candidate", script(made=0)).ended()
    assert ended.status == 2
    assert "ended with exit code 0, and no watched model had made a training step" in ended.err
    told = other.ended()
    assert told.status == 2
    assert "the candidate's command ended: the script ended with exit code 0" in told.err


def test_a_reference_that_makes_no_step_is_told_of_by_the_waiting_candidate(both: Commands) -> None:
    other = both.run("candidate", script())
    other.line_on_stderr("waiting for the reference's")
    assert both.run("reference", script(made=0)).ended().status == 2
    told = other.ended()
    assert told.status == 2
    assert "the reference's command ended: the script ended with exit code 0" in told.err


def test_a_second_command_of_one_side_is_refused(both: Commands) -> None:
    first = both.run("reference", script())
    first.line_on_stderr("waiting for the candidate's")
    again = both.run("reference", script()).ended()
    assert again.status == 2
    assert "runs already" in again.err


def test_a_command_that_cannot_be_run_is_told_of_in_one_line(both: Commands) -> None:
    ended = both.run("candidate", script(), command=["/no/such/python"]).ended()
    assert ended.status == 2
    assert ended.err.count("\n") == 1
    assert "/no/such/python cannot be run" in ended.err


@pytest.mark.parametrize("is_for_group", [False, True])
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_a_script_ends_with_its_command(both: Commands, number: signal.Signals, is_for_group: bool) -> None:
    text = "import os, sys; print('script', os.getpid(), file=sys.stderr, flush=True)\n" + script()
    command = both.run("reference", text)
    pid = int(command.line_on_stderr("script ").split()[1])
    command.line_on_stderr("waiting for the candidate's")
    watching = os.pidfd_open(pid)
    if is_for_group:
        os.killpg(command.process.pid, number)
    else:
        command.process.send_signal(number)
    command.process.wait(20)
    # Readable once the process has ended.
    assert select.select([watching], [], [], 20)[0]
    os.close(watching)


def test_a_script_that_hangs_is_given_up_and_its_line_is_said(both: Commands) -> None:
    hanging = script(between="__import__('threading').Event().wait() if step == 1 else None")
    report, candidate, reference = both.compared(script(), hanging, "--timeout", "3")
    (trouble,) = report.troubles
    assert (trouble.side, trouble.step) == (Side.CANDIDATE, 1)
    assert trouble.activity is not None
    assert any(line.file.endswith("candidate_script.py") for line in trouble.activity.stack)
    assert [step.passed for step in report.steps] == [True]
    assert (candidate.status, reference.status) == (2, 0)


def test_ctrl_c_leaves_the_report_up_to_there(both: Commands) -> None:
    pipe, file = both.folder / "pipe", both.folder / "report.json"
    os.mkfifo(pipe)
    other = both.run("reference", script())
    waiting = script(between=f"open({str(pipe)!r}).read() if step == 1 else None")
    command = both.run("candidate", waiting, "--verbose", "--steps", "3", "--json", str(file))
    # Opened for writing once the script reads, in its second step; the first may still be judged.
    writing = os.open(pipe, os.O_WRONLY)
    command.line_on_stderr("step 1 (2 of 3)")
    command.process.send_signal(signal.SIGINT)
    ended = command.ended()
    os.close(writing)
    assert ended.status == 130, ended.err
    report = Report.load(file)
    assert [step.passed for step in report.steps] == [True]
    assert other.ended().status == 2


def test_a_script_that_nobody_runs_for_a_comparison_runs_as_it_is(tmp_path: Path) -> None:
    file = tmp_path / "script.py"
    file.write_text(script())
    done = subprocess.run(
        [sys.executable, str(file)], capture_output=True, text=True, env=environment(), check=True
    )
    assert done.stdout.endswith("step 3\ndone, with 0 hooks\n")
    assert done.stderr == ""


def test_scripts_that_serve_at_addresses_are_compared_by_them(both: Commands) -> None:
    addresses = []
    running = []
    for side in ("reference", "candidate"):
        file = both.folder / f"{side}_script.py"
        file.write_text(script())
        listen = ("run", "--listen", "127.0.0.1:0", "--", sys.executable, str(file))
        running.append(both.start(*listen, PADIFF_TOKEN="a secret"))
        addresses.append(running[-1].line_on_stderr("serves at").split()[-1])
    reference, candidate = (ModelSpec(worker=address, token="a secret") for address in addresses)
    report = auto_diff(candidate, reference, steps=2, auto_weights=False)
    assert report, str(report)
    assert [command.ended().status for command in running] == [0, 0]


def test_scripts_on_other_machines_are_compared_by_a_spec_that_names_them(both: Commands) -> None:
    certs = both.folder / "certs"
    make_certificates(str(certs), [], days=1, force=False)
    flags = {"cert": "worker.pem", "key": "worker-key.pem", "ca": "ca.pem"}
    serving = [text for name, file in flags.items() for text in (f"--tls-{name}", str(certs / file))]
    spec, running = "steps: 2\nauto_weights: false\n", []
    for side in ("reference", "candidate"):
        text = both.folder / f"{side}_script.py"
        text.write_text(script())
        running.append(
            both.start("run", "--listen", "127.0.0.1:0", *serving, "--", sys.executable, str(text))
        )
        address = running[-1].line_on_stderr("serves at").split()[-1]
        tls = f"{{ca: {certs}/ca.pem, certificate: {certs}/client.pem, key: {certs}/client-key.pem}}"
        spec += f"{side}: {{worker: '{address}', tls: {tls}}}\n"
    (both.folder / "spec.yaml").write_text(spec)
    compared = both.start("compare", str(both.folder / "spec.yaml")).ended()
    assert (compared.status, compared.out[:5]) == (0, "PASS:"), compared.err
    assert [command.ended().status for command in running] == [0, 0]


def test_a_script_is_recorded_and_compared_with_another_one_later(both: Commands) -> None:
    file, spec = both.folder / "script.py", both.folder / "spec.yaml"

    def serving(text: str) -> tuple[Command, str]:
        file.write_text(text)
        command = both.start("run", "--listen", "127.0.0.1:0", "--", sys.executable, str(file))
        return command, command.line_on_stderr("serves at").split()[-1]

    command, address = serving(script())
    spec.write_text(f"steps: 3\nreference: {{worker: '{address}'}}\n")
    recorded = both.start("record", str(spec), "-o", str(both.folder / "run.padiff")).ended()
    assert recorded.status == 0, recorded.err
    assert command.ended().status == 0
    for scale, status in (("1", 0), ("1 if step < 2 else 2", 1)):
        command, address = serving(script(scale=scale))
        spec.write_text(
            "steps: 3\nauto_weights: false\nreference: {recording: run.padiff}\n"
            f"candidate: {{worker: '{address}'}}\n"
        )
        compared = both.start("compare", str(spec), "--format", "text").ended()
        assert compared.status == status, compared.out + compared.err
        assert compared.out.count("train mode") == 2
        assert command.ended().status == 0
    assert compared.out.startswith("FAIL: loss of step 2")


def test_a_script_is_not_compared_with_a_model_that_makes_no_steps_of_its_own(
    both: Commands, service: Service, tmp_path: Path
) -> None:
    file = tmp_path / "candidate_script.py"
    file.write_text(script())
    command = both.start("run", "--listen", "127.0.0.1:0", "--", sys.executable, str(file))
    address = command.line_on_stderr("serves at").split()[-1]
    with running_worker(tmp_path, "model") as worker:
        model = ModelSpec(model="fake_models:net", worker=worker.address)
        batch = Batch(args=())
        with pytest.raises(InvalidRequestError, match=r"reference\.worker: the other side is a script"):
            auto_diff(ModelSpec(worker=address), model, (batch, batch))
    assert command.ended().status == 0


def test_the_references_command_is_as_quiet_as_it_is_asked_and_writes_its_log(both: Commands) -> None:
    log = both.folder / "reference.log"
    other = both.run("reference", script(), "--quiet", "--log-file", str(log))
    own = both.run("candidate", script(), "--steps", "3")
    assert own.ended().status == 0
    ended = other.ended()
    assert ended.status == 0
    assert "compared by" not in ended.err
    assert "compared by the candidate's command: PASS" in log.read_text()
