import itertools
import os
import sys
import sysconfig

import pytest

from padiff_rpc.errors import InvalidRequestError
from padiff_worker.loader import Loader

_names = itertools.count()


@pytest.fixture
def module(tmp_path):
    """Returns a function that writes a module of a fresh name under the root and returns the name."""

    def write(text):
        name = f"loader_case_{next(_names)}"
        (tmp_path / f"{name}.py").write_text(text)
        return name

    write.root = str(tmp_path)
    return write


def refused(loader, reference):
    with pytest.raises(InvalidRequestError) as error:
        loader.resolve(reference, field="model")
    assert str(error.value).startswith("model: ")
    assert "\n" not in str(error.value)
    return str(error.value)


def test_a_function_under_a_root_is_found(module):
    name = module("def build():\n    return 3\n")
    assert Loader([module.root]).resolve(f"{name}:build", field="model")() == 3


@pytest.mark.parametrize(
    "reference",
    [
        "",
        "a",
        "a:",
        ":b",
        "a:b.c",
        "a:b:c",
        "a b:c",
        "a:b()",
        "../a:b",
        ".a:b",
        "a..b:c",
        "a:b\n",
        "a:__class__",
        "a:__builtins__",
        "a.__init__:b",
        "__main__:b",
    ],
)
def test_what_is_no_reference_is_refused(module, reference):
    assert "package.module:name" in refused(Loader([module.root]), reference)


def test_a_wrong_name_is_answered_with_the_nearest(module):
    name = module("def build():\n    pass\n")
    assert "did you mean build?" in refused(Loader([module.root]), f"{name}:biuld")
    assert refused(Loader([module.root]), f"{name}s:build").endswith(f"; nearest: {name}")


def test_a_module_outside_the_roots_is_refused_unseen(module):
    assert "outside the import roots" in refused(Loader([module.root]), "os:system")
    assert "no module" in refused(Loader([module.root]), "no_such_module_at_all:x")


REEXPORTED = """
import functools, os, subprocess
from builtins import eval, exec, getattr, __import__ as importer
from json import dumps
from operator import attrgetter
from os import system
from subprocess import Popen, run

system_of = attrgetter("system")
append = [].append
partly = functools.partial(system, "true")
doubly = functools.partial(functools.partial(subprocess.run), check=True)
bound = os.environ.get
cached = functools.lru_cache(subprocess.run)
generic = list[int]

@functools.wraps(run)
def wrapped(*given, **named):
    return run(*given, **named)
"""


IMPORTED = ["system", "run", "Popen", "dumps", "eval", "exec", "getattr", "importer", "attrgetter"]
MADE = ["system_of", "append", "partly", "doubly", "bound", "cached", "generic", "wrapped"]


@pytest.mark.parametrize("name", IMPORTED + MADE)
def test_a_reexported_callable_is_refused_however_it_is_wrapped(module, name):
    text = refused(Loader([module.root]), f"{module(REEXPORTED)}:{name}")
    assert "outside the import roots" in text
    assert "write a function of your own" in text


def test_a_function_that_was_given_another_modules_name_is_refused(module, monkeypatch):
    name = module("import shlex\nfrom shlex import quote\n")
    loader = Loader([module.root])
    refused(loader, f"{name}:quote")
    monkeypatch.setattr(sys.modules["shlex"].quote, "__module__", name)
    assert "shlex.py" in refused(loader, f"{name}:quote")


OWN = """
import contextlib, functools

class Net:
    def __init__(self, *given): ...
    def __call__(self): ...
    @classmethod
    def made(cls): ...
    def method(self): ...

def build(): ...

made = Net.made
method = Net().method
instance = Net()
partial = functools.partial(build)
cached = functools.lru_cache(build)
managed = contextlib.contextmanager(build)
nameless = lambda: None
exec("def generated(): ...")
"""


@pytest.mark.parametrize(
    "name",
    ["Net", "build", "made", "method", "instance", "partial", "cached", "managed", "nameless", "generated"],
)
def test_what_is_the_users_own_is_found_however_it_is_wrapped(module, name):
    assert callable(Loader([module.root]).resolve(f"{module(OWN)}:{name}", field="model"))


def test_what_a_module_of_a_root_has_from_another_is_found(module):
    inner = module("def build(): ...\n")
    outer = module(f"from {inner} import build\n")
    assert callable(Loader([module.root]).resolve(f"{outer}:build", field="model"))


def traced(folder, text="def build(): ...\n"):
    """Writes a module that leaves a file behind when it is imported."""
    folder.mkdir(parents=True, exist_ok=True)
    name = f"loader_case_{next(_names)}"
    (folder / f"{name}.py").write_text(f"open(__file__ + '.imported', 'w').close()\n{text}")
    return name, folder / f"{name}.py.imported"


