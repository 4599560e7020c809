import pytest

from padiff_rpc.errors import BusyError, StateError
from padiff_rpc.v1.words import WorkerState
from padiff_worker.leases import Leases


def test_a_process_of_one_lease_grants_no_second_and_says_that_another_takes_over():
    heard = []
    leases = Leases(lambda *said: heard.append(said))
    leases.is_ready = True
    assert leases.state() is WorkerState.FREE
    with leases.granted(patience_seconds=60.0) as lease:
        with pytest.raises(BusyError, match="in use by another comparison"):
            with leases.granted():
                pass
    assert heard == [(lease, 60.0), ("", 0.0)]
    leases.close()
    with pytest.raises(BusyError, match="takes over") as caught:
        with leases.granted():
            pass
    assert caught.value.context == {"handing_over": "true"}
    assert leases.state() is WorkerState.BUSY
    assert leases.is_free()


def test_a_process_that_stays_grants_one_lease_after_the_other_until_it_is_told_to_stop():
    leases = Leases()
    for _ in range(2):
        with leases.granted():
            assert leases.state() is WorkerState.BUSY
        assert leases.state() is WorkerState.NOT_READY
    leases.close()
    with pytest.raises(StateError, match="told to stop"):
        with leases.granted():
            pass
    assert leases.state() is WorkerState.DRAINING
