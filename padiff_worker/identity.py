"""The worker's account of itself: its versions and devices, and whether a device is usable."""

from __future__ import annotations

import os
import platform
import sys
from typing import Optional

import numpy as np

from padiff_rpc.tensor_codings import codings
from padiff_rpc.tensors import HostTensor
from padiff_rpc.v1.records import WorkerInfo
from padiff_rpc.version import PROTOCOL_VERSION, package_version
from padiff_worker.adapter import FrameworkAdapter
from padiff_worker.devices import own_name
from padiff_worker.served_model import ServedModel

_CAPABILITIES = (
    WorkerInfo.FLOAT64_STEPS,
    WorkerInfo.KEPT_STATE,
    WorkerInfo.FUNCTION_TRACES,
    WorkerInfo.FUNCTION_GRADIENTS,
    WorkerInfo.WEIGHT_CHECKSUMS,
    WorkerInfo.WEIGHT_DIGESTS,
    WorkerInfo.ARENAS,
    WorkerInfo.SKETCHES,
    WorkerInfo.TENSOR_BUNDLES,
)


def worker_info(
    adapter: FrameworkAdapter, served: Optional[ServedModel], *, process_per_lease: bool
) -> WorkerInfo:
    """Returns what this process is, for the report and the handshake."""
    model = type(served.model) if served is not None else None
    watches = served is not None and served.script is not None
    return WorkerInfo(
        protocol_version=PROTOCOL_VERSION,
        framework=adapter.name,
        framework_version=adapter.version(),
        python_version=platform.python_version(),
        numpy_version=np.__version__,
        package_version=package_version(),
        host=platform.node(),
        pid=os.getpid(),
        devices=adapter.devices(),
        served_model=f"{model.__module__}.{model.__qualname__}" if model else "",
        executable=sys.executable,
        process_per_lease=process_per_lease,
        serves_optimizer=served is not None and served.optimizer is not None,
        serves_loss=served is not None and served.loss is not None,
        # Steps of a script are made once, and from no other state.
        capabilities=(WorkerInfo.ARENAS,) if watches else _CAPABILITIES,
        codings=codings(),
        watches_script=watches,
    )


def try_device(adapter: FrameworkAdapter, device: str) -> None:
    """Puts a tensor on `device` and reads it back; on the model's thread.

    Raises InvalidRequestError for a device that the framework does not have, else what it raises.
    """
    device = own_name(device, adapter.devices())
    probe = HostTensor.from_array(np.ones(1, np.float32))
    adapter.host_copy(adapter.from_host(probe, device=device, requires_grad=False))
