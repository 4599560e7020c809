"""The verbs of the adapter over the NumPy fake."""

from __future__ import annotations

import copy
import itertools
import os

import fake
import numpy as np
from fake_random import random_operations
from fake_vocabulary import VOCABULARY

from padiff_rpc.errors import InvalidRequestError
from padiff_rpc.tensors import HostTensor
from padiff_rpc.v1.records import OptimizerEntry, TensorSpec
from padiff_rpc.v1.words import DType, WeightKind
from padiff_worker.adapter import FrameworkAdapter
from padiff_worker.devices import own_name
from padiff_worker.graph_walk import walk_graph
from padiff_worker.layer_tree import LayerReader, OwnTensor
from padiff_worker.optimizers import OptimizerView, qualified_name

_keys = itertools.count()


def _hang(store, hook):
    key = next(_keys)
    store[key] = hook
    return lambda: store.pop(key, None)


def _spec(tensor):
    return TensorSpec(dtype=DType(tensor.array.dtype.name), shape=tuple(tensor.array.shape))


def _own_tensors(layer):
    for kind, store in ((WeightKind.PARAMETER, layer._parameters), (WeightKind.BUFFER, layer._buffers)):
        for name, tensor in store.items():
            trainable = kind is WeightKind.PARAMETER and tensor.trainable
            yield OwnTensor(name=name, kind=kind, tensor=tensor, spec=_spec(tensor), trainable=trainable)


def _attributes(layer):
    return {name: value for name, value in vars(layer).items() if name[0] != "_" and name != "training"}


_READER = LayerReader(
    base=fake.Layer,
    children=lambda layer: layer._layers,
    own_tensors=_own_tensors,
    attributes=_attributes,
    is_opaque=lambda layer: isinstance(layer, fake.Compiled),
)


def _stepped(optimizer, weights):
    stepped = {id(one) for one, _ in optimizer.rates()}
    return [(name, weight) for name, weight in weights.items() if id(weight) in stepped]


def _held(optimizer):
    """What an optimizer holds and does not own."""
    return optimizer.model, *fake.parameters(optimizer.model)


def _below(node):
    return [below for below in node.inputs if below is not None]


class FakeAdapter(FrameworkAdapter):
    name = "fake"
    vocabulary = VOCABULARY
    library = fake
    reader = _READER
    optimizer_classes = (fake.SGD,)
    backward_entry = (fake, "run_backward")
    library_folders = (os.path.abspath(fake.__file__),)

    def version(self):
        return "1.0"

    def devices(self):
        return ("cpu",)

    def configure(self, *, device, seed, deterministic, threads):
        own_name(device, self.devices())
        fake.seed(seed)
        return ("deterministic=on",)

    def seed(self, seed):
        fake.seed(seed)

    def random_state(self):
        return fake.random_state()

    def set_random_state(self, state):
        fake.set_random_state(state)

    # Models

    def prepare(self, model, *, device, dtype, train):
        if dtype is not None:
            for tensor in self.weights(model).values():
                tensor.array = tensor.array.astype(dtype.value)
        model.train(train)

    def device_of(self, model):
        return "cpu"

    def empty_weights(self, model):
        return []

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
        return _spec(tensor)

    def host_copy(self, tensor):
        return HostTensor.from_array(np.array(tensor.array, order="C"))

    def from_host(self, value, *, device, requires_grad):
        if value.dtype is DType.BFLOAT16:
            raise InvalidRequestError("dtype bfloat16 is unknown to the fake framework")
        if requires_grad and value.array.dtype.kind not in "fc":
            raise InvalidRequestError(f"requires_grad: a {value.dtype} tensor has no gradient")
        return fake.Tensor(value.array.copy(), requires_grad=requires_grad)

    def memory(self, tensor):
        base = tensor.array
        while base.base is not None:
            base = base.base
        return id(base)

    def footprint(self, tensor):
        return tensor.array

    def alias(self, tensor):
        other = fake.Tensor(tensor.array)
        other.version = tensor.version
        return other

    def overwrite(self, tensor, value):
        array = tensor.array
        if array.size and any(step == 0 and size > 1 for step, size in zip(array.strides, array.shape)):
            return False
        array[...] = value.array
        return True

    def pass_through(self, tensor, value):
        return fake.pass_through(tensor, value.array.copy())

    def like(self, tensor, value):
        return fake.Tensor(value.array.copy())

    def requires_gradient(self, tensor):
        return tensor.requires_grad

    def branch(self, tensor):
        return tensor.view(*tensor.shape)

    def graph_place(self, tensor):
        return tensor.node

    def graph_edges(self, outputs):
        for node in walk_graph([one.node for one in outputs if one.node is not None], _below):
            yield from _below(node)

    def layers_without_backward(self, model, loss):
        if loss.node is None:
            return ()
        nodes = walk_graph([loss.node], _below)
        layers = [node.keeps_nothing for node in nodes]
        return tuple(path for path, layer in fake.walk(model) if any(layer is one for one in layers))

    # Running

    def watch(self, layer, entry, exit):
        removes = (_hang(layer._pre, entry), _hang(layer._post, exit))
        return lambda: [remove() for remove in removes] and None

    def watch_gradient(self, tensor, hook):
        return _hang(tensor.node.hooks, hook)

    random_operations = staticmethod(random_operations)

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

    def autocast(self, device, dtype):
        if dtype is not DType.FLOAT16:
            raise InvalidRequestError(f"autocast: the fake framework has none to {dtype}; take float16")
        return fake.autocast(np.float16)

    def scale_gradients(self, parameters, factor):
        for parameter in parameters:
            parameter.grad.array = parameter.grad.array * np.float32(factor)

    def clip_gradients(self, parameters, max_norm):
        parameters = list(parameters)
        total = np.sqrt(sum(np.sum(np.square(parameter.grad.array)) for parameter in parameters))
        self.scale_gradients(parameters, min(1.0, max_norm / (total + 1e-6)))

    def watch_step(self, optimizer, before):
        def step():
            before()
            type(optimizer).step(optimizer)

        optimizer.step = step
        return lambda: vars(optimizer).pop("step", None) and None

    def step(self, optimizer):
        optimizer.step()
        optimizer.clear()

    def view_optimizer(self, optimizer, weights):
        return OptimizerView(
            class_name=qualified_name(optimizer),
            settings={name: optimizer.settings(weight) for name, weight in _stepped(optimizer, weights)},
            conventions=optimizer.conventions,
            state={
                OptimizerEntry(parameter=name, state=state): lambda read=read: HostTensor.from_array(read())
                for name, weight in _stepped(optimizer, weights)
                for state, read in optimizer.state(weight).items()
            },
        )

    def write_optimizer_state(self, optimizer, weights, entry, value):
        weight = weights[entry.parameter]
        if (
            entry.state == "momentum"
            and "momentum" in optimizer.states
            and weight.array.shape != value.spec.shape
        ):
            raise InvalidRequestError(
                f"shape {list(value.spec.shape)} does not fit {list(weight.array.shape)}"
            )
        return optimizer.write(weight, entry.state, value.array)

    def keep_optimizer(self, optimizer):
        return copy.deepcopy(vars(optimizer), {id(one): one for one in _held(optimizer)})

    def restore_optimizer(self, optimizer, kept):
        vars(optimizer).clear()
        vars(optimizer).update(kept)

    def synchronize(self):
        pass

    def release_memory(self):
        pass
