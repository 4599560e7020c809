"""The verbs of the adapter over the NumPy fake."""

from __future__ import annotations

import itertools
import os

import fake
import numpy as np

from padiff_rpc.errors import InvalidRequestError
from padiff_rpc.tensors import HostTensor
from padiff_rpc.types import TensorSpec, Weight
from padiff_rpc.words import DType, WeightKind
from padiff_worker.adapter import LayerHandle

_keys = itertools.count()


def _hang(store, hook):
    key = next(_keys)
    store[key] = hook
    return lambda: store.pop(key, None)


class FakeAdapter:
    name = "fake"
    library_folders = (os.path.abspath(fake.__file__),)

    def version(self):
        return "1.0"

    def devices(self):
        return ("cpu",)

    def configure(self, *, device, seed, deterministic, threads):
        if device != "cpu":
            raise InvalidRequestError(f"device: {device!r} is not usable; allowed: cpu")
        fake.seed(seed)
        return ("deterministic=on",)

    def seed(self, seed):
        fake.seed(seed)

    def random_state(self):
        return fake.generator.bit_generator.state

    def set_random_state(self, state):
        fake.generator.bit_generator.state = state

    # Models

    def is_model(self, candidate):
        return isinstance(candidate, fake.Layer)

    def prepare(self, model, *, device, dtype, train):
        if dtype is not None:
            for tensor in self.weights(model).values():
                tensor.array = tensor.array.astype(dtype.value)
        model.train(train)

    def device_of(self, model):
        return "cpu"

    def layers(self, model):
        paths, layers = {}, {}
        for path, layer in fake.walk(model):
            paths.setdefault(id(layer), []).append(path)
            layers[id(layer)] = layer
        owners = {}
        return tuple(self._handle(tuple(paths[key]), layer, owners) for key, layer in layers.items())

    def _handle(self, paths, layer, owners):
        mro = [cls for cls in type(layer).__mro__ if cls not in (fake.Layer, object)]
        weights = []
        for kind, store in ((WeightKind.PARAMETER, layer._parameters), (WeightKind.BUFFER, layer._buffers)):
            for name, tensor in store.items():
                full = f"{paths[0]}.{name}" if paths[0] else name
                first = owners.setdefault(id(tensor), full)
                weights.append(
                    Weight(
                        name=name,
                        kind=kind,
                        spec=self.spec(tensor),
                        trainable=kind is WeightKind.PARAMETER and tensor.trainable,
                        tied_to="" if first == full else first,
                    )
                )
        plain = {
            name: value
            for name, value in vars(layer).items()
            if not name.startswith("_") and isinstance(value, (bool, int, float, str, type(None)))
        }
        return LayerHandle(
            paths=paths,
            layer=layer,
            classes=tuple(f"{cls.__module__}.{cls.__qualname__}" for cls in mro) or ("fake.Layer",),
            hyper_parameters=plain,
            weights=tuple(weights),
        )

    def weights(self, model):
        found, seen = {}, set()
        for handle in self.layers(model):
            for weight in handle.weights:
                tensor = getattr(handle.layer, weight.name)
                if id(tensor) not in seen:
                    seen.add(id(tensor))
                    found[f"{handle.paths[0]}.{weight.name}" if handle.paths[0] else weight.name] = tensor
        return found

    def write_weight(self, tensor, value):
        tensor.array[...] = value.array

    def load_weights(self, model, path):
        stored = np.load(path)
        for name, tensor in self.weights(model).items():
            if name not in stored:
                raise InvalidRequestError(f"weights: {path} has no {name}")
            tensor.array[...] = stored[name]

    def save_weights(self, model, path):
        with open(path, "wb") as file:
            np.savez(file, **{name: tensor.array for name, tensor in self.weights(model).items()})

    def gradient(self, weight):
        return weight.grad

    def clear_gradients(self, model):
        for parameter in fake.parameters(model):
            parameter.grad = None

    def modes(self, model):
        return [layer.training for _, layer in fake.walk(model)]

    def set_modes(self, model, modes):
        for (_, layer), mode in zip(fake.walk(model), modes):
            layer.training = mode

    # Tensors

    def is_tensor(self, candidate):
        return isinstance(candidate, fake.Tensor)

    def identity(self, tensor):
        return (id(tensor), tensor.array.__array_interface__["data"][0], tensor.version[0])

    def spec(self, tensor):
        return TensorSpec(dtype=DType(tensor.array.dtype.name), shape=tuple(tensor.array.shape))

    def host_copy(self, tensor):
        return HostTensor.from_array(np.array(tensor.array, order="C"))

    def from_host(self, value, *, device, requires_grad):
        if value.dtype is DType.BFLOAT16:
            raise InvalidRequestError("dtype bfloat16 is unknown to the fake framework")
        if requires_grad and value.array.dtype.kind not in "fc":
            raise InvalidRequestError(f"requires_grad: a {value.dtype} tensor has no gradient")
        return fake.Tensor(value.array.copy(), requires_grad=requires_grad)

    def requires_gradient(self, tensor):
        return tensor.requires_grad

    # Running

    def watch(self, layer, entry, exit):
        removes = (_hang(layer._pre, entry), _hang(layer._post, exit))
        return lambda: [remove() for remove in removes] and None

    def watch_gradient(self, tensor, hook):
        return _hang(tensor.node.hooks, hook)

    def gradient_mode(self, enabled):
        return fake.gradient_mode(enabled)

    def projection_loss(self, outputs):
        total = fake.Tensor(np.float32(0))
        for output, weights in outputs:
            total = total + (output * fake.Tensor(weights.array)).sum() * (max(output.array.size, 1) ** -0.5)
        return total

    def mean_loss(self, outputs):
        means = [output.mean() for output in outputs]
        total = means[0]
        for mean in means[1:]:
            total = total + mean
        return total * (1 / len(means))

    def backward(self, loss):
        fake.run_backward(loss)

    def is_optimizer(self, candidate):
        return isinstance(candidate, fake.SGD)

    def step(self, optimizer):
        optimizer.step()
        optimizer.clear()

    def synchronize(self):
        pass
