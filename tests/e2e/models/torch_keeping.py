"""A Torch model that goes on from call to call in plain attributes."""

import numpy as np
import torch


class Keeping(torch.nn.Module):
    """A counter with a warm-up, a cache of two calls, a running average that is assigned, and noise."""

    def __init__(self):
        super().__init__()
        self.first, self.second = torch.nn.Linear(6, 6), torch.nn.Linear(6, 6)
        self.register_buffer("average", torch.zeros(6))
        self.calls, self.cache, self.noise = 0, {"keys": []}, np.random.default_rng(5)

    def forward(self, x):
        self.calls += 1
        hidden = self.first(x)
        self.cache["keys"] = [*self.cache["keys"][-1:], hidden.detach()]
        self.average = self.average * 0.5 + hidden.detach().mean(0) * 0.5
        noise = torch.from_numpy(self.noise.normal(size=6)).to(hidden.dtype)
        past = torch.stack(self.cache["keys"]).mean(0) + self.average + noise
        return self.second((hidden + past) * (1.0 if self.calls < 3 else 2.0))


def keeping():
    return Keeping()


def adam(model):
    schedule = torch.optim.lr_scheduler
    return schedule.StepLR(torch.optim.Adam(model.parameters(), lr=0.01), step_size=1, gamma=0.5)
