"""Paddle half of a recommender. `fault` plants what `#!` names; `#:` names what is healthy."""

from __future__ import annotations

import paddle
import paddle.nn.functional as F
from paddle import nn


class Clicks(nn.Layer):
    def __init__(self, d: int = 8, fields: int = 4, rows: int = 10, fault: str = "") -> None:
        super().__init__()
        self.fields, self.rows, self.fault = fields, rows, fault
        self.table, self.first = nn.Embedding(fields * rows, d), nn.Embedding(fields * rows, 1)
        self.items = self.create_parameter([20, d])
        self.dense = nn.Linear(3, d)
        wide = (fields + 3) * d
        self.cross1, self.cross2 = (self.create_parameter([wide]) for _ in range(2))
        self.look1, self.look2 = nn.Linear(4 * d, 8), nn.Linear(8, 1)
        self.deep1, self.deep2 = nn.Linear(wide, 16), nn.Linear(16, 1)
        self.last = nn.Linear(wide, 1)

    def crossed(self, x0, x, weight):
        """Returns x0 xT w."""
        if self.fault == "outer":
            square = paddle.bmm(x0.unsqueeze(2), x.unsqueeze(1))  #: outer
            return paddle.matmul(square, weight)
        return paddle.einsum("bi,bj,j->bi", x0, x, weight)

    def pairs(self, v):
        """v: [b, fields, d]; the products of all pairs of fields, summed."""
        f = self.fault
        if f == "by_squares":
            squares = paddle.square(v.sum(axis=1)) - paddle.square(v).sum(axis=1)  #: by_squares
            return squares.sum(axis=1) * 0.5
        gram = paddle.matmul(v, v, transpose_y=True)
        upper = paddle.triu(gram, diagonal=0 if f == "twice_own" else 1)  #! twice_own
        total = upper.sum(axis=[1, 2])
        return total * 2.0 if f == "twice_whole" else total  #! twice_whole

    def looked(self, told, wanted):
        f = self.fault
        wanted = paddle.tile(wanted.unsqueeze(1), [1, told.shape[1], 1])
        less = wanted - told if f == "pair_sign" else told - wanted  #! pair_sign
        parts = (
            [told, wanted, told * wanted, less] if f == "pair_order" else [told, wanted, less, told * wanted]
        )
        h = self.look1(paddle.concat(parts, axis=-1))  #! pair_order
        slope = 0.01 if f == "look_slope" else 0.25
        h = paddle.where(h > 0, h, h * slope)  #! look_slope
        return self.look2(h).squeeze(-1)

    def forward(self, ids, numbers, history, item):
        f = self.fault
        numbers = numbers.abs() if f == "numbers_absolute" else F.relu(numbers)  #! numbers_absolute
        if f != "numbers_bare":
            numbers = paddle.log(numbers + 1.0)
        y = F.relu(self.dense(numbers))  #! numbers_bare
        step = self.rows - 1 if f == "offsets" else self.rows
        ids = ids + paddle.arange(0, self.fields * step, step)  #! offsets
        v, once = self.table(ids), self.first(ids).flatten(1).sum(1)
        here = (history > 0).astype("float32")
        told = F.embedding(history, self.items)
        bag = (
            told.sum(1) if f == "bag_padding" else paddle.sum(told * here.unsqueeze(-1), axis=1)
        )  #! bag_padding bag_total
        if f != "bag_total":
            bag = bag / here.sum(1, keepdim=True)
        wanted = F.embedding(item, self.items)
        scores = self.looked(told, wanted)
        if f != "told_padding":
            scores = scores + (1 - here) * -1e9
        weights = (
            F.sigmoid(scores) if f == "told_sigmoid" else F.softmax(scores)
        )  #! told_sigmoid told_padding
        told = (told * weights.unsqueeze(-1)).sum(1)
        if f == "near_dot":
            near = (told * wanted).sum(1)  #! near_dot
        else:
            near = paddle.sum(F.normalize(told, axis=1) * F.normalize(wanted, axis=1), axis=1)
        near = near if f == "near_cold" else near * 5.0
        parts = [v.flatten(1), y, told, bag] if f == "join_order" else [v.flatten(1), y, bag, told]
        x0 = paddle.concat(parts, axis=1)  #! join_order bag_total
        x1 = self.crossed(x0, x0, self.cross1)
        x1 = x1 if f == "cross_residual" else x1 + x0  #! cross_residual
        x2 = self.crossed(x1 if f == "cross_own" else x0, x1, self.cross2)  #! cross_own
        x2 = paddle.add(x2, x1)
        deep = self.deep2(F.relu(self.deep1(x0)))
        score = (self.last(x2) + deep).flatten()
        score = score + self.pairs(v)
        score = score if f == "once_missing" else score + once  #! once_missing
        score = score + near  #! once_missing near_cold
        score = score * 0.1
        return F.hardsigmoid(score) if f == "hard" else F.sigmoid(score)  #! hard
