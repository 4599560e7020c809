"""Captured tensors stay under the memory limit, and nothing of them stays on disk."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

from padiff_compare.capture.store import TensorStore
from padiff_rpc.errors import BusyError, StateError
from padiff_rpc.v1.records import TensorSpec
from padiff_rpc.v1.words import DType

KIB = TensorSpec(dtype=DType.FLOAT32, shape=(16, 16))


def mapped_files_without_name() -> int:
    return Path("/proc/self/maps").read_text().count("(deleted)")


def test_tensors_lie_in_memory_up_to_the_limit_and_then_in_files(tmp_path: Path) -> None:
    with TensorStore(2048, tmp_path) as store:
        arrays = [store.allocate(KIB) for _ in range(3)]
        assert (store.in_memory_bytes, store.spilled_bytes) == (2048, 1024)
        for number, array in enumerate(arrays):
            assert array.shape == (16, 16)
            assert array.dtype == np.float32
            assert array.flags["C_CONTIGUOUS"]
            array[...] = number
        assert [float(array.mean()) for array in arrays] == [0.0, 1.0, 2.0]
        assert list(tmp_path.iterdir()) == []


def test_released_memory_is_lent_again(tmp_path: Path) -> None:
    with TensorStore(1024, tmp_path) as store:
        first, second = store.allocate(KIB), store.allocate(KIB)
        store.release(first)
        store.release(second)
        assert (store.in_memory_bytes, store.spilled_bytes) == (0, 0)
        store.allocate(KIB)
        assert (store.in_memory_bytes, store.peak_in_memory_bytes) == (1024, 1024)


def test_a_tensor_larger_than_the_limit_goes_to_disk(tmp_path: Path) -> None:
    with TensorStore(1000, tmp_path) as store:
        store.allocate(KIB)
        assert (store.in_memory_bytes, store.spilled_bytes) == (0, 1024)


def test_an_array_that_nobody_releases_counts_for_as_long_as_it_lives(tmp_path: Path) -> None:
    with TensorStore(1024, tmp_path) as store:
        first, second = store.allocate_for_life(KIB), store.allocate_for_life(KIB)
        assert (store.in_memory_bytes, store.spilled_bytes) == (1024, 1024)
        second[...] = first[...] = 1
        part = first[3:]
        del first
        assert store.in_memory_bytes == 1024
        del part, second
        assert (store.in_memory_bytes, store.spilled_bytes) == (0, 0)
        store.allocate_for_life(KIB)
    assert store.in_memory_bytes == 0
    with pytest.raises(StateError):
        store.allocate_for_life(KIB)


def test_an_array_without_room_counts_no_more(tmp_path: Path) -> None:
    with TensorStore(0, tmp_path / "missing") as store:
        with pytest.raises(BusyError):
            store.allocate_for_life(KIB)
        assert (store.in_memory_bytes, store.spilled_bytes) == (0, 0)


def test_a_files_blocks_are_freed_with_its_array(tmp_path: Path) -> None:
    with TensorStore(0, tmp_path) as store:
        array = store.allocate(TensorSpec(dtype=DType.UINT8, shape=(1 << 20,)))
        array[...] = 7
        gc.collect()  # of what others have mapped
        before = mapped_files_without_name()
        store.release(array)
        del array
        gc.collect()
        assert mapped_files_without_name() == before - 1


def test_releasing_twice_and_releasing_a_strangers_array_change_nothing(tmp_path: Path) -> None:
    with TensorStore(4096, tmp_path) as store:
        array, kept = store.allocate(KIB), store.allocate(KIB)
        store.release(array)
        store.release(array)
        store.release(np.zeros(3))
        assert store.in_memory_bytes == kept.nbytes


@pytest.mark.parametrize("limit", [0, 100])
@pytest.mark.parametrize("shape", [(0, 3), ()])
def test_empty_tensors_and_scalars_are_lent(tmp_path: Path, limit: int, shape: tuple[int, ...]) -> None:
    with TensorStore(limit, tmp_path) as store:
        assert store.allocate(TensorSpec(dtype=DType.BFLOAT16, shape=shape)).shape == shape


def test_closing_takes_everything_back_and_may_be_repeated(tmp_path: Path) -> None:
    store = TensorStore(1024, tmp_path)
    array = store.allocate(KIB)
    store.allocate(KIB)
    store.close()
    store.close()
    store.release(array)
    assert (store.in_memory_bytes, store.spilled_bytes) == (0, 0)
    with pytest.raises(StateError, match="closed"):
        store.allocate(KIB)


def test_a_missing_spill_folder_is_a_clear_error(tmp_path: Path) -> None:
    with TensorStore(0, tmp_path / "gone") as store:
        with pytest.raises(BusyError, match=r"no room for a tensor of 1,024 bytes in .*gone"):
            store.allocate(KIB)
        assert store.spilled_bytes == 0


FULL_DISK = """
import resource, sys
from pathlib import Path
from padiff_rpc.errors import BusyError
from padiff_rpc.v1.records import TensorSpec
from padiff_rpc.v1.words import DType
from padiff_compare.capture.store import TensorStore

resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
with TensorStore(0, Path(sys.argv[1])) as store:
    store.allocate(TensorSpec(dtype=DType.UINT8, shape=(4096,)))[...] = 1
    try:
        store.allocate(TensorSpec(dtype=DType.UINT8, shape=(4097,)))
    except BusyError as error:
        print(error, store.spilled_bytes)
"""


def test_a_disk_without_room_is_a_busy_error_not_a_signal(tmp_path: Path) -> None:
    """A limit on file sizes stands in for the full disk: both refuse at the reservation."""
    done = subprocess.run(
        [sys.executable, "-c", FULL_DISK, str(tmp_path)],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(f"no room for a tensor of 4,097 bytes in {tmp_path}")
    assert done.stdout.rstrip().endswith("4096")


def test_threads_together_stay_under_the_limit(tmp_path: Path) -> None:
    limit = 10 * 1024
    with TensorStore(limit, tmp_path) as store:

        def borrow() -> None:
            for _ in range(50):
                arrays = [store.allocate(KIB) for _ in range(4)]
                assert store.in_memory_bytes <= limit
                for array in arrays:
                    store.release(array)

        threads = [threading.Thread(target=borrow) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert 0 < store.peak_in_memory_bytes <= limit
        assert (store.in_memory_bytes, store.spilled_bytes) == (0, 0)


def test_what_two_hold_is_taken_back_when_both_have_released_it(tmp_path: Path) -> None:
    with TensorStore(1024, tmp_path) as store:
        array = store.allocate(KIB)
        store.hold(array)
        store.release(array)
        assert store.in_memory_bytes == 1024
        store.release(array)
        store.release(array)
        assert store.in_memory_bytes == 0
        store.hold(array)
        assert store.in_memory_bytes == 0
