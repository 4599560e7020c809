"""The list of verbs that a framework must offer stays short, and its docstring says how short."""

from __future__ import annotations

from padiff_worker import adapter, tensor_verbs


def test_the_docstrings_tell_how_many_verbs_a_framework_must_offer() -> None:
    verbs = adapter.FrameworkAdapter.__abstractmethods__
    of_tensors = tensor_verbs.TensorVerbs.__abstractmethods__
    assert (len(verbs), len(of_tensors)) == (25, 10)
    assert "Twenty-five are abstract, ten of them" in (adapter.__doc__ or "")
    assert "Ten are abstract" in (tensor_verbs.__doc__ or "")
