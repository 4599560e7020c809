"""One coordinator and two workers that stay, and comparisons that they make."""

from __future__ import annotations

import os
import subprocess
import sys
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Optional

import numpy as np

from benchmarks.faults.subjects import SUBJECTS, Setting
from padiff_client import Batch, Input, ModelSpec, Options, Report, auto_diff

ROOT = Path(__file__).resolve().parents[2]
MODELS = (Path(__file__).resolve().parent / "models", ROOT / "examples/vision", ROOT / "examples/resnet50")
STOP_SECONDS = 10


@contextmanager
def serving(command: list[str], folder: Path, name: str) -> Iterator[str]:
    """Provides the address of a server process, which is stopped at the end; its log goes to `folder`."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    with (folder / f"{name}.log").open("w") as log:
        process = subprocess.Popen(
            [*command, "--listen", "127.0.0.1:0"],
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            env=environment,
        )
    assert process.stdout is not None
    try:
        line = process.stdout.readline()
        if not line.startswith("listening on "):
            sys.exit(f"the process {name} does not serve; see {log.name}")
        yield line.removeprefix("listening on ").strip()
    finally:
        process.terminate()
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        process.stdout.close()


@dataclass(frozen=True)
class Service:
    """Addresses of running processes."""

    server: str
    torch: str
    paddle: str
    other_torch: str

    def compare(
        self, setting: Setting, options: Mapping[str, Any], fault: Optional[dict[str, Any]] = None
    ) -> Report:
        """Returns what the comparison of a pair found, with `fault` planted in its candidate."""
        subject = SUBJECTS[setting.subject]
        train = subject.train if setting.train is None else setting.train
        kwargs = {"name": setting.subject, **subject.kwargs}
        step = {"train_step": "{}_training:step"} if setting.own_step else {}
        reference, candidate = (
            ModelSpec(
                framework,
                f"{framework}_subjects:{factory}",
                kwargs={**kwargs, **own},
                worker=worker,
                train=train,
                dtype=None if setting.dtype == "float32" else setting.dtype,
                seed=setting.seed,
                **{name: text.format(framework) for name, text in step.items()},
            )
            for framework, factory, worker, own in (
                ("torch", "build", self.torch, {"weights": setting.weights}),
                (
                    ("paddle", "build", self.paddle, {} if fault is None else {"fault": fault})
                    if setting.candidate == "paddle"
                    else ("torch", "on_other_kernels", self.other_torch, {})
                ),
            )
        )
        return auto_diff(
            candidate,
            reference,
            (_batches(setting),) * 2,
            steps=setting.steps,
            options=Options.from_mapping(dict(options)),
            loss_fn=None if setting.own_step else _names(setting, subject.loss),
            optimizer=_names(setting, setting.optimizer) if setting.optimizer else None,
            server=self.server,
        )


def _names(setting: Setting, name: str) -> tuple[str, str]:
    return f"{setting.candidate}_training:{name}", f"torch_training:{name}"


def _batches(setting: Setting) -> list[Batch]:
    """Returns another batch for each step."""
    drawn = np.random.default_rng([setting.seed, zlib.crc32(setting.subject.encode())])
    batches = []
    for _ in range(setting.steps):
        inputs, target = SUBJECTS[setting.subject].inputs(drawn, setting.batch)
        batches.append(
            Batch(args=tuple(_as(one, setting) for one in inputs), target=_as(target, setting, 1.0))
        )
    return batches


def _as(array: np.ndarray, setting: Setting, scale: Optional[float] = None) -> Any:
    if array.dtype.kind != "f":
        return array
    scaled = array * (setting.scale if scale is None else scale)
    if setting.dtype == "bfloat16":
        return Input(scaled.astype(np.float32), dtype="bfloat16")
    return scaled.astype(setting.dtype)


def interpreter(framework: str) -> str:
    """Returns the interpreter of a framework's environment."""
    fallback = ROOT / ".venv" / framework / "bin" / "python"
    return os.environ.get(f"PADIFF_{framework.upper()}_PYTHON", str(fallback))


@contextmanager
def service(folder: Path, models: Sequence[Path] = MODELS) -> Iterator[Service]:
    """Provides the processes, whose workers find `models`; logs go to `folder`."""
    paths = [word for root in models for word in ("--path", str(root))]
    with ExitStack() as stack:
        server = stack.enter_context(
            serving([sys.executable, "-m", "padiff_server", "--allow-any-worker"], folder, "server")
        )
        workers = {
            name: stack.enter_context(
                serving([interpreter(framework), "-m", f"padiff_worker_{framework}", *paths], folder, name)
            )
            for name, framework in (("torch", "torch"), ("paddle", "paddle"), ("other_torch", "torch"))
        }
        yield Service(server=server, **workers)
