"""The fakes can be imported; Hypothesis finds no example late (its own profile for CI says so already)."""

import os
import sys
from pathlib import Path

from hypothesis import settings

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "fakes"))

if not os.environ.get("CI"):
    settings.register_profile("any speed", deadline=None)
    settings.load_profile("any speed")
