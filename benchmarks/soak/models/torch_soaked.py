"""A small model, healthy or with a fault."""

import torch


class Net(torch.nn.Module):
    def __init__(self, factor=1.0):
        super().__init__()
        self.fc1 = torch.nn.Linear(4, 8)
        self.fc2 = torch.nn.Linear(8, 3)
        self.factor = factor

    def forward(self, x):
        return self.fc2(torch.relu(self.fc1(x)) * self.factor)


def net(**kwargs):
    return Net(**kwargs)


def sgd(model):
    return torch.optim.SGD(model.parameters(), lr=0.1)
