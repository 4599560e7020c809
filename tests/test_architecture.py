"""The arrows of the house: which package may import which, read from every module's syntax tree."""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from padiff_worker_paddle import vocabulary as paddle_vocabulary
from padiff_worker_torch import vocabulary as torch_vocabulary

ROOT = Path(__file__).resolve().parent.parent

# Each package, where it lives, and what it may import besides itself and the standard library.
FOLDERS = {
    "padiff_rpc": ROOT / "padiff_rpc",
    "padiff_compare": ROOT / "padiff_compare",
    "padiff_server": ROOT / "padiff_server",
    "padiff_worker": ROOT / "padiff_worker",
    "padiff_worker_torch": ROOT / "padiff_worker_torch",
    "padiff_worker_paddle": ROOT / "padiff_worker_paddle",
    "padiff_client": ROOT / "client" / "padiff_client",
}
ARROWS = {
    "padiff_rpc": {
        "cattrs",
        "numpy",
        "grpc",
        "grpc_health",
        "grpc_reflection",
        "grpc_status",
        "google",
        "msgpack",
        "typing_extensions",
        "yaml",
        # One library by its two names; only where it is installed.
        "backports",
        "compression",
    },
    "padiff_compare": {"padiff_rpc", "numpy", "safetensors"},
    "padiff_server": {
        *("padiff_rpc", "padiff_compare", "cattrs", "msgpack", "numpy", "grpc"),
        "prometheus_client",
    },
    "padiff_worker": {"padiff_rpc", "numpy", "grpc"},
    "padiff_worker_torch": {"padiff_rpc", "padiff_worker", "numpy", "torch", "safetensors"},
    "padiff_worker_paddle": {"padiff_rpc", "padiff_worker", "numpy", "paddle", "safetensors"},
    "padiff_client": {
        *("padiff_rpc", "padiff_compare", "numpy", "grpc", "yaml", "safetensors", "platformdirs"),
        "cryptography",
        "matplotlib",
        "pandas",
        "rich",
    },
}
# The folders of the comparison, and which of the others each may import.
INNER_ARROWS: dict[str, set[str]] = {
    "capture": set(),
    "judge": {"capture"},
    "alignment": {"capture"},
    "weights": {"capture", "alignment", "judge"},
    "report": {"alignment", "judge"},
    "hints": {"capture", "judge", "join"},
    "join": {"capture", "alignment", "judge", "weights"},
    "noise": {"capture", "alignment", "judge", "weights", "join"},
    "lockstep": {"capture", "alignment", "judge", "weights", "join"},
    "randomness": {"capture", "alignment", "judge", "weights", "report", "join", "lockstep"},
    "steps": {"capture", "alignment", "judge", "weights", "join", "noise", "lockstep", "randomness"},
    "rehearsal": {"capture", "alignment", "judge", "weights", "join", "noise", "steps"},
    "recording": {
        *("capture", "alignment", "judge", "weights", "report", "join", "randomness", "steps"),
    },
    "functions": {"capture"},
    "second_look": {
        *("capture", "judge", "weights", "join", "lockstep", "randomness", "steps", "functions"),
    },
}
MOST_PARAMETERS = 5
# One module is client and worker in one process, for scripts that hold both live models; whoever does not
# import it never meets a worker.
# It finds the frameworks' adapters by name.
MORE_ARROWS = {"padiff_client.live": {"padiff_worker"}}
# The suite that adapters must pass ships in the package.
TEST_SUITE = "padiff_worker.conformance"
# As does the plugin for users' tests, beside the command's entry: the client's own package imports all of it.
TEST_PLUGIN = "padiff_rpc.pytest_plugin"
# Generated too, but everybody deals in these; messages stay at the edges.
RECORDS = ("padiff_rpc.v1.records", "padiff_rpc.v1.words")
# The modules outside padiff_rpc that see messages: servicers and callers.
SEE_GENERATED_CODE = {
    "padiff_server.servicer",
    "padiff_server.recorded_parts",  # the servicer's messages of a recording
    "padiff_server.links.arena_probe",
    "padiff_server.links.connection",
    "padiff_server.links.loader_link",
    "padiff_server.links.optimizer_link",
    "padiff_server.links.weights_link",
    "padiff_server.links.worker_lease",
    "padiff_server.links.worker_link",
    "padiff_server.worker_listing",
    "padiff_worker.servicer",
    "padiff_worker.step_events",  # the servicer's messages of a running step
    # A recording holds messages, and shows them as they are.
    "padiff_worker.recorded.main",
    "padiff_worker.recorded.contents",
    "padiff_worker.recorded.player",
    "padiff_worker.recorded.replay",
    "padiff_worker.recorded.servicer",
    "padiff_client.link",
}
GENERATED = FOLDERS["padiff_rpc"] / "v1"


