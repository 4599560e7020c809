"""Models as newcomers get them wrong, over the NumPy fake."""

import fake
import fake_models


class Needy(fake_models.Net):
    """A model that raises in its forward, two calls deep."""

    def forward(self, x):
        return self.head_of(self.fc1(x))

    def head_of(self, hidden):
        raise ValueError(f"no head for {hidden.shape[-1]} features")


def net(width=8):
    return fake_models.Net(width)


def needy():
    return Needy()


def no_model():
    """Forgets its return."""
    fake_models.Net()


def a_dict():
    return {"weights": 1}


def sgd(model):
    return fake.SGD(model, lr=0.1)


def loss_without_return(output):
    (output * output).sum()
