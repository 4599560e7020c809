import itertools

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


@pytest.mark.parametrize("reference", ["", "a", "a:", ":b", "a:b.c", "a:b:c", "a b:c", "a:b()", "../a:b"])
def test_what_is_no_reference_is_refused(module, reference):
    assert "package.module:name" in refused(Loader([module.root]), reference)


def test_a_wrong_name_is_answered_with_the_nearest(module):
    name = module("def build():\n    pass\n")
    assert "did you mean build?" in refused(Loader([module.root]), f"{name}:biuld")


def test_a_module_outside_the_roots_is_refused_unseen(module):
    assert "outside the import roots" in refused(Loader([module.root]), "os:system")
    assert "no module" in refused(Loader([module.root]), "no_such_module_at_all:x")


def test_a_reexported_function_is_refused(module):
    name = module("from os import system\nfrom json import dumps\n")
    assert "posix" in refused(Loader([module.root]), f"{name}:system")
    assert "json" in refused(Loader([module.root]), f"{name}:dumps")


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