def test_a_link_out_of_a_root_is_refused_unseen(tmp_path):
    name, imported = traced(tmp_path / "elsewhere")
    (tmp_path / "root" / "package").mkdir(parents=True)
    (tmp_path / "root" / "package" / "__init__.py").touch()
    for link in (tmp_path / "root" / f"{name}.py", tmp_path / "root" / "package" / f"{name}.py"):
        link.symlink_to(tmp_path / "elsewhere" / f"{name}.py")
    loader = Loader([str(tmp_path / "root")])
    assert "lies outside" in refused(loader, f"{name}:build")
    assert f"package.{name} lies outside" in refused(loader, f"package.{name}:build")
    assert not imported.exists()


def test_a_root_that_is_itself_a_link_is_followed(tmp_path):
    name, _ = traced(tmp_path / "real")
    (tmp_path / "link").symlink_to(tmp_path / "real")
    assert callable(Loader([str(tmp_path / "link")]).resolve(f"{name}:build", field="model"))


def test_a_namespace_package_gives_what_lies_in_a_root_and_nothing_else(tmp_path, monkeypatch):
    space = f"loader_space_{next(_names)}"
    inside, _ = traced(tmp_path / "root" / space)
    outside, imported = traced(tmp_path / "elsewhere" / space)
    monkeypatch.syspath_prepend(str(tmp_path / "elsewhere"))
    loader = Loader([str(tmp_path / "root")])
    assert callable(loader.resolve(f"{space}.{inside}:build", field="model"))
    assert f"{space}.{outside} lies outside" in refused(loader, f"{space}.{outside}:build")
    assert not imported.exists()


@pytest.mark.parametrize("installed", ["site-packages", "dist-packages"])
def test_what_is_installed_below_a_root_is_refused_unseen(tmp_path, installed, monkeypatch):
    name, imported = traced(tmp_path / ".venv" / "lib" / installed)
    monkeypatch.syspath_prepend(str(tmp_path / ".venv" / "lib" / installed))
    assert "lies outside" in refused(Loader([str(tmp_path)]), f"{name}:build")
    assert not imported.exists()


def test_a_root_above_the_standard_library_does_not_open_it():
    above = os.path.dirname(os.path.realpath(sysconfig.get_path("stdlib")))
    refused(Loader([above]), "this:d")
    assert "this" not in sys.modules
    refused(Loader([os.sep]), "subprocess:run")


def test_a_module_under_a_name_that_another_took_is_refused(module):
    name = module("import os, sys\nsys.modules[__name__ + '.inner'] = os\n__path__ = []\n")
    loader = Loader([module.root])
    refused(loader, f"{name}.inner:system")
    assert sys.modules[f"{name}.inner"] is os
    assert f"{name}.inner lies outside" in refused(loader, f"{name}.inner:system")


def test_a_module_within_a_module_that_is_no_package_is_not_there(module):
    name = module("def build(): ...\n")
    assert f"no module '{name}.inner'" in refused(Loader([module.root]), f"{name}.inner:build")


def test_a_missing_module_of_a_package_is_told_apart_from_a_missing_dependency(tmp_path):
    package = f"loader_package_{next(_names)}"
    (tmp_path / package).mkdir()
    (tmp_path / package / "__init__.py").write_text("")
    (tmp_path / package / "broken.py").write_text("import a_missing_dependency_of_the_user\n")
    loader = Loader([str(tmp_path)])
    assert f"no module '{package}.absent'" in refused(loader, f"{package}.absent:x")
    with pytest.raises(ModuleNotFoundError, match="a_missing_dependency_of_the_user"):
        loader.resolve(f"{package}.broken:x", field="model")


def test_an_allowed_package_may_be_named_and_reexported(module):
    name = module("from json import dumps\n")
    loader = Loader([module.root], ["json"])
    assert loader.resolve("json:dumps", field="model") is loader.resolve(f"{name}:dumps", field="model")


def test_a_name_that_merely_begins_like_an_allowed_package_is_refused(module):
    assert "outside" in refused(Loader([module.root], ["o"]), "os:system")


def test_what_is_not_callable_is_refused(module):
    name = module("value = 3\n")
    assert "a int, not a callable" in refused(Loader([module.root]), f"{name}:value")


def test_what_the_module_raises_passes_through(module):
    name = module("import a_missing_dependency_of_the_user\n")
    with pytest.raises(ModuleNotFoundError, match="a_missing_dependency_of_the_user"):
        Loader([module.root]).resolve(f"{name}:x", field="model")
