"""A recording as it is asked for: one model, what it is run on, and what of it is kept."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any, Optional

from padiff_client.arguments import caller_process
from padiff_client.link import Batches
from padiff_client.progress import Onlooker
from padiff_client.session import Contestant, Server, Session, check_whereabouts, open_session
from padiff_client.spec import ModelSpec
from padiff_rpc.errors import InvalidRequestError
from padiff_rpc.records import record
from padiff_rpc.v1.records import Options, Selection
from padiff_rpc.v1.words import Side


@record
class RecordingAsked:
    """One model and all that may be asked of it.

    Attributes:
        inputs: a Batch or dict used at every step, or an iterable of these; None: the model has a loader.
        field: what the model's spec is called in errors.
        input_name: what a file calls the inputs; None: they are an argument of a function.
    """

    model: ModelSpec
    inputs: Any = None
    steps: int = 1
    options: Options = Options()
    selection: Selection = Selection()
    loss: str = ""
    optimizer: str = ""
    server: Optional[Server] = None
    field: str = "model"
    input_name: Optional[str] = None
    onlooker: Optional[Onlooker] = None

    def batches(self) -> Optional[Batches]:
        """Returns the batches that the client sends; None: the worker has a loader."""
        if self.model.loader:
            if self.inputs is not None:
                raise InvalidRequestError(
                    "the model has a loader that gives the batches; leave one of them out", field="inputs"
                )
            return None
        if self.inputs is None and self.model.worker is not None and not self.model.model:
            return None  # a script that is watched has its own
        if self.inputs is None:
            raise InvalidRequestError("missing; give a batch, or a loader in the ModelSpec", field="inputs")
        names = None if self.input_name is None else (self.input_name, self.input_name)
        return Batches((self.inputs, self.inputs), names)

    def session(self) -> AbstractContextManager[Session]:
        """Provides a session; see `open_session`."""
        return open_session([self._contestant()], self.server, caller_process(self.onlooker))

    def check_whereabouts(self) -> None:
        """Raises InvalidRequestError where the model and the server contradict each other."""
        if self.model.recording is not None:
            raise InvalidRequestError(
                "this is a recording already; name a model", field=f"{self.field}.recording"
            )
        check_whereabouts([self._contestant()], self.server)

    def _contestant(self) -> Contestant:
        return Contestant(
            side=Side.REFERENCE,
            spec=self.model,
            field=self.field,
            loss=self.loss,
            optimizer=self.optimizer,
        )
