"""Hypothesis on machines of any speed: no example is late. (Its own profile for CI says so already.)"""

import os

from hypothesis import settings

if not os.environ.get("CI"):
    settings.register_profile("any speed", deadline=None)
    settings.load_profile("any speed")
