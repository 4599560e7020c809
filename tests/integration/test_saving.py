"""Names of files that a coordinator's client has a worker save to."""

from __future__ import annotations

from pathlib import Path

import pytest
from comparisons import model
from processes import Service, running_worker

from padiff_client.link import connect
from padiff_client.report import Report
from padiff_rpc.errors import InvalidRequestError
from padiff_rpc.v1.records import AssignWeightsRequest, Party, WorkerAddress
from padiff_rpc.version import PROTOCOL_VERSION


@pytest.fixture(scope="module")
def saving(service: Service, tmp_path_factory: pytest.TempPathFactory) -> tuple[Service, Path]:
    """A service, and the folder that its candidate may save to."""
    folder = tmp_path_factory.mktemp("saving")
    with running_worker(folder, "candidate") as candidate:
        yield Service(service.coordinator, service.reference, candidate.address), folder


def assign(service: Service, save: str) -> Report:
    asked = AssignWeightsRequest(
        protocol_version=PROTOCOL_VERSION,
        reference=Party(model=model("fake_models:net"), worker=WorkerAddress(address=service.reference)),
        candidate=Party(model=model("fake_models:net"), worker=WorkerAddress(address=service.candidate)),
        save=save,
    )
    with connect(service.coordinator) as connection:
        return connection.assign_weights(asked)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        (f"{'x' * 300}.pt", "is no path: a name in it has 303 bytes, and 255 are the most"),
        (f"{'x/' * 2500}.pt", "is no path: it has 5003 bytes, and 4095 are the most"),
        ("a\0b.pt", "is no path: it holds a zero byte"),
        ("there.pt", "there.pt is a folder; name a file in it"),
        ("missing/x.pt", "does not exist"),
        ("../x.pt", "lies outside the worker's save root"),
    ],
    ids=["long name", "long path", "zero byte", "folder", "missing folder", "outside"],
)
def test_a_name_that_cannot_be_saved_to_is_one_line(
    saving: tuple[Service, Path], name: str, said: str
) -> None:
    service, folder = saving
    (folder / "there.pt").mkdir(exist_ok=True)
    with pytest.raises(InvalidRequestError, match=said) as caught:
        assign(service, name)
    text = str(caught.value)
    assert text.startswith("save: ")
    assert len(text) < 400
    assert text.isprintable()


def test_a_name_as_long_as_the_file_system_takes_is_saved_to(saving: tuple[Service, Path]) -> None:
    service, folder = saving
    name = "x" * 252 + ".pt"
    assert assign(service, name).saved == str(folder / name)
    assert (folder / name).stat().st_size
    assert not list(folder.glob(".padiff-*"))
