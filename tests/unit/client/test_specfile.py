"""Comparisons in YAML: the documented example, and errors that point at the line."""

from __future__ import annotations

import io
import json
import re
import sys
import textwrap
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from padiff_client import Batch, InvalidRequestError
from padiff_client.batches import BatchPairs, PairEncoder
from padiff_client.comparison import Comparison
from padiff_client.specfile import SpecFile, read_comparison
from padiff_rpc import trees
from padiff_rpc.v1.records import LayerPair

MODELS = """\
reference: {framework: torch, model: "a:b"}
candidate: {framework: paddle, model: "a:b"}
"""


def read_file(tmp_path: Path, text: str) -> SpecFile:
    file = tmp_path / "spec.yaml"
    file.write_text(textwrap.dedent(text))
    return read_comparison(str(file))


def read(tmp_path: Path, text: str) -> Comparison:
    return read_file(tmp_path, text).comparison


def inputs(tmp_path: Path, text: str) -> Any:
    return read(tmp_path, MODELS + textwrap.dedent(text)).example_inp


def values(side: Any) -> Any:
    batch = side if isinstance(side, Batch) else Batch(kwargs=side)
    return list(batch.args), dict(batch.kwargs)


def test_the_documented_example_is_read(tmp_path: Path) -> None:
    document = (Path(__file__).resolve().parents[3] / "docs" / "spec.md").read_text()
    example = re.findall(r"```yaml\n(.*?)```", document, re.DOTALL)[0]
    asked = read(tmp_path, example)
    assert asked.reference.framework == "torch"
    assert asked.reference.python == str(tmp_path / ".venv/torch/bin/python")
    assert asked.reference.path == (str(tmp_path),)
    assert dict(asked.candidate.kwargs) == {"classes": 10}
    assert asked.losses == ("my_port.loss:cross_entropy", "reference.loss:cross_entropy")
    assert asked.optimizers == ("my_port.optimizer:adam", "reference.optimizer:adam")
    assert (asked.steps, asked.auto_weights, asked.server) == (2, True, None)
    assert (asked.options.atol, asked.options.rtol) == (1e-4, 1e-5)
    record = asked.layer_map
    assert record.ignored.reference == ("aux",)
    assert LayerPair(reference="rnn", candidate="lstm", special_init="my_port.rules:lstm") in record.pairs
    candidate, reference = asked.example_inp
    assert candidate.args[0] is reference.kwargs["x"]
    assert candidate.args[0].array.shape == (2, 3, 224, 224)


