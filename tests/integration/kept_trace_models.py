"""A model of the fake framework whose calls depend on what no digest of its code knows."""

from pathlib import Path

import fake
from lockstep_models import Half


class Reading(fake.Layer):
    """Calls its second layer as often as a file says."""

    def __init__(self, file):
        super().__init__()
        self.first, self.second = Half(), Half()
        self._file = Path(file)

    def forward(self, x):
        hidden = self.first(x)
        for _ in range(int(self._file.read_text())):
            hidden = self.second(hidden)
        return hidden
