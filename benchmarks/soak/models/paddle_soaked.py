"""A small model, healthy or with a fault."""

import paddle


class Net(paddle.nn.Layer):
    def __init__(self, factor=1.0):
        super().__init__()
        self.fc1 = paddle.nn.Linear(4, 8)
        self.fc2 = paddle.nn.Linear(8, 3)
        self.factor = factor

    def forward(self, x):
        return self.fc2(paddle.nn.functional.relu(self.fc1(x)) * self.factor)


def net(**kwargs):
    return Net(**kwargs)


def sgd(model):
    return paddle.optimizer.SGD(0.1, parameters=model.parameters())
