"""Files of recordings: parts behind a first line, each with its length; see recording.proto."""

from __future__ import annotations

import os
import zlib
from collections.abc import Iterator
from typing import NamedTuple

from padiff_rpc.errors import InvalidRequestError
from padiff_rpc.limits import limits
from padiff_rpc.names import reason
from padiff_rpc.v1 import recording_pb2 as pb

FIRST_LINE = b"padiff recording 1\n"
# Of a varint of 64 bits.
_MOST_LENGTH_BYTES = 10
_CHECKSUM_BYTES = 4


def framed(part: pb.RecordedPart) -> bytes:
    """Returns a part as it stands in the file, behind its length."""
    content = part.SerializeToString()
    return _varint(len(content)) + _checksum(content) + content


class Span(NamedTuple):
    """Where a part lies in its file, with its checksum before it and without its length."""

    offset: int
    size: int


class RecordingReader:
    """An open recording. A context manager; `at` may be called from any thread."""

    def __init__(self, path: str, *, field: str) -> None:
        """Raises InvalidRequestError, which names `field`, for what is no recording."""
        self._path = path
        self._field = field
        try:
            self._file = open(path, "rb")  # noqa: SIM115 - closed by `close`
            first = self._file.read(len(FIRST_LINE))
        except OSError as error:
            raise InvalidRequestError(f"{path} cannot be read: {reason(error)}", field=field) from None
        if first != FIRST_LINE:
            self._file.close()
            raise InvalidRequestError(
                f"{path} is no recording of this version; make one with: padiff record", field=field
            )

    def __enter__(self) -> RecordingReader:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Closes the file; may be called twice."""
        self._file.close()

    def parts(self) -> Iterator[tuple[Span, pb.RecordedPart]]:
        """Yields the parts in order, up to one that is not whole. Raises InvalidRequestError for damage."""
        offset = len(FIRST_LINE)
        while True:
            head = os.pread(self._file.fileno(), _MOST_LENGTH_BYTES, offset)
            length, taken = _length(head)
            if taken == 0:
                return
            if length > limits().message_mib << 20:
                raise self.damaged(offset)
            span = Span(offset + taken, _CHECKSUM_BYTES + length)
            content = self._content(span)
            if len(content) < span.size:
                return
            yield span, self._parsed(content, span.offset)
            offset = span.offset + span.size

    def at(self, span: Span) -> pb.RecordedPart:
        """Returns the part that lies there."""
        return self._parsed(self._content(span), span.offset)

    def _content(self, span: Span) -> bytes:
        return os.pread(self._file.fileno(), span.size, span.offset)

    def _parsed(self, content: bytes, offset: int) -> pb.RecordedPart:
        message = content[_CHECKSUM_BYTES:]
        if content[:_CHECKSUM_BYTES] != _checksum(message):
            raise self.damaged(offset)
        try:
            return pb.RecordedPart.FromString(message)
        except Exception:  # protobuf's own errors differ from version to version
            raise self.damaged(offset) from None

    def useless(self) -> InvalidRequestError:
        """Returns the error of a recording without a whole step."""
        return InvalidRequestError(f"{self._path} holds no whole step; record again", field=self._field)

    def damaged(self, offset: int) -> InvalidRequestError:
        """Returns the error of a file that holds what no recording does, from this byte on."""
        return InvalidRequestError(
            f"{self._path} is damaged at byte {offset}; record again", field=self._field
        )


def _checksum(content: bytes) -> bytes:
    return zlib.crc32(content).to_bytes(_CHECKSUM_BYTES, "little")


def _varint(number: int) -> bytes:
    found = bytearray()
    while number > 0x7F:
        found.append(number & 0x7F | 0x80)
        number >>= 7
    found.append(number)
    return bytes(found)


def _length(head: bytes) -> tuple[int, int]:
    """Returns a varint and how many bytes it took; (0, 0) where it is not whole."""
    number = 0
    for index, byte in enumerate(head):
        number |= (byte & 0x7F) << (7 * index)
        if byte < 0x80:
            return number, index + 1
    return 0, 0
