"""Models that a comparison may name, beside what the same module merely imported."""

from os import system  # noqa: F401

from fake_models import Net


def net():
    return Net()
