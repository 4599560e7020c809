"""Typed files: records of a file's keys, and errors that point at the line of what was refused."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from pathlib import Path
from typing import Any, Optional

import pytest

from padiff_rpc.errors import InvalidRequestError
from padiff_rpc.records import record
from padiff_rpc.typed_files import REQUIRED, Count, FilePath, Reader
from padiff_rpc.yaml_nodes import Entry, load


@record
class Port:
    """A record with a check of its own."""

    host: str = "here"
    number: Count = REQUIRED

    def __post_init__(self) -> None:
        if self.number > 9:
            raise InvalidRequestError("too high", field="Port.number")


@record
class Keys:
    """A record of records."""

    port: Optional[Port] = None
    ports: tuple[Port, ...] = ()
    by_name: Mapping[str, Port] = field(default_factory=dict)
    names: tuple[str, ...] = ()
    file: FilePath = FilePath("")
    is_on: bool = False
    anything: Any = None
    seconds: float = 0.0
    later: Optional[Entry] = None


def halves(entry: Entry) -> float:
    if entry.text() != "half":
        raise InvalidRequestError("not a half", field="value")
    return 0.5


READER = Reader({float: halves}, {Keys: lambda key: "it is called port" if key == "prot" else ""})


def read(folder: Path, content: str) -> Keys:
    file = folder / "some.yaml"
    file.write_text(content)
    return READER.read(load(str(file)), Keys)


def test_what_is_not_given_has_its_default(tmp_path: Path) -> None:
    assert read(tmp_path, "{}") == Keys()


def test_each_value_is_what_its_type_says(tmp_path: Path) -> None:
    keys = read(
        tmp_path,
        """
        port: {number: 1}
        ports: [{number: 2, host: there}, {number: 3}]
        by_name: {a: {number: 4}}
        names: one
        file: sub/x
        is_on: true
        anything: [1, {a: null}]
        seconds: half
        later: {b: c}
        """,
    )
    assert keys.port == Port(number=Count(1))
    assert keys.ports == (Port(number=Count(2), host="there"), Port(number=Count(3)))
    assert keys.by_name == {"a": Port(number=Count(4))}
    assert (keys.names, keys.is_on, keys.anything) == (("one",), True, [1, {"a": None}])
    assert (keys.file, keys.seconds) == (str(tmp_path / "sub" / "x"), 0.5)
    assert keys.later is not None
    assert keys.later.value() == {"b": "c"}


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("prot: 1\n", "1: prot: it is called port"),
        ("names: [a,\n  3]\n", "2: names[1]: 3 is not allowed; allowed: a text"),
        ("port:\n  numbr: 1\n", "2: port.numbr: unknown key; allowed: host, number; nearest: number"),
        ("port:\n  host: x\n", "2: port: the key 'number' is missing"),
        ("port:\n", "1: port: None is not allowed; allowed: a mapping (key: value) of host, number"),
        ("port: {host: x,\n  number: 10}\n", "2: port.number: too high"),
        ("by_name:\n  a:\n    number: 0\n", "3: by_name.a.number: 0 is not allowed; allowed: a whole number"),
        ("ports:\n  - number: 1\n  - {}\n", "3: ports[1]: the key 'number' is missing"),
        ("ports: {number: 1}\n", "1: ports: {'number': 1} is not allowed; allowed: a list, as [a, b]"),
        ("seconds: 2\n", "1: seconds: 2 is not allowed; allowed: a text"),
        ("seconds: two\n", "1: seconds: not a half"),
        ("is_on: 1\n", "1: is_on: 1 is not allowed; allowed: true, false"),
        ("by_name:\n  a: {number: 1}\n  a: {number: 2}\n", "3: by_name.a: given twice"),
        ("ports:\n  - number: 1\n    number: 2\n", "3: ports[0].number: given twice"),
        ("a: &b {c: 1}\nd: *b\nd: 2\n", "3: d: given twice"),
        ("names: [\x00]\n", "1: not valid YAML: "),
    ],
)
def test_whatever_is_refused_is_named_with_its_line(tmp_path: Path, content: str, said: str) -> None:
    with pytest.raises(InvalidRequestError) as caught:
        read(tmp_path, content)
    assert str(caught.value).startswith(f"{tmp_path}/some.yaml:{said}")
    assert "\n" not in str(caught.value)


def test_a_file_that_cannot_be_read_is_one_line(tmp_path: Path) -> None:
    said = r"none\.yaml: cannot be read: no such file or directory; a hint"
    with pytest.raises(InvalidRequestError, match=said):
        load(str(tmp_path / "none.yaml"), "; a hint")
