"""The published compose.yaml: TLS, users, mounts, health; and a comparison through all of it."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from composition import SERVICES, Composition

PADIFF = [sys.executable, "-m", "padiff_client.cli"]


def client_flags(composition: Composition) -> list[str]:
    folder = composition.certificates
    return [
        f"--tls-ca={folder / 'ca.pem'}",
        f"--tls-cert={folder / 'client.pem'}",
        f"--tls-key={folder / 'client-key.pem'}",
    ]


def test_a_comparison_runs_through_all_containers(composition: Composition) -> None:
    done = composition.compose(
        *("--profile", "compare", "run", "--rm", "-T", "compare", "containers.yaml"), check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr + composition.logs()
    assert "PASS: the models agree" in done.stdout
    assert "torch 2.13.0" in done.stdout
    assert "paddle 3.3.1" in done.stdout


def test_a_client_outside_with_a_certificate_sees_both_workers(composition: Composition) -> None:
    address = f"127.0.0.1:{composition.port}"
    command = [*PADIFF, "workers", "--server", address, "--json", *client_flags(composition)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    listed = json.loads(done.stdout)
    assert sorted(worker["framework"] for worker in listed) == ["paddle", "torch"], listed


def test_captures_come_through_memory_that_the_containers_share(composition: Composition) -> None:
    words = ("--profile", "compare", "run", "--rm", "-T", "compare", "containers.yaml")
    # An error where it cannot be had.
    done = composition.compose(*words, "--transport=shm", check=False)
    assert done.returncode == 0, done.stdout + done.stderr + composition.logs()
    assert composition.execute("coordinator", "ls", "-A", "/run/padiff").stdout == ""


@pytest.mark.parametrize("credentials", ["nothing", "the CA alone"])
def test_a_client_outside_without_a_certificate_is_refused(
    composition: Composition, credentials: str
) -> None:
    flags = client_flags(composition)[:1] if credentials == "the CA alone" else []
    command = [*PADIFF, "workers", "--server", f"127.0.0.1:{composition.port}", *flags]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 2, done.stdout
    assert done.stderr.startswith("padiff: "), done.stderr


@pytest.mark.parametrize("service", SERVICES)
def test_nobody_in_a_container_is_root_or_writes_to_the_users_code(
    composition: Composition, service: str
) -> None:
    assert composition.execute(service, "id", "-u").stdout.strip() == "1000"
    assert composition.execute(service, "touch", "/code/file").returncode != 0
    assert "Read-only" in composition.execute(service, "touch", "/opt/padiff/file").stderr


def test_what_the_coordinator_cannot_hold_goes_to_a_disk(composition: Composition) -> None:
    kinds = dict(
        line.split()[1:3]
        for line in composition.execute("coordinator", "cat", "/proc/mounts").stdout.splitlines()
    )
    assert kinds["/tmp"] == "tmpfs"
    assert kinds["/var/spill"] != "tmpfs"
    assert composition.execute("coordinator", "touch", "/var/spill/file").returncode == 0
    assert composition.execute("coordinator", "rm", "/var/spill/file").returncode == 0


@pytest.mark.parametrize(("service", "absent"), [("torch-worker", "paddle"), ("paddle-worker", "torch")])
def test_a_workers_image_has_one_framework(composition: Composition, service: str, absent: str) -> None:
    done = composition.execute(service, "python", "-c", f"import {absent}")
    assert "ModuleNotFoundError" in done.stderr


def test_only_the_makers_of_certificates_see_the_key_of_the_ca(composition: Composition) -> None:
    for service in SERVICES:
        listed = composition.execute(service, "ls", "/run/secrets").stdout.split()
        assert "ca.pem" in listed
        assert "ca-key.pem" not in listed
        assert len(listed) == 3


def test_what_is_taken_down_ends_in_order_and_leaves_nothing(composition: Composition) -> None:
    # The last of this file, whose services are gone after it.
    composition.compose("stop")
    codes = [composition.exit_code(service) for service in SERVICES]
    composition.compose("down", "--volumes")
    assert codes == [0, 0, 0], composition.logs()
    assert composition.left_behind() == ""
