"""The reason why a child ended before it served, in one line that says what mends it."""

from __future__ import annotations

import re

from padiff_client.child_process import ChildProcess
from padiff_rpc.child import describe_exit
from padiff_rpc.errors import InvalidRequestError, PaDiffError, WorkerLostError

_MISSING_MODULE = re.compile(r"No module named '?([\w.]+)'?")
# A child's own one-line error ("padiff: ...", "padiff-worker-torch: ...").
_OWN_WORDS = re.compile(r"^padiff[\w-]*: (.+)$", re.MULTILINE)


def explain_early_end(child: ChildProcess, status: int) -> PaDiffError:
    """Returns the error for `child`, which ended with `status` before it announced its address.

    The end of its log is in the error's context, under "log".
    """
    launch, tail = child.launch, child.log_tail()
    missing = _MISSING_MODULE.findall(tail)
    package = missing[-1].partition(".")[0] if missing else ""
    if package in launch.mend:
        # Our own packages fit beside any framework; a framework may be in another environment.
        other = "" if launch.mend[package].startswith("'") else "name an interpreter that has it, or "
        return InvalidRequestError(
            f"{launch.python} has no {package}, which the {launch.name} needs; {other}run: "
            f"{launch.python} -m pip install {launch.mend[package]}",
            log=tail,
            field=launch.python_field,
        )
    said = _OWN_WORDS.findall(tail)
    if said and status >= 0:
        return InvalidRequestError(f"the {launch.name} did not start: {said[-1]}", log=tail)
    last_line = tail.rpartition("\n")[2] or "it wrote nothing"
    return WorkerLostError(
        f"the {launch.name} ({launch.python} -m {launch.package}) {describe_exit(status)} before it served; "
        f"its last words: {last_line}",
        log=tail,
        exit_code=str(status),
    )
