"""Layers that Torch computes in one piece, dropout included, taken apart: attention and recurrent ones."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch

from padiff_worker.randomness import Drawing, Operation
from padiff_worker_torch.dropouts import is_real, kept_factors

# Older versions of Torch had no softmax that gives a row without any key zeros.
_softmax = getattr(torch, "_safe_softmax", torch.softmax)


def _drop(drawing: Drawing, input: Any, p: float) -> Any:
    return (input * kept_factors(drawing(), input, p, tuple(input.shape))).to(input.dtype)


def _attention_decides(
    query: Any, key: Any, value: Any, attn_mask: Any = None, dropout_p: float = 0.0, *_: Any, **named: Any
) -> bool:
    return 0 < dropout_p < 1


def _attention(
    drawing: Drawing,
    original: Any,
    query: Any,
    key: Any,
    value: Any,
    attn_mask: Any = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    *,
    scale: Any = None,
    enable_gqa: bool = False,
) -> Any:
    """softmax(query key^T * scale + mask), dropout, times value."""
    if not (is_real(query) and is_real(key) and is_real(value)):
        return NotImplemented
    if enable_gqa:
        key = key.repeat_interleave(query.size(-3) // key.size(-3), -3)
        value = value.repeat_interleave(query.size(-3) // value.size(-3), -3)
    scores = query @ key.transpose(-2, -1) * (1 / math.sqrt(query.size(-1)) if scale is None else scale)
    if is_causal:
        attn_mask = torch.ones(scores.shape[-2:], dtype=torch.bool, device=scores.device).tril()
    if attn_mask is not None:
        masked = attn_mask.dtype is torch.bool
        scores = scores.masked_fill(~attn_mask, -math.inf) if masked else scores + attn_mask
    return _drop(drawing, _softmax(scores, -1).to(value.dtype), dropout_p) @ value


def _attention_off(
    original: Any,
    query: Any,
    key: Any,
    value: Any,
    attn_mask: Any = None,
    dropout_p: float = 0.0,
    *rest: Any,
    **named: Any,
) -> Any:
    return original(query, key, value, attn_mask, 0.0, *rest, **named)


# By the name in `torch.nn.functional` and `torch._C._nn`.
ATTENTION = {
    "scaled_dot_product_attention": Operation(
        name="scaled_dot_product_attention", draws=_attention_decides, shared=_attention, off=_attention_off
    )
}


def _is_packed(args: tuple[Any, ...]) -> bool:
    """(input, state, weights, has_biases, layers, dropout, train, both ways, batch first), or with the
    sizes of a packed sequence in the second place, and without the last."""
    return not isinstance(args[3], bool)


def _gaps(*args: Any, **named: Any) -> int:
    """Returns how often a recurrent layer drops: between its layers, in train mode."""
    if named or len(args) != 9:
        return 0
    layers, p, train = args[5:8] if _is_packed(args) else args[4:7]
    return layers - 1 if train and 0 < p < 1 else 0


def _recurrent(state_count: int) -> Callable[..., Any]:
    def shared(drawing: Drawing, original: Any, *args: Any) -> Any:
        """Layer by layer; masks lie over [time, batch, features], whatever comes first for the user."""
        if _is_packed(args) or not is_real(args[0]):
            return NotImplemented
        sequence, state, weights, has_biases, layers, p, train, both_ways, batch_first = args
        if batch_first:
            sequence = sequence.transpose(0, 1)
        states = [given.chunk(layers) for given in (state if state_count > 1 else (state,))]
        each = len(weights) // layers
        last: list[Any] = []
        for index in range(layers):
            if index:
                sequence = _drop(drawing, sequence, p)
            own = [given[index].contiguous() for given in states]
            sequence, *ended = original(
                sequence,
                own if state_count > 1 else own[0],
                weights[index * each : (index + 1) * each],
                has_biases,
                1,
                0.0,
                train,
                both_ways,
                False,
            )
            last.append(ended)
        output = sequence.transpose(0, 1) if batch_first else sequence
        return (output, *(torch.cat(ended) for ended in zip(*last)))

    return shared


def _without_dropout(original: Any, *args: Any) -> Any:
    place = 6 if _is_packed(args) else 5
    return original(*args[:place], 0.0, *args[place + 1 :])


# By the names in `torch` and `torch._VF`.
RECURRENT = {
    name: Operation(name=name, draws=_gaps, shared=_recurrent(states), off=_without_dropout)
    for name, states in (("lstm", 2), ("gru", 1), ("rnn_tanh", 1), ("rnn_relu", 1))
}
