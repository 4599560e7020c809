"""A module whose environment lacks a package."""

import a_package_that_nobody_has  # noqa: F401


def net():
    """Is never reached."""
