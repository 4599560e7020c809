"""A comparison as every verb of the client takes it: two models, what they are run on, and where."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any, Optional

from padiff_client.arguments import batches_of, caller_process
from padiff_client.link import Batches
from padiff_client.progress import Onlooker
from padiff_client.session import Contestant, Server, Session, check_whereabouts, open_session
from padiff_client.spec import ModelSpec
from padiff_compare.report.run_store import RunStore
from padiff_rpc.errors import InvalidRequestError
from padiff_rpc.names import not_allowed
from padiff_rpc.records import record, word
from padiff_rpc.v1.records import Options, StatedPairing
from padiff_rpc.v1.words import KeptTensors, Side


@record
class Comparison:
    """Two models and all that may be asked of them; a verb takes what it needs.

    Attributes:
        example_inp: the pair (candidate's, reference's), as for `auto_diff`; None: the models have loaders.
        input_names: what a file calls its two; None: they are arguments of a function.
        losses, optimizers: pairs (candidate's, reference's) of "package.module:function", "" for none.
        server: None: coordinator and workers are started here.
        store: where the run is kept; None: nowhere.
        keep, keep_mib: which tensors are kept with it, and how many MiB of them.
        detached: the comparison goes on at the server when this client is gone.
        onlooker: hears how the run goes; None: nobody does.
    """

    candidate: ModelSpec
    reference: ModelSpec
    example_inp: Any = None
    input_names: Optional[tuple[str, str]] = None
    auto_weights: bool = True
    steps: int = 1
    options: Options = Options()
    layer_map: StatedPairing = StatedPairing()
    losses: tuple[str, str] = ("", "")
    optimizers: tuple[str, str] = ("", "")
    server: Optional[Server] = None
    store: Optional[RunStore] = None
    keep: KeptTensors = KeptTensors.FAILING
    keep_mib: int = 256
    detached: bool = False
    onlooker: Optional[Onlooker] = None

    def __post_init__(self) -> None:
        if not isinstance(self.auto_weights, bool):
            raise not_allowed(self.auto_weights, "True, False", field="auto_weights")
        object.__setattr__(self, "keep", word(KeptTensors, self.keep, field="keep"))
        most = self.keep_mib
        if isinstance(most, bool) or not isinstance(most, int) or not 1 <= most < 2**32:
            raise not_allowed(most, "a whole number of at least 1", field="keep_mib")

    def check_whereabouts(self) -> None:
        """Raises InvalidRequestError where a model and the server contradict each other."""
        if self.detached and self.server is None:
            raise InvalidRequestError(
                "a coordinator that is started here ends with this client; give a server", field="detached"
            )
        check_whereabouts(self._contestants(), self.server)

    def batches(self) -> Optional[Batches]:
        """Returns the batches that the client sends, the first one pulled; None: the workers have loaders.

        Raises InvalidRequestError.
        """
        return batches_of(self.candidate, self.reference, self.example_inp, self.input_names)

    def wants_recorded_batches(self, sent: Optional[Batches]) -> bool:
        """Whether the batches are those of a recording: none are `sent`, and no loader has any."""
        return sent is None and not self.candidate.loader

    def session(self, *, save_root: Optional[str] = None) -> AbstractContextManager[Session]:
        """Provides a session; see `open_session`."""
        return open_session(
            self._contestants(), self.server, caller_process(self.onlooker), save_root=save_root
        )

    def _contestants(self) -> tuple[Contestant, Contestant]:
        """Returns (candidate, reference), under the names that `auto_diff` has for them."""
        candidate, reference = (
            Contestant(side=side, spec=spec, field=field, loss=loss, optimizer=optimizer)
            for side, spec, field, loss, optimizer in zip(
                (Side.CANDIDATE, Side.REFERENCE),
                (self.candidate, self.reference),
                ("layer", "module"),
                self.losses,
                self.optimizers,
            )
        )
        return candidate, reference
