"""The worker itself: one lease, one model, and the verbs of the contract over them."""

from __future__ import annotations

import gc
import os
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager, nullcontext, suppress
from functools import partial
from typing import TYPE_CHECKING, Optional

from padiff_rpc.arena import LaidTensor, SharedArenas, TakeRoom
from padiff_rpc.collector import look_at_all, spare_what_is_here
from padiff_rpc.errors import NotFoundError, StateError, WorkerLostError
from padiff_rpc.tensor_sender import TensorSender, bundled
from padiff_rpc.tensors import HostTensor, ReceivedTensor
from padiff_rpc.v1.records import (
    Activity,
    Layer,
    LoadResponse,
    Model,
    OfferArenaResponse,
    OptimizerEntry,
    StepStart,
    WorkerInfo,
)
from padiff_rpc.v1.words import Phase, Randomness, WorkerState
from padiff_rpc.version import check_protocol_version
from padiff_worker.adapter import FrameworkAdapter
from padiff_worker.arena_offers import ArenaOffers
from padiff_worker.batches import HostBatch
from padiff_worker.code_digest import code_digest
from padiff_worker.failures import ModelRaised, raising_as_failure
from padiff_worker.heap import give_back_free_memory
from padiff_worker.identity import try_device, worker_info
from padiff_worker.leases import Leases
from padiff_worker.loader import Loader
from padiff_worker.loading import load_model
from padiff_worker.model_thread import ModelThread
from padiff_worker.optimizers import OptimizerView
from padiff_worker.outbox import Outbox
from padiff_worker.rules import apply_rule
from padiff_worker.script_step import ScriptStep
from padiff_worker.served_model import ServedModel
from padiff_worker.session import ModelSession
from padiff_worker.settings import WorkerSettings
from padiff_worker.state_files import save_target, writing
from padiff_worker.step import RunningStep, StepItem
from padiff_worker.tracing import Traced
from padiff_worker.turn import NO, YES, Before, Turn, TurnWord

if TYPE_CHECKING:
    from padiff_worker.watched_script import WatchedScript


