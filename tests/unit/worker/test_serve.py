from typing import Any

import fake
import pytest
from fake_adapter import FakeAdapter

from padiff_rpc.errors import InvalidRequestError
from padiff_worker.serve import serve

MODEL = fake.Sequential(fake.Linear(2, 2))


@pytest.mark.parametrize(
    ("model", "given", "said"),
    [
        (3, {}, r"model: a builtins\.int is not a fake model"),
        (MODEL, {"loss": 3}, r"loss: 3 is not allowed; allowed: a function of \(output\)"),
        (
            MODEL,
            {"optimizer": 3},
            r"optimizer: an int is not allowed; allowed: an optimizer of fake",
        ),
        (MODEL, {"optimizer": fake.SGD}, r"optimizer: the class fake\.SGD is not allowed"),
        (
            MODEL,
            {"optimizer": fake.SGD(fake.Linear(2, 2))},
            r"optimizer: a fake\.SGD steps none of this model's weights; give an optimizer of fake over this",
        ),
    ],
)
def test_what_cannot_be_served_is_refused_before_listening(model: Any, given: Any, said: str) -> None:
    with pytest.raises(InvalidRequestError, match=said):
        serve(FakeAdapter(), model, on_ready=lambda address: pytest.fail("it listens"), **given)
