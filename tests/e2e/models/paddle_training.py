"""A small network, its data and its training step, in Paddle."""

import numpy as np
import paddle
from paddle.distributed.fleet.utils import recompute


class Network(paddle.nn.Layer):
    def __init__(self, checkpointed=False, fault=""):
        super().__init__()
        self.checkpointed = checkpointed
        epsilon = 1e-3 if fault == "epsilon" else 1e-5
        self.stem = paddle.nn.Linear(12, 32)
        self.block = paddle.nn.Sequential(
            paddle.nn.Linear(32, 32), paddle.nn.GELU(), paddle.nn.LayerNorm(32, epsilon=epsilon)
        )
        self.head = paddle.nn.Linear(32, 5)

    def forward(self, x):
        x = paddle.tanh(self.stem(x))
        x = x + (recompute(self.block, x) if self.checkpointed else self.block(x))
        return self.head(x)


def network(**kwargs):
    return Network(**kwargs)


class Samples(paddle.io.Dataset):
    def __init__(self, count=48):
        super().__init__()
        random = np.random.default_rng(5)
        self.x = random.standard_normal((count, 12)).astype(np.float32)
        self.y = random.integers(0, 5, count)

    def __len__(self):
        return len(self.x)

    def __getitem__(self, index):
        return self.x[index], self.y[index]


class ShiftedSamples(Samples):
    def __init__(self):
        super().__init__()
        self.x[19, 3] += 0.25


def loader():
    return paddle.io.DataLoader(Samples(), batch_size=8)


def shifted_loader():
    return paddle.io.DataLoader(ShiftedSamples(), batch_size=8)


def loader_with_workers():
    return paddle.io.DataLoader(Samples(), batch_size=8, num_workers=2)


def cross_entropy(output, target):
    return paddle.nn.functional.cross_entropy(output, target)


def adamw(model):
    return paddle.optimizer.AdamW(1e-2, parameters=model.parameters(), weight_decay=0.02)


def sgd(model):
    return paddle.optimizer.SGD(0.5, parameters=model.parameters())


def sgd_that_clips(model):
    clip = paddle.nn.ClipGradByGlobalNorm(0.5)
    return paddle.optimizer.SGD(0.5, parameters=model.parameters(), grad_clip=clip)


def train_step(model, batch, optimizer):
    x, target = batch
    loss = cross_entropy(model(x), target)
    loss.backward()
    paddle.nn.utils.clip_grad_norm_(model.parameters(), 0.5)
    optimizer.step()
    optimizer.clear_grad()
    return loss.item()


def train_step_with_minimize(model, batch, optimizer):
    x, target = batch
    loss = cross_entropy(model(x), target)
    loss.backward()
    paddle.nn.utils.clip_grad_norm_(model.parameters(), 0.5)
    optimizer.minimize(loss)
    model.clear_gradients()
    return loss.item()
