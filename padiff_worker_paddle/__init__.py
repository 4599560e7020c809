"""The Paddle worker: the only package that imports paddle."""

from __future__ import annotations

import os
import zlib  # noqa: F401  Paddle 2.6 hides the system's zlib from whoever asks for it later, gRPC among them
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Optional, Union

from padiff_worker.marks import mark

if TYPE_CHECKING:
    from padiff_rpc.tls_files import TlsFiles
    from padiff_rpc.v1.records import Tls

__all__ = ["mark", "serve", "watch"]


def serve(
    model: Any,
    *,
    address: str = "127.0.0.1:0",
    loss: Optional[Callable[..., Any]] = None,
    optimizer: Optional[Any] = None,
    token: str = "",
    tls: Union[Tls, TlsFiles, None] = None,
    insecure: bool = False,
    roots: Sequence[str] = (),
    save_root: Optional[str] = None,
    on_ready: Optional[Callable[[str], None]] = None,
) -> None:
    """Serves `model`, a paddle.nn.Layer, as a worker until interrupted or closed; blocks.

    Call it on the main thread. The arguments are those of `padiff_worker.serve.serve`.
    """
    from padiff_worker import serve as worker
    from padiff_worker_paddle.adapter import PaddleAdapter

    worker.serve(
        PaddleAdapter(),
        model,
        address=address,
        loss=loss,
        optimizer=optimizer,
        token=token,
        tls=tls,
        insecure=insecure,
        roots=roots,
        save_root=save_root,
        on_ready=on_ready,
    )


def watch(model: Any, optimizer: Optional[Any] = None) -> None:
    """Has the steps that this script makes with `model`, a paddle.nn.Layer, compared.

    Where `padiff run` has started the script; else it does nothing. The arguments are those of
    `padiff_worker.watch.watch`.
    """
    from padiff_rpc.watch_orders import VARIABLE

    if VARIABLE in os.environ:
        from padiff_worker import watch as watching
        from padiff_worker_paddle.adapter import PaddleAdapter

        watching.watch(PaddleAdapter(), model, optimizer)