class Worker:
    """What the servicer calls. Methods may be called on any thread; the model stays on its own.

    Attributes:
        leases: who has the worker.
        sender: sends tensors to them.
    """

    def __init__(
        self,
        adapter: FrameworkAdapter,
        settings: WorkerSettings,
        model_thread: ModelThread,
        served: Optional[ServedModel] = None,
        turn: Optional[Turn] = None,
    ) -> None:
        """`turn`: this process serves one lease, and another one follows."""
        self._adapter = adapter
        self._settings = settings
        self._thread = model_thread
        self._served = served
        self._loader = Loader(settings.roots, settings.allowed_packages)
        self._turn = turn
        self.leases = Leases(None if turn is None else partial(_tell, turn))
        self._session: Optional[ModelSession] = None
        self._step: Optional[RunningStep] = None
        self._arenas = ArenaOffers(settings)
        self.sender = TensorSender()

    def info(self) -> WorkerInfo:
        """Returns what this worker is, for the report and the handshake."""
        return worker_info(self._adapter, self._served, process_per_lease=self._turn is not None)

    def before(self) -> Before:
        """Returns how the process before this one ended, where its end was none of its supervisor's."""
        return self._turn.before if self._turn is not None else Before()

    @contextmanager
    def lease(
        self, protocol_version: int, patience_seconds: float = 0.0, codings: Collection[str] = ()
    ) -> Iterator[str]:
        """Holds the worker for one comparison; the end cancels its step and drops its model.

        `patience_seconds`: for how long its coordinator bears a worker that says nothing; 0: for ever.
        `codings`: how that can read chunks of tensors. In a process of one lease the model goes with the
        process, which is not waited for.

        Raises BusyError while another holds it, StateError for another protocol version or while stopping.
        """
        check_protocol_version(protocol_version, peer="the coordinator")
        with self.leases.granted(patience_seconds) as lease:
            arenas = self._arenas = ArenaOffers(self._settings)
            self.sender = TensorSender(codings)
            try:
                yield lease
            finally:
                self._cancel_step()
                arenas.end()
                if self._turn is None:
                    # The process may be stopping, and its model with it.
                    with suppress(WorkerLostError):
                        self._let_go()

    def _let_go(self) -> None:
        script = self._script
        if script is None:
            self._thread.call(self._close_session)
        else:
            script.release(self._close_session)

    @property
    def _script(self) -> Optional[WatchedScript]:
        """The script that makes the steps; None where they are made when they are asked for."""
        return self._served.script if self._served is not None else None

    def state(self) -> WorkerState:
        """Returns whether this worker can be leased."""
        return self.leases.state()

    def end(self, reason: str) -> None:
        """Cuts short whatever runs: its caller gets `reason`. From any thread."""
        self.leases.end(reason)
        self._cancel_step()

    def _cancel_step(self) -> None:
        step = self._step
        if step is not None:
            step.cancel()

    def try_device(self, device: str) -> None:
        """Makes the worker ready if a tensor can be put on `device` and read back.

        Raises InvalidRequestError for a device that the framework does not have, else what it raises.
        """
        try:
            self._thread.call(lambda: try_device(self._adapter, device))
            self.leases.is_ready = True
        except WorkerLostError:  # it is stopping
            raise
        except Exception:
            self.leases.is_ready = False
            raise
        finally:
            if self._turn is not None:
                self._turn.say(TurnWord.READY, YES if self.leases.is_ready else NO)

    def load(self, lease: str, model: Model, *, deterministic: bool, threads: int) -> LoadResponse:
        """Builds the model; returns the flags that were set and what the user's code raised, if it did."""
        self.leases.check(lease)

        def build() -> LoadResponse:
            self._close_session()
            try:
                loaded = load_model(
                    self._adapter,
                    self._loader,
                    model,
                    deterministic=deterministic,
                    threads=threads,
                    served=self._served,
                )
            except ModelRaised as raised:
                return LoadResponse(failure=raised.failure)
            self._session = ModelSession(self._adapter, loaded, self._thread.pulse)
            if self._served is None:
                gc.collect()  # what building it has left would stay with what is spared
                spare_what_is_here()
            if self._script is None:
                # A model that was given may be in any state by now.
                code = code_digest() if self._served is None else ""
                made = self._session.optimizer_made
                return LoadResponse(flags=loaded.flags, code=code, optimizer_made=made)
            train = bool(getattr(loaded.model, "training", True))
            return LoadResponse(flags=loaded.flags, device=loaded.device, train=train)

        return self._thread.call(build)

    def offer_arena(self, lease: str, *, to_worker: bool) -> OfferArenaResponse:
        """Makes memory to be shared with the coordinator; returns where it is, or why there is none."""
        arenas = self._arenas
        self.leases.check(lease)
        return arenas.offer(to_worker=to_worker)

    def settle_arena(self, lease: str, *, to_worker: bool, mapped: bool) -> None:
        """Takes the coordinator's word whether it has mapped what was offered."""
        arenas = self._arenas
        self.leases.check(lease)
        arenas.settle(to_worker=to_worker, mapped=mapped)

    @property
    def shared(self) -> SharedArenas:
        """The memory that the coordinator shares by now."""
        return self._arenas.shared

    def describe(self, lease: str) -> tuple[Layer, ...]:
        """Returns the layer tree."""
        session = self._loaded(lease)
        return self._thread.call(session.describe)

    def trace(
        self, lease: str, batch: Optional[HostBatch], randomness: Randomness, *, repeat: bool
    ) -> Traced:
        """Returns what one forward pass does that leaves no trace of itself, or two.

        None stands for the first batch of the model's loader.
        """
        session = self._driven(lease)
        if batch is None:
            try:
                batch = self.read_batch(lease, 0)
            except ModelRaised as raised:
                return Traced(calls=(), failure=raised.failure)
            if batch is None:
                raise StateError("the loader has no batch; look with ReadBatch first")
        traced = self._thread.call(lambda: session.trace(batch, randomness, repeat=repeat))
        self._thread.submit(give_back_free_memory)
        return traced

    def read_batch(self, lease: str, index: int) -> Optional[HostBatch]:
        """Returns a batch of the model's loader; None behind its last. Raises ModelRaised."""
        session = self._driven(lease)

        def read() -> Optional[HostBatch]:
            with raising_as_failure(Phase.INPUTS):
                return session.read_batch(index)

        return self._thread.call(read)

    def view_optimizer(self, lease: str) -> Optional[OptimizerView]:
        """Returns what can be seen of the optimizer; None where there is nothing to look into."""
        session = self._loaded(lease)
        return self._thread.call(session.view_optimizer)

    def read_optimizer_state(
        self, lease: str, entries: Iterable[OptimizerEntry]
    ) -> Iterator[tuple[OptimizerEntry, HostTensor]]:
        """Yields (entry, value), each copied when it is its turn."""
        view = self.view_optimizer(lease)
        for entry in entries:
            if view is None:
                raise NotFoundError("the model has no optimizer that can be looked into")
            yield entry, self._thread.call(lambda view=view, entry=entry: view.read(entry))  # type: ignore[misc]

    def write_optimizer_state(self, lease: str, values: Iterable[tuple[OptimizerEntry, HostTensor]]) -> int:
        """Writes each value as it comes; returns how many the optimizer has a place for."""
        session = self._loaded(lease)
        weights = self._thread.call(session.weights)
        return sum(
            self._thread.call(
                lambda entry=entry, value=value: session.write_optimizer_state(weights, entry, value)  # type: ignore[misc]
            )
            for entry, value in values
        )

    def keep_state(self, lease: str, *, optimizer: bool, changing: Optional[Collection[str]] = None) -> None:
        """Remembers the model's state, and the `optimizer`'s if asked.

        `changing` as `ModelSession` has it.
        """
        session = self._driven(lease)
        self._thread.call(lambda: session.keep_state(optimizer=optimizer, changing=changing))

    def restore_state(self, lease: str) -> tuple[str, ...]:
        """Puts back what was remembered; returns the parameters that could not be."""
        session = self._driven(lease)
        return self._thread.call(session.restore_state)

    def read_weights(
        self, lease: str, names: Iterable[str], room: Optional[TakeRoom] = None
    ) -> Iterator[list[tuple[str, LaidTensor]]]:
        """Yields (name, value), `bundled`, each bundle copied when it is its turn.

        A value lies in what `room` returns, if anything.
        """
        session = self._loaded(lease)
        weights = self._thread.call(session.weights)
        sizes = ((name, session.byte_count(weights, name)) for name in names)
        for bundle in bundled(sizes, lambda sized: sized[1]):
            # Waited for here, and not on the model's thread.
            rooms = [(name, None if room is None else room(size)) for name, size in bundle]
            yield self._thread.call(partial(session.read_weights, weights, rooms))

    def write_weights(self, lease: str, bundles: Iterable[Sequence[ReceivedTensor]]) -> int:
        """Writes the weights of each bundle as it comes; returns how many."""
        session = self._loaded(lease)
        present = self._thread.call(session.weights)
        written = 0
        for bundle in bundles:
            self._thread.call(partial(session.write_weights, present, bundle))
            written += len(bundle)
        return written

    def save_weights(self, lease: str, path: str) -> tuple[str, int]:
        """Writes the model's state under the save root; returns the absolute path and its size in bytes."""
        session = self._loaded(lease)
        target = save_target(self._settings.save_root, path, self._adapter.state_files.all_suffixes)
        with writing(target) as partial_file:
            self._thread.call(lambda: self._adapter.save_weights(session.model, partial_file))
        return target, os.path.getsize(target)

    def apply_rule(self, lease: str, rule: str, arrays: dict[str, HostTensor]) -> dict[str, HostTensor]:
        """Returns what the user's NumPy function makes of named arrays. Raises ModelRaised."""
        self.leases.check(lease)
        return self._thread.call(lambda: apply_rule(self._loader, rule, arrays))

    @contextmanager
    def step(self, start: StepStart) -> Iterator[tuple[RunningStep, Callable[[HostBatch], Outbox[StepItem]]]]:
        """Holds the place of the running step; yields it and the function that begins it.

        Leaving cancels what still runs and raises what went wrong on our side.
        """
        session = self._loaded(start.lease)
        outbox: Outbox[StepItem] = Outbox(self._settings.capture_bytes)
        script, futures = self._script, []
        run: RunningStep
        if script is None:
            run = RunningStep(self._adapter, session, start, outbox, self.shared)
        else:
            run = ScriptStep(self._adapter, session, start, outbox, self.shared)

        def begin(batch: HostBatch) -> Outbox[StepItem]:
            if script is not None and isinstance(run, ScriptStep):
                futures.append(script.open_step(run))
            else:
                futures.append(self._thread.submit(lambda: self._run(run, start, batch)))
            return outbox

        self._step = run
        try:
            yield run, begin
        except BaseException:
            run.cancel()
            raise
        finally:
            self._step = None
        self.leases.check_not_ended()  # first: the model may be deep in a kernel
        for future in futures:
            future.result()
        if script is None:
            self._thread.submit(give_back_free_memory)

    def _run(self, run: RunningStep, start: StepStart, batch: HostBatch) -> None:
        threads = self._settings.threads_alone if start.alone else 0
        with self._adapter.threads(threads) if threads else nullcontext():
            run.run(batch)

    def is_moving(self) -> bool:
        """Whether the model's thread moves, or has nothing to do; it may be still as long as a lease's holder
        bears it.
        """
        patience = self.leases.patience_seconds
        return not patience or self._thread.pulse.still_seconds() < patience

    def activity(self, lease: str) -> Activity:
        """Returns where the model's thread is, which may be at work."""
        self.leases.check(lease)
        return self._thread.pulse.activity()

    def unload(self, lease: str) -> None:
        """Drops the model before the lease ends."""
        self.leases.check(lease)
        self._thread.call(self._close_session)

    def close(self) -> None:
        """Drops the model at the process's end; on the model's thread, which takes no more jobs."""
        self._close_session()

    def _close_session(self) -> None:
        if self._session is not None:
            self._session.close()
            self._session = None
            if self._served is None:
                look_at_all()
            # Layers and hooks refer to each other; what is left of the model would stay for a while.
            gc.collect()
            self._adapter.release_memory()

    def _driven(self, lease: str) -> ModelSession:
        """Returns the model, if what it does is asked for here. Raises StateError for a watched script's."""
        session = self._loaded(lease)
        if self._script is not None:
            raise StateError(
                "this worker watches a script, which makes its own steps; run another one against it"
            )
        return session

    def _loaded(self, lease: str) -> ModelSession:
        self.leases.check(lease)
        if self._session is None:
            raise StateError("no model is loaded")
        return self._session


def _tell(turn: Turn, lease: str, patience_seconds: float) -> None:
    if lease:
        turn.say(TurnWord.LEASED, f"{lease} {patience_seconds}")
    else:
        turn.say(TurnWord.OVER)
