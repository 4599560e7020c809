"""A leased connection to one worker: who it is, what crosses it, and whom its errors name."""

from __future__ import annotations

import contextlib
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Optional

from padiff_compare.capture.source import NumberedTensors, SourceHangs
from padiff_rpc import transport
from padiff_rpc.arena import NOT_SHARED
from padiff_rpc.child import describe_exit
from padiff_rpc.convert import from_proto
from padiff_rpc.errors import CancelledError, InvalidRequestError, PaDiffError, WorkerLostError
from padiff_rpc.tensor_codings import codings
from padiff_rpc.tensor_sender import TensorSender, received_tensors
from padiff_rpc.tensors import ReceivedTensor
from padiff_rpc.v1 import worker_pb2, worker_pb2_grpc
from padiff_rpc.v1.records import Activity, CallEvent, Party, Sending, WorkerInfo
from padiff_rpc.v1.words import Phase, Side, Transport
from padiff_rpc.version import check_protocol_version
from padiff_server.links.arena_probe import DEFAULT_RULE, MemoryRule
from padiff_server.links.silence import DEFAULT_PATIENCE, Patience, SilenceWatch, given_up
from padiff_server.links.worker_lease import WorkerLease, take_lease

# To a connection: long enough for a worker that is just starting, short enough for a mistyped address.
_DIAL_SECONDS = 5.0
# From the connection to an answer: a loaded machine may take long, and only a frozen process takes this.
_ANSWER_SECONDS = 60.0
# A question may be lost with a process that passes its address on: it is asked again on another connection,
# and given longer.
_FIRST_TRY_SECONDS = 5.0
# From the first question to the end of such a process, and to the answer of the next.
_HANDOVER_SECONDS = 15.0
# A user who waits longer hears for what.
_SILENT_SECONDS = 3.0
_PROBE_SECONDS = 2.0
_AGAIN_SECONDS = 0.1
# For an answer from a thread that has nothing else to do.
_LOOK_SECONDS = 5.0
# From the end of a process to the serving of the next.
_SUCCESSOR_SECONDS = 5.0


