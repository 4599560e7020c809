"""The Paddle twin of `torch_keeping`; `by`: what a call counts for."""

import numpy as np
import paddle


class Keeping(paddle.nn.Layer):
    def __init__(self, by=1):
        super().__init__()
        self.first, self.second = paddle.nn.Linear(6, 6), paddle.nn.Linear(6, 6)
        self.register_buffer("average", paddle.zeros([6]))
        self.calls, self.cache, self.noise = 0, {"keys": []}, np.random.default_rng(5)
        self.by = by

    def forward(self, x):
        self.calls += self.by
        hidden = self.first(x)
        self.cache["keys"] = [*self.cache["keys"][-1:], hidden.detach()]
        self.average = self.average * 0.5 + hidden.detach().mean(0) * 0.5
        noise = paddle.to_tensor(self.noise.normal(size=6), dtype=hidden.dtype)
        past = paddle.stack(self.cache["keys"]).mean(0) + self.average + noise
        return self.second((hidden + past) * (1.0 if self.calls < 3 else 2.0))


def keeping(**given):
    return Keeping(**given)


def adam(model):
    rate = paddle.optimizer.lr.StepDecay(0.01, step_size=1, gamma=0.5)
    return paddle.optimizer.Adam(rate, parameters=model.parameters())
