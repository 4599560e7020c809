"""Python's collector of cyclic garbage, in processes that are ours alone.

A full collection looks at every object there is: hundreds of thousands of an imported framework, and of a
comparison of many calls a million, none of them garbage.
"""

from __future__ import annotations

import gc

# So many more objects before the youngest are looked through; Python's own number is 700.
_YOUNGEST = 20_000


def spare_what_is_here() -> None:
    """Has collections pass over all objects that there are now, until `look_at_all`."""
    gc.freeze()


def look_at_all() -> None:
    """Undoes `spare_what_is_here`."""
    gc.unfreeze()


def collect_seldom() -> None:
    """Has collections come after so many more objects; for a process that makes few cycles."""
    gc.set_threshold(_YOUNGEST, *gc.get_threshold()[1:])
