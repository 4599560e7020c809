"""Loaders, train steps and models of the fake framework for the tests of training loops."""

import fake
import fake_models
import numpy as np

_X = np.random.default_rng(0).normal(size=(8, 4, 4)).astype(np.float32)
_Y = np.random.default_rng(1).normal(size=(8, 4, 3)).astype(np.float32)


def pairs():
    """A list of (input, target) as arrays."""
    return list(zip(_X, _Y))


def halves():
    """The batches of `pairs`, each in two halves."""
    for x, y in zip(_X, _Y):
        yield x[:2], y[:2]
        yield x[2:], y[2:]


def tensors():
    """A generator of lists of the framework's tensors."""
    for x, y in zip(_X, _Y):
        yield [fake.Tensor(x), fake.Tensor(y)]


def named():
    return ({"x": x} for x in _X)


def spelled_out():
    return [{"kwargs": {"x": x}, "target": y} for x, y in zip(_X, _Y)]


def lone():
    return [fake.Tensor(x) for x in _X]


def three():
    return pairs()[:3]


def other_inputs():
    """Differs from `pairs` in one element of the third batch."""
    made = [(x.copy(), y) for x, y in pairs()]
    made[2][0][1, 1] += 1
    return made


def other_targets():
    return [(x, y + np.float32(1) * (index == 1)) for index, (x, y) in enumerate(pairs())]


def flagged():
    return [{"x": x, "weight": 0.5, "name": "a"} for x in _X]


def flagged_otherwise():
    return [{"x": x, "weight": 0.5, "name": "b"} for x in _X]


def flagged_with_a_rounding():
    return [{"x": x, "weight": 0.5 + 3e-8, "name": "a"} for x in _X]


def flagged_heavier():
    return [{"x": x, "weight": 0.51, "name": "a"} for x in _X]


def nothing_in_them():
    return [(), {}]


def raising_third():
    yield from pairs()[:2]
    raise OSError("the disk is gone")


def raising():
    raise OSError("no such folder")


def nothing_to_iterate():
    return 5


def texts():
    return ["a", "b"]


def empty():
    return []


class Small(fake.Layer):
    """fc1, relu, fc2; no batch statistics, so that halves of a batch are as good as the whole."""

    def __init__(self, width=8, wrong=False, checkpointed=False):
        super().__init__()
        self.fc1 = fake.Linear(4, width)
        self.relu = fake.ReLU()
        self.fc2 = fake.Linear(width, 3)
        self.wrong = wrong
        self.checkpointed = checkpointed

    def forward(self, x):
        hidden = self.fc1(x)
        hidden = fake.checkpoint(self.relu, hidden) if self.checkpointed else self.relu(hidden)
        out = self.fc2(hidden)
        return out * 1.001 if self.wrong else out


def small(**kwargs):
    return Small(**kwargs)


class Drifting(Small):
    """Its result is a little more off with each call from the third on."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.calls = 0

    def forward(self, x):
        self.calls += 1
        result = super().forward(x)
        return result if self.calls <= 2 else result * (1.0 + 1e-3 * (self.calls - 2))


def plain_sgd(model):
    return fake.SGD(model, lr=0.1)


def functional_sgd(model):
    optimizer = fake.SGD(model, lr=0.1)

    def step():
        optimizer.step()
        optimizer.clear()

    return step


def step(model, batch, optimizer):
    """The built-in step, as a user would write it."""
    loss = step_forgetting_to_clear(model, batch, optimizer)
    optimizer.clear()
    return loss


def halved(output, target):
    return fake_models.against(output, target) * 0.5


def step_forgetting_to_clear(model, batch, optimizer):
    x, target = batch
    loss = fake_models.against(model(x), target)
    fake.run_backward(loss)
    optimizer.step()
    return loss


def step_without_a_backward(model, batch, optimizer):
    """Gives the parameters gradients of its own."""
    x, target = batch
    loss = fake_models.against(model(x), target)
    for layer in (model.fc1, model.fc2):
        layer.weight.grad = fake.Tensor(np.ones_like(layer.weight.array))
    optimizer.step()
    optimizer.clear()
    return loss


def step_with_a_function(model, batch, optimizer):
    x, target = batch
    loss = fake_models.against(model(x), target)
    fake.run_backward(loss)
    optimizer()
    return float(loss.array)


def step_by_keywords(model, batch, optimizer):
    loss = fake_models.squares(model(**batch))
    fake.run_backward(loss)
    optimizer.step()
    optimizer.clear()


def step_forgetting_to_divide(model, batch, optimizer):
    """Doubles the gradient of one parameter before the optimizer sees it."""
    x, target = batch
    loss = fake_models.against(model(x), target)
    fake.run_backward(loss)
    model.fc2.weight.grad.array = model.fc2.weight.grad.array * np.float32(2)
    optimizer.step()
    optimizer.clear()
    return loss


def step_in_two_goes(model, batch, optimizer):
    """Two forward passes and two backwards, as adversarial training has them."""
    x, target = batch
    first = fake_models.against(model(x), target)
    fake.run_backward(first)
    optimizer.step()
    optimizer.clear()
    second = fake_models.squares(model(x))
    fake.run_backward(second)
    optimizer.step()
    optimizer.clear()
    return first


def step_of_layers(model, batch, optimizer):
    """Never calls the root."""
    x, target = batch
    loss = fake_models.against(model.fc2(model.relu(model.fc1(x))), target)
    fake.run_backward(loss)
    optimizer.step()
    optimizer.clear()
    return loss


def step_that_raises(model, batch, optimizer):
    loss = fake_models.against(model(batch[0]), batch[1])
    fake.run_backward(loss)
    raise ZeroDivisionError("behind backward")


def step_with_a_dict(model, batch, optimizer):
    return {"loss": model(batch[0])}