def _modules() -> Iterator[tuple[str, Path]]:
    for package, folder in FOLDERS.items():
        for file in sorted(folder.rglob("*.py")):
            if GENERATED not in file.parents:
                parts = [package, *file.relative_to(folder).with_suffix("").parts]
                yield ".".join(part for part in parts if part != "__init__"), file


def _imports(module: str, file: Path) -> Iterator[tuple[str, int]]:
    """Yields (imported module, line), those inside functions and under TYPE_CHECKING too."""
    package = module.split(".") if file.name == "__init__.py" else module.split(".")[:-1]
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"), str(file))):
        if isinstance(node, ast.Import):
            yield from ((alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            origin = ".".join([*base, *filter(None, [node.module])])
            yield from ((f"{origin}.{alias.name}", node.lineno) for alias in node.names)
        elif isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant):
            name = getattr(node.func, "attr", getattr(node.func, "id", ""))
            if name in ("import_module", "__import__", "importorskip"):
                yield str(node.args[0].value), node.lineno


@pytest.mark.parametrize("package", FOLDERS)
def test_a_package_imports_only_what_the_arrows_allow(package: str) -> None:
    allowed = ARROWS[package] | {package} | set(sys.stdlib_module_names)
    wrong = [
        f"{file.relative_to(ROOT)}:{line} imports {imported}"
        for module, file in _modules()
        if module.split(".")[0] == package
        for imported, line in _imports(module, file)
        if imported.split(".")[0] not in allowed | _more(module)
    ]
    assert wrong == []


def _more(module: str) -> set[str]:
    return {"pytest"} if module.startswith((TEST_SUITE, TEST_PLUGIN)) else MORE_ARROWS.get(module, set())


def test_nobody_imports_the_module_that_is_both_client_and_worker() -> None:
    importers = {
        module
        for module, file in _modules()
        for imported, _ in _imports(module, file)
        if any((imported + ".").startswith(f"{name}.") for name in MORE_ARROWS)
    }
    assert importers == set()


def test_messages_are_seen_only_by_the_contract_the_servicers_and_the_callers() -> None:
    seers = {
        module
        for module, file in _modules()
        if module.split(".")[0] != "padiff_rpc"
        and any(
            (imported + ".").startswith("padiff_rpc.v1.") and not imported.startswith(RECORDS)
            for imported, _ in _imports(module, file)
        )
    }
    assert seers <= SEE_GENERATED_CODE


def test_the_table_names_every_package_of_the_distribution() -> None:
    packages = {file.parent for file in ROOT.glob("**/py.typed") if not {".venv", "build"} & set(file.parts)}
    assert packages == set(FOLDERS.values())


def test_only_one_folder_knows_each_framework() -> None:
    for framework in ("torch", "paddle"):
        assert {package for package, allowed in ARROWS.items() if framework in allowed} == {
            f"padiff_worker_{framework}"
        }


def test_no_two_public_classes_share_a_name() -> None:
    """One word, one thing: also across packages, and for the records and words of the contract."""
    files = [file for _, file in _modules()]
    files += [GENERATED / f"{module.rpartition('.')[2]}.py" for module in RECORDS]
    places: dict[str, list[str]] = {}
    for file in files:
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"), str(file))):
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                places.setdefault(node.name, []).append(f"{file.relative_to(ROOT)}:{node.lineno}")
    assert {name: found for name, found in places.items() if len(found) > 1} == {}


@pytest.mark.parametrize("folder", INNER_ARROWS)
def test_a_folder_of_the_comparison_imports_only_what_the_inner_arrows_allow(folder: str) -> None:
    """So that no two of them need each other."""
    wrong = [
        f"{file.relative_to(ROOT)}:{line} imports {imported}"
        for module, file in _modules()
        if module.startswith(f"padiff_compare.{folder}.")
        for imported, line in _imports(module, file)
        for other in INNER_ARROWS.keys() - INNER_ARROWS[folder] - {folder}
        if f"{imported}.".startswith(f"padiff_compare.{other}.")
    ]
    assert wrong == []


def test_the_inner_arrows_name_every_folder_of_the_comparison() -> None:
    folder = FOLDERS["padiff_compare"]
    assert {file.parent.name for file in folder.glob("*/__init__.py")} == INNER_ARROWS.keys()


def test_no_constructor_takes_more_than_five_parameters() -> None:
    """Records excepted, which have no constructor of their own: what belongs together is one of them."""
    long = [
        f"{file.relative_to(ROOT)}:{node.lineno}"
        for module, file in _modules()
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"), str(file)))
        if isinstance(node, ast.FunctionDef) and node.name == "__init__"
        if len(node.args.args) + len(node.args.kwonlyargs) - 1 > MOST_PARAMETERS
    ]
    assert long == []


# Where a verdict is made, and how many modules one must read from any of them.
_JUDGE, _MOST_BEHIND_THE_JUDGE = "padiff_compare.judge", 15


def test_a_verdict_is_made_by_the_judge_alone() -> None:
    """So that nobody changes one afterwards: other modules say what they know, and ask."""
    makers = {
        f"{file.relative_to(ROOT)}:{node.lineno}"
        for module, file in _modules()
        if module.startswith(("padiff_compare.", "padiff_server.")) and not module.startswith(f"{_JUDGE}.")
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"), str(file)))
        if isinstance(node, ast.Call)
        and (
            getattr(node.func, "attr", getattr(node.func, "id", "")) == "Judgement"
            or any(keyword.arg == "verdict" for keyword in node.keywords)
        )
    }
    assert makers == set()


def test_behind_any_module_of_the_judge_lie_few_others() -> None:
    reached = {module: _reached(module) for module, _ in _modules() if module.startswith(f"{_JUDGE}.")}
    assert {
        module: sorted(found) for module, found in reached.items() if len(found) > _MOST_BEHIND_THE_JUDGE
    } == {}
    # The walk finds what there is.
    assert {f"{_JUDGE}.evidence", "padiff_rpc.records"} < reached[f"{_JUDGE}.judge"]


# The loop over steps, and how many modules one must read to follow it.
_LOOP, _MOST_BEHIND_THE_LOOP = "padiff_compare.steps.loop", 61


def test_behind_the_loop_over_steps_lie_no_more_modules_than_one_can_read() -> None:
    found = _reached(_LOOP)
    assert len(found) <= _MOST_BEHIND_THE_LOOP, sorted(found)
    # The walk finds what there is.
    assert {"padiff_compare.steps.one_pass", f"{_JUDGE}.judge", "padiff_rpc.tensors"} < found


def _reached(start: str) -> set[str]:
    """Returns the modules of the house, generated code apart, that a module needs, itself not."""
    files = dict(_modules())
    seen: set[str] = set()
    waiting = [start]
    while waiting:
        module = waiting.pop()
        # What is imported is a module, or something of one; a package's own module holds nothing.
        names = {name for imported, _ in _imports(module, files[module]) for name in _prefixes(imported)}
        found = {name for name in names & files.keys() if files[name].name != "__init__.py"}
        waiting += found - seen
        seen |= found
    return seen - {start}


def _prefixes(imported: str) -> tuple[str, str]:
    return imported, imported.rpartition(".")[0]


# What frameworks call things. Their workers say it in the common vocabulary.
_FRAMEWORKS = re.compile(r"torch|paddle|\bfake\b", re.IGNORECASE)
# Words for the parts of users' own names.
_WORDS_OF_PATHS = "padiff_compare.alignment.path_words"


def test_the_comparison_knows_no_framework() -> None:
    # What frameworks call layers and weights where the common word is another.
    own = {"_mean", "_variance", "_dropout_state", "num_batches_tracked", "weight_ho", "in_proj_weight"}
    for vocabulary in (torch_vocabulary.VOCABULARY, paddle_vocabulary.VOCABULARY):
        own |= {name for name, kind in vocabulary.kinds.items() if name != kind}
    named = [
        f"{file.relative_to(ROOT)}:{line}: {text!r}"
        for module, file in _modules()
        if module.startswith(("padiff_compare.", "padiff_server.")) and module != _WORDS_OF_PATHS
        for text, line in _texts(file)
        if _FRAMEWORKS.search(text) or text in own
    ]
    assert named == []


_NEUTRAL = ("padiff_client.", "padiff_rpc.", "padiff_worker.")
# The client's table; the habits of the older tool, which knew two; the spec to begin with.
_NAME_FRAMEWORKS = {"padiff_client.frameworks", "padiff_client.habits", "padiff_client.spec_template"}


def test_beside_their_folders_one_table_names_the_frameworks() -> None:
    named = [
        f"{file.relative_to(ROOT)}:{line}: {text!r}"
        for module, file in _modules()
        if module.startswith(_NEUTRAL) and module not in _NAME_FRAMEWORKS
        for text, line in _texts(file)
        if _FRAMEWORKS.search(text)
    ]
    assert named == []


def _texts(file: Path) -> Iterator[tuple[str, int]]:
    """Yields the texts of a module that are no docstrings, and their lines."""
    tree = ast.parse(file.read_text(encoding="utf-8"), str(file))
    documented = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    docstrings = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, documented) and node.body and isinstance(node.body[0], ast.Expr)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docstrings:
            yield node.value, node.lineno


