"""Torch's compiled, exported and scripted modules, whose insides run where no hook sees them."""

from __future__ import annotations

import re
import sys
from typing import Any

import torch


def is_opaque(layer: Any) -> bool:
    """Whether the calls of the layers inside cannot be watched, or would break up what was compiled."""
    if isinstance(layer, torch.fx.GraphModule):
        return _calls_no_layers(layer)
    # Its module is not imported before something is compiled; that takes seconds.
    compiler = sys.modules.get("torch._dynamo.eval_frame")
    is_compiled = compiler is not None and isinstance(layer, compiler.OptimizedModule)
    return is_compiled or isinstance(layer, torch.jit.ScriptModule) or _is_compiled_in_place(layer)


def _calls_no_layers(graph: Any) -> bool:
    """Whether a graph takes the weights out of its layers; one that torch.fx traced calls the layers."""
    called = {str(node.target) for node in graph.graph.nodes if node.op == "call_module"}
    return any(
        next(layer.parameters(recurse=False), None) is not None
        and not any(f"{path}.".startswith(f"{one}.") for one in called)
        for path, layer in graph.named_modules()
        if path
    )


def _is_compiled_in_place(layer: Any) -> bool:
    return getattr(layer, "_compiled_call_impl", None) is not None


def class_of(layer: Any) -> str:
    """Returns the class that was scripted; a script's type is `__torch__.` and that, mangled."""
    if not isinstance(layer, torch.jit.ScriptModule):
        return ""
    name = re.sub(r"___torch_mangle_\d+\.", "", layer._c._type().qualified_name())
    return str(name).replace("__torch__.", "", 1)


def set_mode(model: Any, train: bool) -> None:
    """Sets train or eval mode, but for what keeps the one that it was made in."""
    try:
        model.train(train)
    except NotImplementedError:  # an exported module
        return
    except AttributeError:  # a frozen script
        if hasattr(model, "training"):
            raise
