"""A small network, its data and its training step, in Torch."""

import numpy as np
import torch
from torch.utils.checkpoint import checkpoint


class Network(torch.nn.Module):
    def __init__(self, checkpointed=False):
        super().__init__()
        self.checkpointed = checkpointed
        self.stem = torch.nn.Linear(12, 32)
        self.block = torch.nn.Sequential(torch.nn.Linear(32, 32), torch.nn.GELU(), torch.nn.LayerNorm(32))
        self.head = torch.nn.Linear(32, 5)

    def forward(self, x):
        x = torch.tanh(self.stem(x))
        x = x + (checkpoint(self.block, x, use_reentrant=False) if self.checkpointed else self.block(x))
        return self.head(x)


def network(**kwargs):
    return Network(**kwargs)


class Samples(torch.utils.data.Dataset):
    def __init__(self, count=48):
        random = np.random.default_rng(5)
        self.x = random.standard_normal((count, 12)).astype(np.float32)
        self.y = random.integers(0, 5, count)

    def __len__(self):
        return len(self.x)

    def __getitem__(self, index):
        return self.x[index], self.y[index]


def loader():
    return torch.utils.data.DataLoader(Samples(), batch_size=8)


def loader_with_workers():
    return torch.utils.data.DataLoader(Samples(), batch_size=8, num_workers=2)


def cross_entropy(output, target):
    return torch.nn.functional.cross_entropy(output, target)


def adamw(model):
    return torch.optim.AdamW(model.parameters(), lr=1e-2, weight_decay=0.02)


def sgd(model):
    return torch.optim.SGD(model.parameters(), lr=0.5)


def train_step(model, batch, optimizer):
    x, target = batch
    loss = cross_entropy(model(x), target)
    optimizer.zero_grad()
    loss.backward()
    torch.nn.utils.clip_grad_norm_(model.parameters(), 0.5)
    optimizer.step()
    return loss.item()