class Connection:
    """One worker, leased. Errors it raises carry the side in their context; any thread may `close` it.

    Attributes:
        side: the role that the worker plays.
        peer: names it in texts.
        worker: what it says of itself.
        caller: its RPCs, once it is open.
        lease: what they name.
        traffic: bytes of tensors that crossed this connection, or shared memory, by phase.
        shared: memory in which tensors may lie in place of crossing the connection.
        watch: notices when the worker hangs.
        sender: sends tensors to the worker.
    """

    worker: WorkerInfo
    caller: transport.Caller

    def __init__(
        self,
        side: Side,
        party: Party,
        say: Callable[[str], None],
        patience: Patience = DEFAULT_PATIENCE,
        rule: MemoryRule = DEFAULT_RULE,
    ) -> None:
        """`say` tells the user what is waited for; any thread may call it. `patience`: with the worker.

        `rule`: how tensors are to travel.
        """
        self.side = side
        self._say = say
        name = f" {party.worker.name}" if party.worker.name else ""
        self.peer = f"the {side} worker{name} at {party.worker.address}"
        self.lease = ""
        self.traffic: Counter[Phase] = Counter()
        self._framework = party.model.framework
        self._counting = threading.Lock()
        self._address = party.worker
        self._exits = contextlib.ExitStack()
        self._held: Optional[WorkerLease] = None
        self._closed = threading.Event()
        self._asking_how_it_ended = threading.Lock()
        self._how_it_ended: Optional[WorkerLostError] = None
        self._patience = patience
        self.watch = SilenceWatch(patience, self._look)
        self._last_entered: Optional[CallEvent] = None
        self._given_up: Optional[SourceHangs] = None
        self._memory_rule = rule
        self.shared = NOT_SHARED
        self.sender = TensorSender()

    @property
    def transport(self) -> Transport:
        """How tensors travel, once it is open."""
        return Transport.GRPC if self.shared.incoming is None else Transport.SHM

    @property
    def sending(self) -> Optional[Sending]:
        """What was sent to the worker, once it is open; None where a unix socket joins us."""
        return self.sender.sending(to_worker=True) if self._may_be_slow else None

    @property
    def _may_be_slow(self) -> bool:
        return not self._address.address.startswith("unix:")

    def open(self) -> None:
        """Dials the worker, checks who it is and takes its lease.

        Raises WorkerLostError, StateError (protocol version), InvalidRequestError (framework, transport) or
        BusyError (leased to another).
        """
        with self.blamed():
            self._dial()
            self._introduce()
            self._held = take_lease(
                self._plain,
                peer=self.peer,
                closed=self._closed,
                patience_seconds=self._patience.least_seconds,
                codings=codings() if self._may_be_slow else (),
            )
            self._exits.callback(self._held.close)
            self.lease = self._held.name
            self.watch.start()
            if self.worker.process_per_lease:
                self._introduce()  # the process that was asked before may have had its lease already
            self.sender = TensorSender(self.worker.codings if self._may_be_slow else ())
            self.shared = self._memory_rule.with_worker(self._plain, self.lease, self.worker)

    def close(self) -> None:
        """Gives the worker back, which drops its model, and ends every call that still runs.

        May be called twice, and before `open`.
        """
        self._closed.set()
        self.watch.close()
        self._exits.close()

    def _dial(self) -> None:
        """Makes the connection, or another one: what the one before carries goes on."""
        address = self._address
        channel = transport.open_channel(
            address.address, token=address.token, tls=address.tls, insecure=address.insecure
        )
        self._exits.callback(channel.close)
        stub = worker_pb2_grpc.WorkerStub(channel)
        self.caller = transport.Caller(stub, peer=self.peer, explain=self._explained, waiting=self.watch)
        # Its calls have deadlines of their own, or last as the lease does; their errors stay as they are.
        self._plain = transport.Caller(stub, peer=self.peer)

    def entered(self, event: CallEvent) -> None:
        """Remembers the layer that the worker entered last."""
        self._last_entered = event

    def _introduce(self) -> None:
        info = self._first_answer()
        # Before anything else is read: another version may mean something else by it.
        said = info.worker
        check_protocol_version(said.protocol_version, peer=self.peer, package=said.package_version)
        self.worker = from_proto(said, WorkerInfo)
        wanted = self._framework
        if wanted and wanted != self.worker.framework:
            raise InvalidRequestError(
                f"{self.peer} runs {self.worker.framework}, not {wanted}: "
                "name the framework that it runs, or another worker",
                field=f"{self.side}.framework",
            )

    def _first_answer(self) -> Any:
        asked_at = time.monotonic()
        latest_dial = asked_at + _DIAL_SECONDS
        try_seconds = _FIRST_TRY_SECONDS
        with self._told_if_long(f"waiting for {self.peer} to answer"):
            while True:
                left = asked_at + _ANSWER_SECONDS - time.monotonic()
                try:
                    return self._plain.GetInfo(worker_pb2.GetInfoRequest(), timeout=min(try_seconds, left))
                except WorkerLostError as error:
                    why = error.context.get("reason")
                    if why is None:  # connected, and no answer
                        if left <= try_seconds:
                            raise
                        latest_dial = asked_at + _HANDOVER_SECONDS
                        try_seconds *= 2
                        self._dial()  # the question may be lost with all that this connection carries
                        continue
                    if time.monotonic() > latest_dial:
                        raise WorkerLostError(
                            f"{self.peer} cannot be reached: nothing answered within {_DIAL_SECONDS:g} s "
                            f"({why}); start it, or correct the address or its credentials"
                        ) from None
                self._closed.wait(_AGAIN_SECONDS)

    @contextlib.contextmanager
    def _told_if_long(self, text: str) -> Iterator[None]:
        timer = threading.Timer(_SILENT_SECONDS, self._say, [text])
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()

    def _look(self, silent: float, allowed: float) -> Optional[float]:
        """Returns for how long the model's thread has not moved; None where the worker is given up."""
        try:
            activity = self._activity()
        except PaDiffError:
            activity = None
        if self._closed.is_set():
            return None
        if activity is not None and min(silent, activity.still_seconds) < allowed:
            return activity.still_seconds
        self._given_up = given_up(self.peer, silent, activity, self._last_entered)
        self.close()
        return None

    def _activity(self) -> Activity:
        request = worker_pb2.GetActivityRequest(lease=self.lease)
        said = self._plain.GetActivity(request, timeout=_LOOK_SECONDS)
        return from_proto(said.activity, Activity)

    def _explained(self, error: PaDiffError) -> PaDiffError:
        if self._given_up is not None:
            return self._given_up
        if self._held is None:
            return error
        if error.context.get("lease") == "ended":
            if self._closed.is_set():  # while the call was on its way
                return self._why_closed()
            # The process that has taken the place of ours, before the end of ours was noticed.
            error = WorkerLostError(f"{self.peer} has lost the process of this comparison: {error}")
        error = self._held.explained(error)
        if not isinstance(error, WorkerLostError) or error.context.get("stopping"):
            return error
        with self._asking_how_it_ended:
            if self._how_it_ended is None:
                self._how_it_ended = self._end_told_by_successor()
        return self._how_it_ended or self._lost_in_use(error)

    def _lost_in_use(self, error: WorkerLostError) -> WorkerLostError:
        """Returns what the loss of a worker that served us so far amounts to: its address was right."""
        why = error.context.get("reason")
        if why is None:
            return error
        return WorkerLostError(
            f"{self.peer} was lost in the middle ({why}): its process ended, or the network to it broke; "
            "what it wrote last, and its machine's log, tell more",
            **error.context,
        )

    def _end_told_by_successor(self) -> Optional[WorkerLostError]:
        """Asks the process that has taken the place of a lost one, where a worker has one for each lease."""
        if not self.worker.process_per_lease:
            return None
        try:
            said = self._plain.GetInfo(
                worker_pb2.GetInfoRequest(), timeout=_SUCCESSOR_SECONDS, wait_for_ready=True
            )
        except PaDiffError:
            return None
        if said.broken_lease != self.lease:
            return None
        status = said.exit_status
        ended = "answered nothing, and was killed" if said.was_silent else describe_exit(status)
        return WorkerLostError(
            f"{self.peer}: the process of this comparison {ended}", exit_status=str(status)
        )

    @contextlib.contextmanager
    def blamed(self) -> Iterator[None]:
        """Gives what is raised inside the side in its context; every call is made inside."""
        try:
            if self._closed.is_set():
                raise self._why_closed()
            yield
        except ValueError:  # what gRPC says when the channel was closed a moment ago
            if self._closed.is_set():
                raise self._why_closed() from None
            raise
        except PaDiffError as error:
            error.context = {"side": str(self.side), **error.context}
            raise

    def _why_closed(self) -> PaDiffError:
        return self._given_up or CancelledError(f"the connection to {self.peer} is closed")

    def why_lost(self) -> Optional[WorkerLostError]:
        """Asks the worker whether its process still answers, for at most two seconds; returns None if so."""
        gone = WorkerLostError(f"{self.peer} is gone or does not answer")
        try:
            with self.blamed():
                said = self._plain.GetInfo(worker_pb2.GetInfoRequest(), timeout=_PROBE_SECONDS)
        except PaDiffError:
            return self._given_up or gone
        return None if said.worker.pid == self.worker.pid else gone

    def count_traffic(self, byte_counts: Mapping[Phase, int]) -> None:
        """Adds to `traffic`; for any thread, since gRPC sends on threads of its own."""
        with self._counting:
            self.traffic.update(byte_counts)

    def upload(self, call: Callable[[Iterator[Any]], Any], requests: Iterable[Any]) -> Any:
        """Returns the response to a stream of requests, or raises what making them raised.

        gRPC iterates them on a thread of its own, and would take an error there for the stream's end.
        """
        broken: list[Exception] = []

        def guarded() -> Iterator[Any]:
            try:
                yield from requests
            except Exception as error:
                broken.append(error)

        with self.blamed():
            try:
                response = call(self.watch.taken(guarded()))
            except PaDiffError:
                if broken:
                    raise broken[0] from None
                raise
            if broken:
                raise broken[0]
            return response

    def frames(self, tensors: NumberedTensors, phase: Phase) -> Iterator[Any]:
        """Yields the tensors' frames, counted as traffic."""
        for number, tensor in tensors:
            self.count_traffic({phase: tensor.byte_count})
            yield from self.sender.frames_of(number, tensor)

    def received(self, frames: Iterable[Any], phase: Phase) -> Iterator[ReceivedTensor]:
        """Yields each tensor when its frames have come whole, counted as traffic."""
        for received in received_tensors(frames, self.shared.lent):
            self.count_traffic({phase: received.tensor.byte_count})
            yield received
