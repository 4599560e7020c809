"""Layers that Paddle computes in one piece, dropout included, taken apart: attention and recurrent ones."""

from __future__ import annotations

from typing import Any

import paddle

from padiff_worker.draws import Draw
from padiff_worker.randomness import Drawing, Operation
from padiff_worker_paddle.dropouts import dropped


def _attend(draw: Draw, q: Any, k: Any, v: Any, mask: Any, p: float, causal: bool, scale: float) -> Any:
    """softmax(q k^T scale + mask), dropout, times v; all of [batch, length, heads, size]."""
    query, key, value = (given.transpose([0, 2, 1, 3]) for given in (q, k, v))
    groups = q.shape[2] // k.shape[2]
    if groups > 1:
        key, value = (given.repeat_interleave(groups, axis=1) for given in (key, value))
    scores = paddle.matmul(query * scale, key, transpose_y=True)
    if mask is not None:
        scores = scores + mask
    if causal:
        seen = paddle.tril(paddle.ones(scores.shape[-2:], dtype="bool"), k.shape[1] - q.shape[1])
        scores = paddle.where(seen, scores, paddle.full_like(scores, float("-inf")))
    weights = dropped(draw, paddle.nn.functional.softmax(scores), p)
    return paddle.matmul(weights, value).transpose([0, 2, 1, 3])


def _flash_decides(*args: Any) -> bool:
    *_, p, _, _, is_test, _ = args
    return not is_test and 0 < p < 1


def _flash(drawing: Drawing, original: Any, *args: Any) -> Any:
    q, k, v, _, mask, p, causal, *_ = args
    return _attend(drawing(), q, k, v, mask, p, causal, q.shape[-1] ** -0.5), None, None, None


def _flash_off(original: Any, *args: Any) -> Any:
    *given, _, causal, softmax, is_test, name = args
    return original(*given, 0.0, causal, softmax, is_test, name)


def _efficient_decides(*args: Any) -> bool:
    *_, p, _, is_test = args
    return not is_test and 0 < p < 1


def _efficient(drawing: Drawing, original: Any, *args: Any) -> Any:
    """`lengths`: of sequences that lie behind each other in one row."""
    q, k, v, mask, *lengths, causal, p, scale, _ = args
    if any(isinstance(one, paddle.Tensor) for one in lengths):
        return NotImplemented
    size = q.shape[-1] ** -0.5 if scale < 0 else scale
    return _attend(drawing(), q, k, v, mask, p, causal, size), None, None


def _efficient_off(original: Any, *args: Any) -> Any:
    *given, _, scale, is_test = args
    return original(*given, 0.0, scale, is_test)


def _gaps(*args: Any) -> int:
    """Returns how often a recurrent layer drops: between its layers, in train mode."""
    p, layers, is_test = args[5], args[9], args[12]
    return 0 if is_test or not 0 < p < 1 else layers - 1


def _recurrent(drawing: Drawing, original: Any, *args: Any) -> Any:
    """Layer by layer; masks lie over [time, batch, features]. All biases follow all matrices."""
    x, states, weights, lengths, dropout_state, p, both_ways, _, hidden_size, layers, *rest = args
    ways = 2 if both_ways else 1
    each = 2 * ways
    matrices, biases = weights[: each * layers], weights[each * layers :]
    last: list[Any] = []
    for index in range(layers):
        if index:
            x = dropped(drawing(), x, p)
        own = slice(each * index, each * (index + 1))
        x, reserve, ended = original(
            x,
            [given[ways * index : ways * (index + 1)] for given in states],
            [*matrices[own], *biases[own]],
            lengths,
            dropout_state,
            0.0,
            both_ways,
            x.shape[-1],
            hidden_size,
            1,
            *rest,
        )
        last.append(ended)
    return x, reserve, [paddle.concat(ended) for ended in zip(*last)]


def _without_dropout(original: Any, *args: Any) -> Any:
    return original(*args[:5], 0.0, *args[6:])


# By the names in `paddle._C_ops`. On the host, attention is made of a plain dropout.
COMPOSITES = {
    "flash_attn": Operation(name="flash_attn", draws=_flash_decides, shared=_flash, off=_flash_off),
    "memory_efficient_attention": Operation(
        name="memory_efficient_attention", draws=_efficient_decides, shared=_efficient, off=_efficient_off
    ),
    "rnn": Operation(name="rnn", draws=_gaps, shared=_recurrent, off=_without_dropout),
}
