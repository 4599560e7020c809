"""Start hook of a script that `padiff run --watch` has started; Python runs it before the script.

It runs in the script's own environment, of which this file knows nothing: the standard library alone is
imported until the worker's package is found there.
"""

import importlib.machinery
import importlib.util
import os
import sys


def _install() -> None:
    try:
        from padiff_worker.start_hook import install
    except ImportError as error:
        pip = f"{sys.executable} -m pip install padiff-rpc"
        print(f"padiff: {sys.executable} cannot be watched: {error}; run: {pip}", file=sys.stderr)
    else:
        install()


def _run_the_environments_own() -> None:
    """Runs the sitecustomize that this one stands in front of, if there is one."""
    here = os.path.dirname(os.path.abspath(__file__))
    others = [folder for folder in sys.path if os.path.abspath(folder) != here]
    spec = importlib.machinery.PathFinder.find_spec("sitecustomize", others)
    if spec is not None and spec.loader is not None:
        module = importlib.util.module_from_spec(spec)
        sys.modules["sitecustomize"] = module
        spec.loader.exec_module(module)


_install()
_run_the_environments_own()
