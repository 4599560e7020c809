"""Orders of `padiff run` to the script that it starts: where its worker listens, and what is watched.

They lie in a file that only its user can read; the script's environment names it.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, field
from pathlib import Path
from typing import Optional

from padiff_rpc.errors import InvalidRequestError
from padiff_rpc.records import Word, record, word

VARIABLE = "PADIFF_RUN"


class Afterwards(Word):
    """What a watched script does when its comparison is over."""

    # As by sys.exit(): whatever it has opened is closed.
    STOP = "stop"
    # It goes on unwatched.
    CONTINUE = "continue"


@record
class WatchOrders:
    """What is asked of one script.

    Attributes:
        listen: where its worker listens: "unix:/path" or "host:port".
        announce: the file that gets the bound address, once the script has come to its first step.
        afterwards: what it does when the comparison is over.
        watched_class: the model's class, bare or qualified, where no line of the script says watch().
        adapters: "module:class" of the worker's adapter for each framework that the script may import.
        token: what callers must present; empty: nothing.
        tls_certificate, tls_key, tls_ca: files; empty: plain text.
        insecure: serve other machines without a token or in plain text.
    """

    listen: str
    announce: str
    afterwards: Afterwards = Afterwards.STOP
    watched_class: str = ""
    adapters: Mapping[str, str] = field(default_factory=dict)
    token: str = field(default="", repr=False)
    tls_certificate: str = ""
    tls_key: str = ""
    tls_ca: str = ""
    insecure: bool = False

    def write(self, path: Path) -> None:
        """Writes the orders to a new file, readable by this user alone."""
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            json.dump(asdict(self), file)

    def claim(self) -> bool:
        """Returns True once: of the processes that a script may be, the first to ask is watched."""
        try:
            os.close(os.open(f"{self.announce}.claimed", os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
        except FileExistsError:
            return False
        return True

    def tell_address(self, address: str) -> None:
        """Writes the bound address to the file that is waited for, which is there when it is whole."""
        beside = f"{self.announce}.part"
        with open(beside, "w", encoding="utf-8") as file:
            file.write(address)
        os.replace(beside, self.announce)


def given_orders(environment: Mapping[str, str]) -> Optional[WatchOrders]:
    """Returns the orders that this process was started with; None where it was not started by `padiff run`.

    Raises InvalidRequestError for a file that is no longer there, or is of another version.
    """
    path = environment.get(VARIABLE)
    if not path:
        return None
    try:
        with open(path, encoding="utf-8") as file:
            given = json.load(file)
        return WatchOrders(
            **{**given, "afterwards": word(Afterwards, given["afterwards"], field="afterwards")}
        )
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise InvalidRequestError(
            f"{path} holds no orders ({error}); start the script by padiff run, of the same version as the "
            f"worker's package, or unset {VARIABLE}",
            field=VARIABLE,
        ) from None