def test_every_documented_key_is_known(tmp_path: Path) -> None:
    document = (Path(__file__).resolve().parents[3] / "docs" / "spec.md").read_text()
    with pytest.raises(InvalidRequestError) as caught:
        read(tmp_path, "reference: {modle: x}\ncandidate: {}\ninputs: {}\n")
    for key in str(caught.value).partition("allowed: ")[2].partition(";")[0].split(", "):
        assert f"`{key}`" in document


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "reference:\n  modle: x\ncandidate: {}\ninputs: {}\n",
            r"2: reference\.modle: unknown key; allowed: fr",
        ),
        ("reference: {}\ncandidate: {}\n", r"1: the key 'inputs' is missing"),
        ("a: [1\n", "2: not valid YAML"),
        ("- 1\n", r"1: not allowed; allowed: a mapping"),
        ("steps: 1\nsteps: 2\n", "2: steps: given twice"),
        (
            "reference: &base\n  kwargs:\n    a: 1\n    a: 2\ncandidate: *base\ninputs: {}\n",
            r"4: reference\.kwargs\.a: given twice",
        ),
        ("reference:\n  <<: 3\ncandidate: {}\ninputs: {}\n", r"2: reference: not valid YAML: expected a ma"),
        (MODELS + "inputs: x\n", "3: inputs: 'x' is not allowed; allowed: package.module:function"),
        (MODELS + "inputs: {x: {shpe: [1]}}\n", r"3: inputs\.x\.shpe: unknown key; allowed: shape, dtype"),
        (
            MODELS + "inputs: {x: {shape: [1], dtype: f4}}\n",
            r"3: inputs\.x\.dtype: 'f4' is not allowed; allo",
        ),
        (MODELS + "inputs: {x: {shape: [-1]}}\n", r"3: inputs\.x\.shape: \[-1\] is not allowed"),
        (MODELS + "inputs: {x: {shape: [1], range: [2, 1]}}\n", r"3: inputs\.x\.range: \[2, 1\] is not"),
        (MODELS + "inputs: {x: {dtype: int8}}\n", r"3: inputs\.x: the key 'shape' is missing"),
        (MODELS + "inputs: no.npz\n", r"3: inputs: .*no\.npz: cannot be read"),
        (
            MODELS + "inputs: 'no_such_module:f'\n",
            "3: inputs: no_such_module:f: no module no_such_module in /",
        ),
        (MODELS + "inputs: {file: a.npz, table: {}}\n", r"3: inputs\.table: file is given too"),
        (MODELS + "inputs:\n  path: [.]\n", r"4: inputs: no arrays; give one of function, file, table"),
        (MODELS + "inputs: {}\nsteps: 0\n", "4: steps: 0 is not allowed"),
        (MODELS + "inputs: {}\noptions:\n  atol: x\n", r"5: options\.atol: 'x' is not allowed"),
        (MODELS + "inputs: {}\noptions:\n  rtl: 1\n", r"5: options\.rtl: unknown option; allowed: atol"),
        (MODELS + "inputs: {}\nauto_weights: 3\n", "4: auto_weights: 3 is not allowed; allowed: true, false"),
        (
            MODELS + "inputs: {}\nlayer_map:\n  ignored: {}\n",
            r"5: layer_map\.ignored: unknown key; allowed: pa",
        ),
        (
            MODELS + "inputs: {}\nlayer_map:\n  ignore: {both: [a]}\n",
            r"5: layer_map\.ignore\.both: unknown key",
        ),
        (
            MODELS
            + "inputs: {}\nlayer_map:\n  special_init:\n    - {reference: a, candidate: b, function: c}\n",
            r"6: layer_map\.special_init\[0\]: 'c' is not allowed",
        ),
        (MODELS + "inputs: {}\nserver: {token: t}\n", "4: server: the key 'address' is missing"),
        (MODELS + "inputs: {}\nserver: example.org:1\n", r"4: server\.address: .* needs tls"),
        (
            "candidate: {}\ninputs: {}\nreference:\n  framework: torch\n  model: a:b\n  seed: x\n",
            r"6: reference\.seed: 'x' is not allowed",
        ),
        (
            "inputs: {}\nreference: {framework: torch, model: 'a:b'}\n"
            "candidate:\n  framework: torch\n  model: a.b\n",
            r"5: candidate\.model: 'a\.b' is not allowed",
        ),
        (
            "inputs: {}\nreference: {framework: torch, model: 'a:b'}\n"
            "candidate:\n  framework: torch\n  model: a:b\n  loss: mean\n",
            r"6: candidate\.loss: 'mean' is not allowed",
        ),
    ],
)
def test_an_error_is_one_line_with_file_line_and_key(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(InvalidRequestError, match=rf"spec\.yaml:{said}") as caught:
        read(tmp_path, text)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("module: {}\n", "1: module: unknown key; the key for it is reference"),
        (MODELS + "inputs: {}\natol: 1\n", "4: atol: an option; write options: {atol: ...}"),
        (MODELS + "inputs: {}\nloss: a:b\n", "4: loss: belongs to one model; write loss: under ref"),
        (MODELS + "inputs: {}\noptions: {train: true}\n", "4: options.train: belongs to one model;"),
        (MODELS + "inputs: {}\noptions: {steps: 2}\n", "4: options.steps: a key of its own; write it"),
        (MODELS + "inputs: {}\noptions: {rtoll: 2}\n", "nearest: rtol, atol"),
        ("reference: {rtol: 1}\ncandidate: {}\ninputs: {}\n", "1: reference.rtol: an option; write op"),
        ("reference: {modle: x}\ncandidate: {}\ninputs: {}\n", "nearest: model"),
        ("reference: torch\ncandidate: {}\ninputs: {}\n", "1: reference: 'torch' is not allowed; all"),
        (MODELS.replace("torch", "pytorch") + "inputs: {}\n", "allowed: torch, paddle; nearest: torch"),
        (MODELS.replace("a:b", "a/net.py:b") + "inputs: {}\n", "nearest: a.net:b"),
        (MODELS.replace("a:b", "a.net.b") + "inputs: {}\n", "nearest: a.net:b"),
        (MODELS.replace("a:b", "a:b\\n c") + "inputs: {}\n", "1: reference.model: 'a:b c' is not all"),
        (MODELS + "inputs: {tabel: [a]}\n", "no key; allowed: function, file, table, path, refer"),
        (MODELS + "inputs:\n", "3: inputs: None is not allowed; allowed: package.module:function, a file"),
        (MODELS + "inputs: {x: {shape: 2x2}}\n", "3: inputs.x.shape: '2x2' is not allowed; allowed: a l"),
        (MODELS + "inputs: {x: {shape: [9000000, 9000000]}}\n", "[9000000, 9000000] does not fit"),
        (MODELS + "inputs: {x: {shape: [4000000000, 4000000000, 4]}}\n", "4] does not fit into this"),
        (MODELS + "inputs: {x: {shape: [2], range: [0, .inf]}}\n", "3: inputs.x.range: [0, inf] is not"),
        (MODELS + "inputs: {x: {shape: [2], dtype: float}}\n", "nearest: float64, float32, float16"),
        (
            MODELS + "inputs: {x: {shape: [2], dtype: int64, requires_grad: true}}\n",
            "3: inputs.x.requires_grad: int64 has no gradient",
        ),
        (
            MODELS + "inputs:\n  table: {image: {shape: [2]}}\n  reference: {x: imgae}\n",
            "5: inputs.reference: no array 'imgae'; there are: image; nearest: image",
        ),
        (MODELS + "inputs: {file: bacth.npz}\n", "no such file or directory; nearest: batch.npz"),
        (MODELS + "inputs: made_here:batchs\n", "made_here:batchs: the module has no batchs; nearest: ba"),
        (MODELS + "inputs: made_here:number\n", "the module has a int number, no function"),
        (MODELS + "inputs: maed_here:batches\n", "no module maed_here in "),
        (MODELS + "inputs: maed_here:batches\n", "; nearest: made_here"),
        (MODELS + "inputs: made_here.x:batches\n", "made_here.x:batches: no module made_here.x in "),
        (MODELS + "inputs: needs_more:batches\n", "needs_more:batches imports no_such_package, which "),
        (MODELS + "inputs: unready:batches\n", "unready:batches: importing unready raised KeyError: two l"),
        (MODELS + "inputs: {function: 'made_here:batches', path: dtaa}\n", "is no folder; nearest: data"),
        (MODELS + "inputs: {}\nlayer_map: {conv: conv1}\n", "4: layer_map.conv: unknown key; write pai"),
        (MODELS + "inputs: {}\nlayer_map: paln.yaml\n", "paln.yaml is no file; nearest: plan.yaml"),
        (MODELS + "inputs: {}\nlayer_map: {ignore: [a]}\n", "['a'] is not allowed; allowed: a mapping"),
    ],
)
def test_what_is_nearly_right_is_told_with_what_is_meant(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, said: str
) -> None:
    monkeypatch.setattr(sys, "path", list(sys.path))
    for name in ("batch.npz", "plan.yaml"):
        (tmp_path / name).touch()
    (tmp_path / "data").mkdir()
    (tmp_path / "made_here.py").write_text("number = 3\ndef batches(): return {}\n")
    (tmp_path / "needs_more.py").write_text("import no_such_package\n")
    (tmp_path / "unready.py").write_text("raise KeyError('two\\n lines')\n")
    for name in ("made_here", "needs_more", "unready"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    with pytest.raises(InvalidRequestError) as caught:
        read(tmp_path, text)
    assert said in str(caught.value)
    assert str(caught.value).startswith(f"{tmp_path}/spec.yaml:")
    assert "\n" not in str(caught.value)
    assert "\\n" not in str(caught.value)


def test_words_that_yaml_takes_for_something_else_are_words_of_options(tmp_path: Path) -> None:
    asked = read(tmp_path, MODELS + "inputs: {}\noptions: {randomness: off}\n")
    assert asked.options.randomness == "off"
    with pytest.raises(InvalidRequestError, match=r"options\.trace: 'no' is not allowed; allowed: before"):
        read(tmp_path, MODELS + "inputs: {}\noptions: {trace: no}\n")


@pytest.mark.parametrize(
    ("raised", "said"),
    [
        (("no interpreter", "module.python"), "2: reference.python: no interpreter"),
        (("missing", "layer.worker"), "3: candidate.worker: missing"),
        (("cannot: travel", "layer.kwargs['a']"), "4: candidate.kwargs['a']: cannot: travel"),
        (("3 steps need an optimizer", "steps"), "6: steps: 3 steps need an optimizer"),
        (("no layer 'a'", "layer_map.pairs"), "7: layer_map.pairs: no layer 'a'"),
        (("no memory", "coordinator"), None),
        (("the reference worker: gone", ""), None),
        # The words alone point nowhere.
        (("steps: none of them", ""), None),
    ],
)
def test_an_error_of_a_comparison_points_into_its_file(
    tmp_path: Path, raised: tuple[str, str], said: Any
) -> None:
    asked = read_file(
        tmp_path,
        """\
        reference: {framework: torch, model: "a:b", path: [.],
          python: /nowhere}
        candidate: {framework: paddle, model: "a:b",
          kwargs: {a: 1}}
        inputs: {}
        steps: 3
        layer_map: {pairs: {a: b}}
        """,
    )
    with pytest.raises(InvalidRequestError) as caught:
        with asked.pointing():
            raise InvalidRequestError(raised[0], field=raised[1])
    whole = f"{raised[1]}: {raised[0]}" if raised[1] else raised[0]
    assert str(caught.value) == (whole if said is None else f"{tmp_path}/spec.yaml:{said}")


def test_a_missing_file_is_one_clear_line(tmp_path: Path) -> None:
    with pytest.raises(InvalidRequestError, match=r"none\.yaml: cannot be read"):
        read_comparison(str(tmp_path / "none.yaml"))


def test_paths_start_at_the_file_and_a_running_workers_files_are_its_own(tmp_path: Path) -> None:
    asked = read(
        tmp_path,
        """
        reference: {framework: torch, model: "a:b", path: [src, ..], weights: w.pt, python: python3}
        candidate: {worker: "127.0.0.1:1", weights: w.pdparams}
        inputs: {}
        """,
    )
    assert asked.reference.path == (str(tmp_path / "src"), str(tmp_path.parent))
    assert asked.reference.weights == str(tmp_path / "w.pt")
    assert asked.reference.python == "python3"
    assert (asked.candidate.path, asked.candidate.weights) == ((), "w.pdparams")
    assert asked.candidate.model == ""


def test_a_merged_mapping_may_be_overridden(tmp_path: Path) -> None:
    asked = read(
        tmp_path,
        """
        reference: &base {framework: torch, model: "a:b", kwargs: &sizes {width: 1, depth: 2}}
        candidate:
          framework: paddle
          <<: *base
          kwargs: {depth: 3, <<: *sizes}
        inputs: {}
        """,
    )
    assert (asked.reference.framework, dict(asked.reference.kwargs)) == ("torch", {"width": 1, "depth": 2})
    assert (asked.candidate.framework, asked.candidate.model) == ("paddle", "a:b")
    assert dict(asked.candidate.kwargs) == {"width": 1, "depth": 3}


def test_a_table_gives_the_same_arrays_again(tmp_path: Path) -> None:
    text = """
    inputs:
      ids: {shape: [4], dtype: int64, range: [5, 7]}
      mask: {shape: [2, 2], dtype: bool}
      x: {shape: [3], dtype: bfloat16, seed: 5, requires_grad: true}
      z: {shape: [], dtype: complex64}
    """
    candidate, reference = inputs(tmp_path, text)
    assert candidate is reference
    assert {name: one.dtype for name, one in candidate.items()} == {
        "ids": "int64",
        "mask": "bool",
        "x": "bfloat16",
        "z": "complex64",
    }
    assert set(np.unique(candidate["ids"].array)) <= {5, 6}
    assert candidate["x"].requires_grad
    again, _ = inputs(tmp_path, text)
    for name in candidate:
        np.testing.assert_array_equal(candidate[name].array, again[name].array)


def test_a_list_is_passed_by_position(tmp_path: Path) -> None:
    candidate, _ = inputs(tmp_path, "inputs: [{shape: [2]}, {shape: [3]}]")
    assert [one.array.shape for one in candidate.args] == [(2,), (3,)]


def test_an_argument_may_be_called_like_a_key(tmp_path: Path) -> None:
    candidate, _ = inputs(tmp_path, "inputs: {file: {shape: [2]}, path: {shape: [3]}}")
    assert list(candidate) == ["file", "path"]


def test_sides_may_have_tables_of_their_own(tmp_path: Path) -> None:
    candidate, reference = inputs(
        tmp_path, "inputs: {reference: {x: {shape: [2]}}, candidate: [{shape: [2]}]}"
    )
    np.testing.assert_array_equal(candidate.args[0].array, reference["x"].array)


def test_arrays_come_from_files_under_the_names_of_each_side(tmp_path: Path) -> None:
    np.savez(tmp_path / "in.npz", image=np.ones(2), scale=np.zeros(()))
    candidate, reference = inputs(
        tmp_path, "inputs: {file: in.npz, reference: {x: image}, candidate: [scale, image]}"
    )
    assert list(reference.kwargs) == ["x"]
    assert [one.shape for one in candidate.args] == [(), (2,)]
    with pytest.raises(
        InvalidRequestError, match=r"inputs\.reference: no array 'y'; there are: image, scale"
    ):
        inputs(tmp_path, "inputs: {file: in.npz, reference: {x: y}}")


ARRAYS = "{shape: [1]}"


@pytest.mark.parametrize(
    ("text", "candidate", "reference"),
    [
        (f"inputs: {{x: {ARRAYS}}}", "inputs", "inputs"),
        (f"inputs: {{table: {{x: {ARRAYS}}}}}", "inputs.table", "inputs.table"),
        (f"inputs: {{table: {{x: {ARRAYS}}}, candidate: {{y: x}}}}", "inputs.candidate", "inputs.table"),
        (f"inputs: {{table: [{ARRAYS}]}}", "inputs.table", "inputs.table"),
    ],
)
def test_inputs_are_called_what_the_file_calls_them(
    tmp_path: Path, text: str, candidate: str, reference: str
) -> None:
    comparison = read(tmp_path, MODELS + text)
    pulled = BatchPairs(comparison.example_inp, comparison.input_names).pull(0)
    names = [(one.name, one.args_name, one.kwargs_name) for one in (pulled.candidate, pulled.reference)]
    assert names == [(candidate,) * 3, (reference,) * 3]


def test_safetensors_are_read_with_bfloat16(tmp_path: Path) -> None:
    header = {
        "__metadata__": {"from": "a test"},
        "x": {"dtype": "BF16", "shape": [2], "data_offsets": [0, 4]},
        "y": {"dtype": "F32", "shape": [], "data_offsets": [4, 8]},
    }
    packed = json.dumps(header).encode()
    content = np.array([0x3F80, 0x4000], "<u2").tobytes() + np.float32(2.5).tobytes()
    (tmp_path / "in.safetensors").write_bytes(len(packed).to_bytes(8, "little") + packed + content)
    both = inputs(tmp_path, "inputs: in.safetensors")
    encoded = PairEncoder().encode(0, BatchPairs(both).pull(0))
    (_, x), (_, y) = encoded.tensors
    assert (str(x.dtype), x.array.tolist()) == ("bfloat16", [0x3F80, 0x4000])
    assert (str(y.dtype), y.array.shape, float(y.array)) == ("float32", (), 2.5)


def changed(content: bytes) -> bytes:
    """Returns an .npz archive whose compressed data no longer is any."""
    middle = content.index(b"x.npy") + len(b"x.npy") + 20
    return content[:middle] + b"\xff" * 8 + content[middle + 8 :]


def test_an_npz_file_that_claims_more_than_any_machine_holds_is_one_clear_line(tmp_path: Path) -> None:
    header = io.BytesIO()
    claim = {"descr": "<f4", "fortran_order": False, "shape": (2**60,)}
    np.lib.format.write_array_header_1_0(header, claim)
    with zipfile.ZipFile(tmp_path / "in.npz", "w") as archive:
        archive.writestr("x.npy", header.getvalue() + b"1234")
    with pytest.raises(InvalidRequestError, match=r"in\.npz: cannot be read: .*[Uu]nable to allocate"):
        inputs(tmp_path, "inputs: in.npz")


NINES = "".join(f"    n{i}: &n{i} [{', '.join([f'*n{i - 1}'] * 9)}]\n" for i in range(1, 9))


@pytest.mark.parametrize(
    ("kwargs", "said"),
    [
        (
            f"    n0: &n0 [x, y]\n{NINES}",
            r"spec\.yaml:10: reference\.kwargs\.n6: with its aliases .* has over 1000000 values; write less",
        ),
        (
            "    n: &n [1, *n]\n",
            r"spec\.yaml:4: reference\.kwargs\.n\[1\]: holds an alias of itself; write it out",
        ),
        (f"    n: {'[' * 5000}{']' * 5000}\n", r"spec\.yaml: too many brackets or levels within each other"),
    ],
)
def test_a_short_file_that_stands_for_a_long_one_is_refused(tmp_path: Path, kwargs: str, said: str) -> None:
    text = "reference:\n  framework: torch\n  kwargs:\n" + kwargs
    (tmp_path / "spec.yaml").write_text(text)
    with pytest.raises(InvalidRequestError, match=said) as caught:
        read_comparison(str(tmp_path / "spec.yaml"))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("kind", ["empty", "changed", "one array"])
def test_an_npz_file_that_is_none_is_one_clear_line(tmp_path: Path, kind: str) -> None:
    file = tmp_path / "in.npz"
    with open(file, "wb") as opened:
        if kind == "changed":
            np.savez_compressed(opened, x=np.arange(1000))
        elif kind == "one array":
            np.save(opened, np.arange(3))
    if kind == "changed":
        file.write_bytes(changed(file.read_bytes()))
    with pytest.raises(InvalidRequestError, match=r"spec\.yaml:3: inputs: .*in\.npz: cannot be read: ."):
        inputs(tmp_path, "inputs: in.npz")


def test_a_truncated_safetensors_file_is_one_clear_line(tmp_path: Path) -> None:
    (tmp_path / "in.safetensors").write_bytes(b"\xff" * 20)
    with pytest.raises(
        InvalidRequestError, match=r"spec.yaml:3: inputs: .*cannot be read: not a safetensors file"
    ):
        inputs(tmp_path, "inputs: in.safetensors")


def test_a_function_is_run_here_and_pulled_once(tmp_path: Path) -> None:
    (tmp_path / "made").mkdir()
    (tmp_path / "made" / "given_inputs.py").write_text(
        textwrap.dedent(
            """
            import numpy as np
            from padiff_client import Batch

            def batches():
                for i in range(2):
                    yield Batch(kwargs={"image": np.full(1, i)}, target=np.zeros(1))
            """
        )
    )
    both = inputs(
        tmp_path,
        """
        inputs:
          function: given_inputs:batches
          path: [made]
          reference: {x: image}
          candidate: [image]
        """,
    )
    pairs, encoder = BatchPairs(both), PairEncoder()
    for step in range(2):
        encoded = encoder.encode(step, pairs.pull(step))
        assert len(encoded.tensors) == 2  # image and target, each once for both sides
        assert trees.unpack(encoded.batch.reference.kwargs)["x"].number == (1, 3)[step]
    with pytest.raises(InvalidRequestError, match="ended after 2 batches"):
        pairs.pull(2)


def test_loaders_stand_for_inputs_and_a_train_step_and_autocast_are_the_models(tmp_path: Path) -> None:
    text = (
        "reference: {framework: torch, model: 'a:b', loader: 'a:data', autocast: bfloat16}\n"
        "candidate: {framework: torch, model: 'a:b', loader: 'a:data', train_step: 'a:step'}\n"
    )
    asked = read(tmp_path, text)
    assert asked.example_inp is None
    assert (asked.reference.loader, asked.reference.autocast) == ("a:data", "bfloat16")
    assert (asked.candidate.loader, asked.candidate.train_step) == ("a:data", "a:step")
