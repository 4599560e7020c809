"""Paddle half of a network over a graph. `fault` plants what `#!` names; `#:` names what is healthy."""

from __future__ import annotations

import paddle
import paddle.nn.functional as F
from paddle import nn


class Graph(nn.Layer):
    def __init__(self, d: int = 6, h: int = 8, heads: int = 2, fault: str = "") -> None:
        super().__init__()
        self.heads, self.fault = heads, fault
        self.one, self.two = nn.Linear(d, h), nn.Linear(h, h)
        self.out, self.into = (self.create_parameter([heads, h // heads]) for _ in range(2))
        self.own, self.largest = nn.Linear(h, h), nn.Linear(h, h)
        self.more = self.create_parameter([1])
        self.three, self.head = nn.Linear(h, h), nn.Linear(h, 4)

    def by_degree(self, x, near):
        """near: [targets, sources], ones at edges."""
        f = self.fault
        near = near if f == "loops_missing" else near + paddle.eye(near.shape[0])  #! loops_missing
        degree = near.sum(0) if f == "degree_out" else near.sum(1)  #! degree_out loops_missing
        root = 1.0 / degree if f == "root_whole" else paddle.rsqrt(degree)  #! root_whole
        if f == "folded":
            near = near * root.unsqueeze(1) * root.unsqueeze(0)  #: folded
            return near @ x
        x = x * root.unsqueeze(1)
        made = paddle.matmul(
            near, x, transpose_x=f == "turned_edges"
        )  #! turned_edges loops_missing side_alone
        return made if f == "side_alone" else made * root.unsqueeze(1)  #! side_alone

    def attend(self, x, edges):
        f, (n, h), source, target = self.fault, x.shape, edges[0], edges[1]
        x = x.reshape([n, self.heads, -1])
        out = paddle.einsum("nhw,hw->nh", x, self.out)
        into = paddle.einsum("nhw,hw->nh", x, self.into)
        scores = paddle.index_select(out, source)
        if f != "into_missing":
            scores = scores + paddle.index_select(into, target)
        slope = 0.01 if f == "slope" else 0.2
        scores = paddle.maximum(scores, scores * slope)  #! slope into_missing
        scores = paddle.exp(scores)
        at = source if f == "by_source" else target
        total = paddle.scatter_nd_add(paddle.zeros([n, self.heads]), at.unsqueeze(1), scores)  #! by_source
        told = paddle.gather(x, source)
        if f == "late":
            told = told * scores.unsqueeze(-1)
            made = paddle.index_add(paddle.zeros_like(x), target, 0, told)  #: late
            return (made / total.unsqueeze(-1)).reshape([n, h])
        weights = scores / paddle.gather(total, at)  #! by_source
        told = told if f == "unweighted" else told * weights.unsqueeze(-1)  #! unweighted
        return paddle.index_add(paddle.zeros_like(x), target, 0, told).reshape([n, h])  #! unweighted

    def forward(self, x, edges, graph):
        f, n = self.fault, x.shape[0]
        near = paddle.zeros([n, n])
        near = paddle.scatter_nd_add(near, edges.flip(0).t(), paddle.ones([edges.shape[1]]))
        x = F.relu(self.by_degree(self.one(x), near))  #! side_alone
        y = self.attend(self.two(x), edges)
        y = F.relu(y) if f == "elu" else F.elu(y)  #! elu
        if f == "most_mean":
            most = paddle.matmul(near, y) / near.sum(1, keepdim=True)  #! most_mean
        else:
            most = paddle.where(near.unsqueeze(-1) > 0, y.unsqueeze(0), paddle.to_tensor(-1e9)).max(1)
        z = self.largest(most) + self.own(y)
        axis = 0 if f == "unit_columns" else 1
        z = z / paddle.sqrt(paddle.square(z).sum(axis, keepdim=True)).clip(min=1e-12)  #! unit_columns
        own = z * self.more if f == "more_bare" else z + z * self.more  #! more_bare
        y = F.relu(self.three(paddle.matmul(near, z) + own))
        z = y if f == "residual_missing" else y + z  #! residual_missing
        chosen = F.one_hot(graph, 2)
        total = paddle.matmul(chosen, z, transpose_x=True)  #! residual_missing
        size = float(n) if f == "mean_nodes" else chosen.sum(0).unsqueeze(1)
        mean = total if f == "mean_total" else total / size  #! mean_total mean_nodes
        return self.head(mean)  #! mean_total
