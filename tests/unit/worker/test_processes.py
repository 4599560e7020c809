import pytest

from padiff_worker.processes import start_method
from padiff_worker.turn import Before


@pytest.mark.parametrize(
    ("asked", "open_files", "taken"),
    [
        ("auto", ["/dev/null", "pipe:[1]", "/dev/nvidiactl"], "fork"),
        ("auto", ["/dev/null", "/dev/nvidia-uvm"], "spawn"),
        ("auto", ["/dev/kfd"], "spawn"),
        ("fork", ["/dev/nvidia-uvm"], "fork"),
        ("spawn", [], "spawn"),
    ],
)
def test_a_process_that_holds_the_device_already_is_not_forked(asked, open_files, taken):
    assert start_method(asked, open_files) == taken


@pytest.mark.parametrize("before", [Before(), Before(was_ready=True, broken_lease="ab", exit_status=-9)])
def test_what_came_before_a_turn_is_told_in_a_line(before):
    assert Before.from_line(before.line()) == before
