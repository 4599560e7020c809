import pytest

from padiff_rpc.errors import InvalidRequestError
from padiff_worker.serve import serve


class Framework:
    name = "fake"

    def is_model(self, candidate):
        return False


def test_serving_what_is_no_model_is_refused_before_listening():
    with pytest.raises(InvalidRequestError, match=r"model: a builtins\.int is not a fake model"):
        serve(Framework(), 3, on_ready=lambda address: pytest.fail("it listens"))
