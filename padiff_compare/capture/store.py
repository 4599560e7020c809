"""Room for captured tensors: memory up to a limit, then disk."""

from __future__ import annotations

import mmap
import os
import tempfile
import threading
import weakref
from collections import deque
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Optional

import numpy as np

from padiff_rpc.errors import BusyError, StateError
from padiff_rpc.tensors import Array, byte_count, numpy_dtype
from padiff_rpc.v1.records import TensorSpec


@dataclass
class _Lent:
    """An array in use; holding it keeps its id from being given to another."""

    array: Array
    byte_count: int
    in_memory: bool
    holders: int = 1


class TensorStore:
    """Lends arrays; those in memory never exceed `limit_bytes` together, the rest lie in files.

    A file loses its name as soon as it is open, so none is left however the process ends; its blocks
    are freed with the array. Thread-safe.
    """

    def __init__(self, limit_bytes: int, folder: Optional[Path] = None) -> None:
        """`folder` is where files go; by default the system's folder for temporary ones."""
        self._limit_bytes = limit_bytes
        self._folder = Path(tempfile.gettempdir()) if folder is None else folder
        self._lock = threading.Lock()
        self._lent: dict[int, _Lent] = {}
        # Of arrays that counted for their life: bytes, and whether in memory.
        self._gone: deque[tuple[int, bool]] = deque()
        self._in_memory_bytes = self._spilled_bytes = self._peak_in_memory_bytes = 0
        self._closed = False

    def __enter__(self) -> TensorStore:
        return self

    def __exit__(
        self,
        kind: Optional[type[BaseException]],
        error: Optional[BaseException],
        traceback: Optional[TracebackType],
    ) -> None:
        self.close()

    @property
    def limit_bytes(self) -> int:
        """The most that is ever held in memory."""
        return self._limit_bytes

    @property
    def in_memory_bytes(self) -> int:
        """Bytes lent out of memory now."""
        with self._lock:
            self._take_back_gone()
            return self._in_memory_bytes

    @property
    def spilled_bytes(self) -> int:
        """Bytes lent out of files now."""
        with self._lock:
            self._take_back_gone()
            return self._spilled_bytes

    @property
    def peak_in_memory_bytes(self) -> int:
        """The most that `in_memory_bytes` has been."""
        return self._peak_in_memory_bytes

    def allocate(self, spec: TensorSpec) -> Array:
        """Returns a writable C-contiguous array for `spec`, its content undefined.

        Raises BusyError when neither memory nor disk has room, StateError after `close`.
        """
        size = byte_count(spec)
        in_memory = self._reserve(size)
        array: Optional[Array] = None
        try:
            array = _array_in_memory(spec) if in_memory else _array_on_disk(spec, self._folder)
        finally:
            with self._lock:
                if array is None or self._closed:
                    self._account(-size, in_memory)
                else:
                    self._lent[id(array)] = _Lent(array=array, byte_count=size, in_memory=in_memory)
        return array

    def allocate_for_life(self, spec: TensorSpec) -> Array:
        """Returns an array as `allocate` does; nobody releases it, and it counts for as long as it lives."""
        size = byte_count(spec)
        in_memory = self._reserve(size)
        try:
            array = _array_in_memory(spec) if in_memory else _array_on_disk(spec, self._folder)
        except BaseException:
            self._gone.append((size, in_memory))
            raise
        weakref.finalize(array, self._gone.append, (size, in_memory))
        return array

    def adopt(self, array: Array) -> bool:
        """Lends an array that came with memory of its own, as `allocate` would; returns whether it does.

        It counts as memory does; beyond the limit it is not taken.
        """
        with self._lock:
            self._take_back_gone()
            if self._closed or self._in_memory_bytes + array.nbytes > self._limit_bytes:
                return False
            self._account(array.nbytes, in_memory=True)
            self._lent[id(array)] = _Lent(array=array, byte_count=array.nbytes, in_memory=True)
        return True

    def hold(self, array: Array) -> None:
        """Lends an array that is lent already to one more; each of them releases it."""
        with self._lock:
            lent = self._lent.get(id(array))
            if lent is not None:
                lent.holders += 1

    def release(self, array: Array) -> None:
        """Takes back an array that `allocate` returned; harmless when it was taken back before.

        Its memory is free when all who hold it have released it, and the caller's last reference is gone.
        """
        with self._lock:
            lent = self._lent.get(id(array))
            if lent is None:
                return
            lent.holders -= 1
            if not lent.holders:
                del self._lent[id(array)]
                self._account(-lent.byte_count, lent.in_memory)

    def close(self) -> None:
        """Takes everything back; may be called twice."""
        with self._lock:
            self._closed = True
            for lent in self._lent.values():
                self._account(-lent.byte_count, lent.in_memory)
            self._lent.clear()

    def _reserve(self, size: int) -> bool:
        """Returns whether `size` bytes fit in memory, and counts them where they will be."""
        with self._lock:
            if self._closed:
                raise StateError("the tensor store is closed; open another comparison")
            self._take_back_gone()
            in_memory = self._in_memory_bytes + size <= self._limit_bytes or size == 0
            self._account(size, in_memory)
            return in_memory

    def _take_back_gone(self) -> None:
        """Counts no more what has died since; under the lock, which no finalizer may take."""
        while self._gone:
            size, in_memory = self._gone.popleft()
            self._account(-size, in_memory)

    def _account(self, size: int, in_memory: bool) -> None:
        if in_memory:
            self._in_memory_bytes += size
            self._peak_in_memory_bytes = max(self._peak_in_memory_bytes, self._in_memory_bytes)
        else:
            self._spilled_bytes += size


def _array_in_memory(spec: TensorSpec) -> Array:
    try:
        return np.empty(spec.shape, numpy_dtype(spec.dtype))
    except MemoryError:
        raise BusyError(f"no memory for a tensor of {byte_count(spec):,} bytes; lower the limit") from None


def _array_on_disk(spec: TensorSpec, folder: Path) -> Array:
    size = byte_count(spec)
    try:
        with tempfile.TemporaryFile(prefix="padiff-", dir=folder) as file:
            # A sparse file on a full disk would end this process with SIGBUS at a later write.
            os.posix_fallocate(file.fileno(), 0, size)
            content = mmap.mmap(file.fileno(), size)
    except OSError as error:
        raise BusyError(
            f"no room for a tensor of {size:,} bytes in {folder} ({error.strerror}); free space there, "
            "name another spill folder, or raise the memory limit"
        ) from None
    return np.frombuffer(content, numpy_dtype(spec.dtype)).reshape(spec.shape)
