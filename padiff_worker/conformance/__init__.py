"""The tests that every adapter must pass, to be run by pytest inside the framework's environment.

An adapter's tests subclass the suites and say what their framework's toys are:

    class TestTensors(TensorSuite):
        case = MyCase()

Asserts are readable when `pytest.register_assert_rewrite("padiff_worker.conformance")` came first.
"""

from padiff_worker.conformance.captures import CaptureSuite
from padiff_worker.conformance.case import AdapterCase, raises
from padiff_worker.conformance.fingerprints import FingerprintSuite
from padiff_worker.conformance.functions import FunctionSuite
from padiff_worker.conformance.gradients import GradientSuite
from padiff_worker.conformance.kept import KeptSuite
from padiff_worker.conformance.models import ModelSuite
from padiff_worker.conformance.optimizers import OptimizerSuite
from padiff_worker.conformance.overrides import OverrideSuite
from padiff_worker.conformance.randomness import RandomnessSuite
from padiff_worker.conformance.runs import RunSuite
from padiff_worker.conformance.spared import SparedSuite
from padiff_worker.conformance.state import StateSuite
from padiff_worker.conformance.takers import TakerSuite
from padiff_worker.conformance.tensors import TensorSuite
from padiff_worker.conformance.training import TrainingSuite
from padiff_worker.conformance.vocabulary import VocabularySuite

__all__ = [
    "AdapterCase",
    "CaptureSuite",
    "FingerprintSuite",
    "FunctionSuite",
    "GradientSuite",
    "KeptSuite",
    "ModelSuite",
    "OptimizerSuite",
    "OverrideSuite",
    "RandomnessSuite",
    "RunSuite",
    "SparedSuite",
    "StateSuite",
    "TakerSuite",
    "TensorSuite",
    "TrainingSuite",
    "VocabularySuite",
    "raises",
]
