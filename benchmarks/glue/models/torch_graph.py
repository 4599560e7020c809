"""Torch half of a network over a graph. `#!` names the faults a line stands for."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn


class Graph(nn.Module):
    """Sums by degree, attention along edges, the largest neighbour, a sum with one's own, a mean."""

    def __init__(self, d: int = 6, h: int = 8, heads: int = 2) -> None:
        super().__init__()
        self.heads = heads
        self.one, self.two = nn.Linear(d, h), nn.Linear(h, h)
        self.out, self.into = (nn.Parameter(torch.randn(heads, h // heads)) for _ in range(2))
        self.own, self.largest = nn.Linear(h, h), nn.Linear(h, h)
        self.more = nn.Parameter(torch.tensor([0.3]))
        self.three, self.head = nn.Linear(h, h), nn.Linear(h, 4)

    def by_degree(self, x, edges):
        n = x.shape[0]
        loops = torch.arange(n)
        source, target = torch.cat([edges, torch.stack([loops, loops])], 1)  #! loops_missing
        degree = torch.zeros(n).scatter_add_(0, target, torch.ones(target.shape[0]))  #! degree_out
        root = degree.pow(-0.5)  #! root_whole
        told = x[source] * (root[source] * root[target])[:, None]  #! side_alone
        return torch.zeros_like(x).index_add_(0, target, told)  #! turned_edges

    def attend(self, x, edges):
        source, target = edges
        n = x.shape[0]
        x = x.view(n, self.heads, -1)
        out, into = (x * self.out).sum(-1), (x * self.into).sum(-1)
        scores = F.leaky_relu(out[source] + into[target], 0.2)  #! slope into_missing
        where = target[:, None].expand(-1, self.heads)
        top = torch.full((n, self.heads), -torch.inf).scatter_reduce(0, where, scores, "amax")
        scores = (scores - top[target]).exp()
        total = torch.zeros(n, self.heads).scatter_add(0, where, scores)  #! by_source
        weights = scores / total[target]
        made = torch.zeros_like(x).index_add(0, target, x[source] * weights[..., None])  #! unweighted
        return made.flatten(1)

    def forward(self, x, edges, graph):
        x = F.relu(self.by_degree(self.one(x), edges))
        y = F.elu(self.attend(self.two(x), edges))  #! elu
        source, target = edges
        spread = target[:, None].expand(-1, y.shape[1])
        most = torch.zeros_like(y).scatter_reduce(
            0, spread, y[source], "amax", include_self=False
        )  #! most_mean
        z = F.normalize(self.own(y) + self.largest(most))  #! unit_columns
        near = torch.zeros_like(z).index_add(0, target, z[source])
        z = z + F.relu(self.three((1 + self.more) * z + near))  #! more_bare residual_missing
        graphs = int(graph.max()) + 1
        sums = torch.zeros(graphs, z.shape[1]).index_add(0, graph, z)
        mean = sums / torch.bincount(graph, minlength=graphs)[:, None]  #! mean_total mean_nodes
        return self.head(mean)
