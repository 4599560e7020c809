"""A real worker process over the NumPy fake; same command line as the others."""

import sys

from fake_adapter import FakeAdapter

from padiff_worker.main import run

if __name__ == "__main__":
    sys.exit(run(FakeAdapter()))