# Ways to take a text apart, or to look into it.
_LOOKS = {
    *("startswith", "endswith", "removeprefix", "removesuffix", "partition", "rpartition", "split", "find"),
    *("index", "compile", "match", "search", "fullmatch", "finditer", "findall", "sub"),
}
# What holds causes and kinds with their numbers, and sentences made of them.
_OURS = {"reason", "reasons", "note", "notes", "sentence"}
# Two words of a sentence.
_WORDS = re.compile(r"[a-z'] [a-z'(]")
# Modules that tell what others wrote: OpenSSL's reasons; the last words of an interpreter that ended.
_READ_OTHERS = {"padiff_client.tls_check", "padiff_client.preflight"}


def _is_prose(node: ast.AST) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, str) and bool(_WORDS.search(node.value))


def _name(node: ast.AST) -> str:
    return node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""


def parsed_prose(source: str) -> Iterator[int]:
    """Yields the lines on which code decides by a sentence, or takes a reason or a note apart."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in _LOOKS:
            given = [part for argument in node.args for part in ast.walk(argument)]
            if any(map(_is_prose, given)) or {_name(node.func.value), *map(_name, node.args)} & _OURS:
                yield node.lineno
        elif isinstance(node, ast.Compare):
            looked = [_name(side) for side in node.comparators if isinstance(node.left, ast.Constant)]
            is_look = isinstance(node.ops[0], (ast.In, ast.NotIn)) and bool({*looked} & _OURS)
            if is_look or any(map(_is_prose, ast.walk(node))):
                yield node.lineno


@pytest.mark.parametrize("package", ["padiff_compare", "padiff_server", "padiff_client"])
def test_nobody_decides_by_a_sentence(package: str) -> None:
    found = {
        f"{name}:{line}"
        for name, path in _modules()
        if name.startswith(package) and name not in _READ_OTHERS
        for line in parsed_prose(path.read_text())
    }
    assert not found


@pytest.mark.parametrize(
    "source",
    [
        "if row.reason.startswith('random: '): pass",
        "if note.endswith('x'): pass",
        "re.match('x', one.reason)",
        "found = [text for text in texts if text.startswith('only the')]",
        "if 'not compared' in text: pass",
        "if match.reason == 'another pairing fits as well': pass",
        "if 'random' in note: pass",
        "part = re.compile('(.+) then transpose')",
    ],
)
def test_code_that_decides_by_a_sentence_is_found(source: str) -> None:
    assert list(parsed_prose(source)) == [1]


@pytest.mark.parametrize("package", ["padiff_compare", "padiff_server"])
def test_reasons_and_notes_carry_no_prose(package: str) -> None:
    found = {
        f"{name}:{node.lineno}"
        for name, path in _modules()
        if name.startswith(package)
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and _name(node.func) in ("Reason", "Note")
        for part in ast.walk(node)
        if isinstance(part, ast.JoinedStr) or _is_prose(part)
    }
    assert not found
