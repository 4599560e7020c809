"""A report as it comes in, from its first row to its summary or to what cuts it short."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Optional

from padiff_client.keeping import Keeping
from padiff_client.progress import Onlooker, Silent
from padiff_client.report import Report
from padiff_compare.report.kept_run import cut_short
from padiff_compare.report.so_far import joined
from padiff_rpc.errors import (
    BusyError,
    InvalidRequestError,
    NotFoundError,
    PaDiffError,
    ProtocolError,
    StateError,
    UnauthenticatedError,
)
from padiff_rpc.limits import exceeded, limits
from padiff_rpc.tensors import TensorAssembler
from padiff_rpc.v1.records import Coverage, KeptPair, Progress, ReportSoFar, ReportSummary, Row, Trouble
from padiff_rpc.v1.words import Phase

# What is wrong with the request, which no report answers.
_REFUSALS = (InvalidRequestError, NotFoundError, StateError, UnauthenticatedError, BusyError)


class Interrupted(KeyboardInterrupt):
    """Ctrl-C during a comparison; `report` holds what was found up to there."""

    def __init__(self, report: Report) -> None:
        super().__init__("interrupted")
        self.report = report


class Gathering:
    """A report that is coming in: in memory, and kept as it comes."""

    def __init__(self, keeping: Optional[Keeping] = None, onlooker: Optional[Onlooker] = None) -> None:
        """`onlooker` hears where the comparison is."""
        self._keeping = keeping
        self._onlooker = onlooker or Silent()
        self._rows: list[Row] = []
        self._so_far: list[ReportSoFar] = []
        self._assembler = TensorAssembler()
        self._at: Optional[Progress] = None
        self._summary: Optional[ReportSummary] = None

    def progress(self, at: Progress) -> None:
        """Notes where the comparison is; the first word of it begins the report."""
        self._onlooker.at(at)
        if self._keeping is not None:
            if self._at is None:
                self._keeping.begin(at.session)
            self._keeping.progress(at)
        self._at = at

    def add_rows(self, rows: Sequence[Row]) -> None:
        """Takes rows that are final. Raises BusyError beyond the limit."""
        self._rows.extend(rows)
        if len(self._rows) > limits().rows:
            raise exceeded(f"the report has more than {limits().rows:,} rows", "rows")
        if self._keeping is not None:
            self._keeping.add_rows(rows)

    def add_frame(self, frame: Any) -> None:
        """Takes a part of a tensor that is to be kept. Raises ProtocolError and BusyError."""
        received = self._assembler.frame(frame)
        if received is not None and self._keeping is not None:
            self._keeping.add_tensor(received.number, received.tensor)

    def add_kept(self, pair: KeptPair) -> None:
        """Takes which row two such tensors are of."""
        if self._keeping is not None:
            self._keeping.add_pair(pair)

    def add_so_far(self, so_far: ReportSoFar) -> None:
        """Takes what the report has come to."""
        if so_far.anew:
            self._so_far.clear()
        self._so_far.append(so_far)
        if self._keeping is not None:
            self._keeping.add_so_far(so_far)

    def end(self, summary: ReportSummary) -> None:
        self._summary = summary

    @contextmanager
    def ending(self) -> Iterator[Gathering]:
        """Provides itself; what breaks the stream cuts the report short, once there is something in it.

        What is wrong with the request is raised as it is. Raises Interrupted in place of KeyboardInterrupt.
        """
        try:
            yield self
            if self._summary is None:
                raise ProtocolError("the coordinator's answer ended without a summary")
        except KeyboardInterrupt:
            if not self._has_found:
                self._discard()
                raise
            self._cut_short("interrupted by Ctrl-C")
            raise Interrupted(self.report()) from None
        except PaDiffError as error:
            if not self._has_found:
                self._discard()
                raise
            self._cut_short(str(error))
            if isinstance(error, _REFUSALS):
                if self._keeping is not None:
                    self._keeping.end(self.report())
                raise

    @property
    def _has_found(self) -> bool:
        """Whether there is anything to read."""
        return bool(self._rows or self._so_far)

    def report(self) -> Report:
        """Returns the report; its stream has ended."""
        assert self._summary is not None
        return Report(self._summary, self._rows)

    def _discard(self) -> None:
        """Keeps nothing, since there is nothing to read."""
        if self._keeping is not None:
            self._keeping.discard()

    def _cut_short(self, why: str) -> None:
        if self._summary is not None:
            return
        at = self._at
        so_far = joined(self._so_far) or ReportSummary(
            session=at.session if at is not None else "", passed=False, coverage=Coverage()
        )
        trouble = (
            Trouble(text=why, phase=at.phase, step=at.step)
            if at is not None
            else Trouble(text=why, phase=Phase.CONNECT)
        )
        self._summary = cut_short(so_far, self._rows, trouble).summary
