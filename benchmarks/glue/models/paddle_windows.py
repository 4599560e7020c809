"""Paddle half of attention in shifted windows. `fault` plants what `#!` names; `#:` names what is healthy."""

from __future__ import annotations

import numpy as np
import paddle
import paddle.nn.functional as F
from paddle import nn


class WindowsBlock(nn.Layer):
    def __init__(self, d, heads, n, shift, fault) -> None:
        super().__init__()
        self.d, self.heads, self.n, self.shift, self.fault = d, heads, n, shift, fault
        self.norm1, self.norm2 = nn.LayerNorm(d), nn.LayerNorm(d)
        self.qkv, self.proj = nn.Linear(d, 3 * d), nn.Linear(d, d)
        self.table = self.create_parameter([(2 * n - 1) ** 2, heads])
        self.fc1, self.fc2 = nn.Linear(d, 2 * d), nn.Linear(2 * d, d)
        down, right = (one.reshape(-1) for one in np.indices((n, n)))
        down, right = down[:, None] - down + n - 1, right[:, None] - right + n - 1
        if fault == "table_turned":
            down, right = right, down
        self.index = (down * (2 * n - 1) + right).reshape(-1)

    def windows(self, x):
        """Returns the windows of every picture, row by row."""
        n, (h, w, d) = self.n, x.shape[1:]
        cut = [x[:, i : i + n, j : j + n] for i in range(0, h, n) for j in range(0, w, n)]  #! roll_rows
        if self.fault == "cut_columns":
            cut = [one.transpose([0, 2, 1, 3]) for one in cut]  #! cut_columns
        return paddle.stack(cut, axis=1).reshape([-1, n * n, d])

    def zones(self, h, w):
        def zone(size):
            place = paddle.arange(size)
            return (place >= size - self.n).astype("int64") + (place >= size - self.shift).astype("int64")

        columns = zone(w)
        rows = paddle.zeros_like(zone(h)) if self.fault == "zones_rows" else zone(h) * 3  #! zones_rows
        return (rows.unsqueeze(1) + columns.unsqueeze(0)).reshape([1, h, w, 1])  #! zones_rows

    def attended(self, q, k, v, bias):
        """q, k, v: [windows, heads, places, width]."""
        if self.fault == "fused":
            y = F.scaled_dot_product_attention(
                *(one.transpose([0, 2, 1, 3]) for one in (q, k, v)), attn_mask=bias
            )  #: fused
            return y.flatten(2)
        scale = (self.d if self.fault == "scale" else self.d // self.heads) ** -0.5
        scores = paddle.matmul(q, k, transpose_y=True) * scale  #! scale query_is_key
        scores = scores if self.fault == "bias_missing" else scores.add(bias)  #! mask_missing
        a = F.softmax(
            scores, axis=-2 if self.fault == "softmax_axis" else -1
        )  #! softmax_axis bias_missing mask_missing
        return paddle.einsum("bhqk,bhkw->bqhw", a, v).flatten(2)

    def forward(self, x):
        f, s, n = self.fault, self.shift, self.n
        b, h, w, d = x.shape
        y = self.norm1(x)
        if s and f == "indexed":
            rows = (paddle.arange(h) + s) % h  #: indexed
            columns = (paddle.arange(w) + s) % w
            y = paddle.index_select(paddle.index_select(y, rows, axis=1), columns, axis=2)
        elif s:
            way = -s if f == "roll_forward" else s
            y = paddle.concat([y[:, way:], y[:, :way]], axis=1)  #! roll_forward roll_rows
            if f != "roll_rows":
                y = paddle.concat([y[:, :, way:], y[:, :, :way]], axis=2)  #! roll_rows roll_forward
        q, k, v = paddle.split(self.qkv(self.windows(y)), 3, axis=-1)  #! roll_rows
        if f == "query_is_key":
            q, k = k, q  #! query_is_key
        q, k, v = (
            one.reshape([0, n * n, self.heads, d // self.heads]).transpose([0, 2, 1, 3]) for one in (q, k, v)
        )  #! query_is_key
        bias = paddle.gather(self.table, paddle.to_tensor(self.index))  #! table_turned
        bias = bias.transpose([1, 0]).reshape([1, self.heads, n * n, n * n])
        if s and f != "mask_missing":
            zones = self.windows(self.zones(h, w)).squeeze(-1)
            apart = paddle.not_equal(zones.unsqueeze(2), zones.unsqueeze(1))
            far = paddle.full_like(bias[:, :1], -1.0 if f == "mask_weak" else -100.0)  #! mask_weak
            mask = paddle.where(apart.unsqueeze(1), far, paddle.zeros_like(far))
            bias = paddle.tile(mask, [b, 1, 1, 1]) + bias
        y = self.proj(self.attended(q, k, v, bias))
        y = y.reshape([b, h // n, w // n, n, n, d])
        y = y.transpose([0, 1, 4, 2, 3, 5] if f == "join_columns" else [0, 1, 3, 2, 4, 5])  #! join_columns
        y = y.reshape([b, h, w, d])
        if s and f != "unroll_missing":
            y = y.roll([s, s], [1, 2])
        x = y.add(x)  #! unroll_missing
        x = x + y if f == "residual_twice" else x  #! residual_twice
        y = F.gelu(self.fc1(self.norm2(x)), approximate=f == "gelu_rough")  #! gelu_rough
        return self.fc2(y) + x


class Windows(nn.Layer):
    def __init__(self, d: int = 16, heads: int = 2, n: int = 4, fault: str = "") -> None:
        super().__init__()
        self.fault = fault
        self.patch = nn.Conv2D(3, d, 2, 2)
        self.blocks = nn.LayerList([WindowsBlock(d, heads, n, shift, fault) for shift in (0, n // 2)])
        self.norm, self.merge = nn.LayerNorm(4 * d), nn.Linear(4 * d, 2 * d, bias_attr=False)
        self.head = nn.Linear(2 * d, 5)

    def forward(self, x):
        f = self.fault
        x = self.patch(x).transpose([0, 2, 3, 1])
        for block in self.blocks:
            x = block(x)
        b, h, w, d = x.shape
        x = x.reshape([b, h // 2, 2, w // 2, 2, d])
        x = x.transpose([0, 1, 3, 2, 4, 5] if f == "merge_order" else [0, 1, 3, 4, 2, 5])  #! merge_order
        x = self.merge(self.norm(x.reshape([b, h // 2, w // 2, 4 * d])))  #! merge_order
        x = x.flatten(1, 2)
        return self.head(x.max(1) if f == "pool_maximum" else paddle.mean(x, axis=1))  #! pool_maximum
