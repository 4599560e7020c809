"""What Paddle computes in one piece, dropout included: attention and recurrent layers, taken apart."""

from __future__ import annotations

from typing import Any

import paddle

from padiff_worker.randomness import Drawing, Operation
from padiff_worker_paddle.dropouts import dropped


def _attention_decides(
    q: Any, k: Any, v: Any, seed_offset: Any, mask: Any, p: float, causal: bool, softmax: bool, is_test: bool,
    *_: Any,
) -> bool:  # fmt: skip
    return not is_test and 0 < p < 1


def _attention(
    drawing: Drawing, original: Any, q: Any, k: Any, v: Any, seed_offset: Any, mask: Any, p: float,
    causal: bool, *_: Any,
) -> Any:  # fmt: skip
    """softmax(q k^T / sqrt(d) + mask), dropout, times v; all of [batch, length, heads, d]."""
    query, key, value = (given.transpose([0, 2, 1, 3]) for given in (q, k, v))
    groups = q.shape[2] // k.shape[2]
    if groups > 1:
        key, value = (given.repeat_interleave(groups, axis=1) for given in (key, value))
    scores = paddle.matmul(query * q.shape[-1] ** -0.5, key, transpose_y=True)
    if mask is not None:
        scores = scores + mask
    if causal:
        seen = paddle.tril(paddle.ones(scores.shape[-2:], dtype="bool"), k.shape[1] - q.shape[1])
        scores = paddle.where(seen, scores, paddle.full_like(scores, float("-inf")))
    weights = dropped(drawing(), paddle.nn.functional.softmax(scores), p)
    return paddle.matmul(weights, value).transpose([0, 2, 1, 3]), None, None, None


def _attention_off(
    original: Any, q: Any, k: Any, v: Any, seed_offset: Any, mask: Any, p: float, *rest: Any
) -> Any:
    return original(q, k, v, seed_offset, mask, 0.0, *rest)


def _gaps(
    x: Any, states: Any, weights: Any, lengths: Any, dropout_state: Any, p: float, both_ways: bool,
    input_size: int, hidden_size: int, layers: int, mode: str, seed: int, is_test: bool,
) -> int:  # fmt: skip
    """Returns how often a recurrent layer drops: between its layers, in train mode."""
    return 0 if is_test or not 0 < p < 1 else layers - 1


def _recurrent(
    drawing: Drawing, original: Any, x: Any, states: Any, weights: Any, lengths: Any, dropout_state: Any,
    p: float, both_ways: bool, input_size: int, hidden_size: int, layers: int, mode: str, seed: int,
    is_test: bool,
) -> Any:  # fmt: skip
    """Layer by layer; masks lie over [time, batch, features]. All biases follow all matrices."""
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
            mode,
            seed,
            is_test,
        )
        last.append(ended)
    return x, reserve, [paddle.concat(ended) for ended in zip(*last)]


def _without_dropout(original: Any, *args: Any) -> Any:
    return original(*args[:5], 0.0, *args[6:])


# By the names in `paddle._C_ops`. On the host, attention is made of a plain dropout.
COMPOSITES = {
    "flash_attn": Operation(
        name="flash_attn", draws=_attention_decides, shared=_attention, off=_attention_off
    ),
    "rnn": Operation(name="rnn", draws=_gaps, shared=_recurrent, off=_without_dropout),
}
