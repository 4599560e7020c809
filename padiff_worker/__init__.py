"""The framework-neutral worker: everything but the adapter."""

import os

from padiff_worker.marks import mark

__all__ = ["mark"]

# Read by gRPC when it starts. With its fork handlers on, a DataLoader that forks workers while a stream
# is open kills the process.
os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "0")
