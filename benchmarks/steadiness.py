"""Says whether the examples, and a pair and a fault of each subject, come out the same ten times running.

Verdict, first divergence, and how many rows fail, tie or were left out are compared; figures may differ in
their last digits.
"""

from __future__ import annotations

import argparse
import dataclasses
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from benchmarks.faults.comparing import ROOT, Service, service
from benchmarks.faults.faults import FAULTS
from benchmarks.faults.healthy import HEALTHY
from benchmarks.faults.subjects import FAULTED
from padiff_client import Report, auto_diff
from padiff_client.specfile import read_comparison
from padiff_compare.judge.judged_row import fails, has_ties
from padiff_rpc.v1.words import Verdict

Run = Callable[[], Report]
EXAMPLES = ROOT / "examples"


def main() -> int:
    """Returns 1 where anything came out in more than one way."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.steadiness", description=__doc__)
    parser.add_argument("--times", type=int, default=10)
    asked = parser.parse_args()
    unsteady = 0
    with ExitStack() as stack, tempfile.TemporaryDirectory() as logs:
        # The digits' modules are called as those of other examples are.
        folders = [path for path in sorted(EXAMPLES.iterdir()) if path.is_dir() and path.name != "digits"]
        running = stack.enter_context(service(Path(logs)))
        examples = stack.enter_context(service(Path(logs), folders))
        digits = stack.enter_context(service(Path(logs), [EXAMPLES / "digits"]))
        for name, run in (*_examples(examples, digits), *_subjects(running)):
            ways = [_way(run()) for _ in range(asked.times)]
            unsteady += len(set(ways)) > 1
            print(f"{'unsteady' if len(set(ways)) > 1 else 'steady':<10}{name}: {ways[0][0]}", flush=True)
            for way in dict.fromkeys(ways) if len(set(ways)) > 1 else ():
                print(f"{ways.count(way):>8} times {way}", flush=True)
    print(f"{unsteady} came out in more than one way")
    return int(bool(unsteady))


def _examples(others: Service, digits: Service) -> Iterator[tuple[str, Run]]:
    for file in sorted(EXAMPLES.glob("*/*.yaml")):
        if file.name == "containers.yaml":  # the same for other hosts
            continue
        running, faults = others, [""]
        if file.parent.name == "digits":
            running = digits
        if file.parent.name == "resnet50":
            faults += ["norm_epsilon", "gradient_times_3"]
        for fault in faults:
            given = {"fault": fault} if fault else {}
            yield f"{file.relative_to(EXAMPLES)} {fault}".strip(), _run_of(file, running, given)


def _run_of(file: Path, running: Service, given: Mapping[str, Any]) -> Run:
    def run() -> Report:
        asked = read_comparison(str(file)).comparison
        layer, module = (
            dataclasses.replace(
                spec, worker=getattr(running, spec.framework), path=(), kwargs={**spec.kwargs, **more}
            )
            for spec, more in ((asked.candidate, given), (asked.reference, {}))
        )
        return auto_diff(
            layer,
            module,
            asked.example_inp,
            steps=asked.steps,
            options=asked.options,
            loss_fn=asked.losses if any(asked.losses) else None,
            optimizer=asked.optimizers if any(asked.optimizers) else None,
            server=running.server,
        )

    return run


def _subjects(running: Service) -> Iterator[tuple[str, Run]]:
    """Yields each subject's first healthy pair, and the first fault planted in it."""
    for subject in FAULTED:
        pair = next(one for one in HEALTHY if one.setting.subject == subject)
        yield pair.id, lambda pair=pair: running.compare(pair.setting, {})  # type: ignore[misc]
        fault = next(one for one in FAULTS if one.setting.subject == subject)
        yield (
            fault.id,
            lambda fault=fault: running.compare(fault.setting, {}, fault.planted()),  # type: ignore[misc]
        )


def _way(report: Report) -> tuple[Any, ...]:
    """Returns what must not change from run to run."""
    first = report.first_divergence
    place = () if first is None else (first.phase, first.step, first.kind, first.path, first.row.order)
    left_out = sum(row.verdict is Verdict.NOT_COMPARED for row in report.rows)
    return (
        "PASS" if report else "FAIL",
        *map(str, place),
        f"{sum(map(fails, report.rows))} fail",
        f"{sum(map(has_ties, report.rows))} tie",
        f"{left_out} of {len(report.rows)} left out",
    )


if __name__ == "__main__":
    sys.exit(main())
