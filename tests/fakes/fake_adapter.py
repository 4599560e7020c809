"""The verbs of the adapter over the NumPy fake."""

from __future__ import annotations

import contextlib
import itertools
import os

import fake
import numpy as np
from fake_functions import WORDS, functions
from fake_random import random_operations
from fake_vocabulary import VOCABULARY

from padiff_rpc.errors import InvalidRequestError
from padiff_rpc.tensors import HostTensor
from padiff_rpc.v1.words import DType, WeightKind
from padiff_worker.adapter import FrameworkAdapter, nothing
from padiff_worker.footprints import shares_elements
from padiff_worker.graph_walk import walk_graph
from padiff_worker.layer_tree import LayerReader, OwnTensor
from padiff_worker.optimizers import OptimizerReader, OptimizerState
from padiff_worker.state_files import StateFiles
from padiff_worker.tensor_verbs import MemoryLayout

_keys = itertools.count()
_DTYPES = {np.dtype(dtype.value): dtype for dtype in DType if dtype is not DType.BFLOAT16}


def _widened(array):
    return array.astype(np.complex128 if array.dtype.kind == "c" else np.float64)


def _hang(store, hook):
    key = next(_keys)
    store[key] = hook
    return lambda: store.pop(key, None)


def _own_tensors(layer):
    for kind, store in ((WeightKind.PARAMETER, layer._parameters), (WeightKind.BUFFER, layer._buffers)):
        for name, tensor in store.items():
            trainable = kind is WeightKind.PARAMETER and tensor.trainable
            yield OwnTensor(name=name, kind=kind, tensor=tensor, trainable=trainable)


def _attributes(layer):
    return {name: value for name, value in vars(layer).items() if name[0] != "_" and name != "training"}


_READER = LayerReader(
    base=fake.Layer,
    all_layers=lambda model: [layer for _, layer in fake.walk(model)],
    children=lambda layer: layer._layers,
    own_tensors=_own_tensors,
    attributes=_attributes,
    bookkeeping=frozenset(vars(fake.Layer())),
    stores=("_parameters", "_buffers", "_layers"),
    is_opaque=lambda layer: isinstance(layer, fake.Compiled),
)


def _groups(optimizer):
    return [{"params": [parameter for parameter, _ in optimizer.rates()]}]


def _states(optimizer, kind, parameter, settings):
    present = optimizer.state(parameter)
    for word in optimizer.states:
        read = (lambda word=word: HostTensor.from_array(present[word]())) if word in present else None
        write = _writer(optimizer, parameter, word) if word in optimizer.writable else None
        yield OptimizerState(word=word, read=read, write=write)


def _writer(optimizer, parameter, word):
    def write(value):
        if word == "momentum" and value.spec.shape != parameter.shape:
            raise InvalidRequestError(f"shape {list(value.spec.shape)} does not fit {list(parameter.shape)}")
        optimizer.write(parameter, word, value.array)

    return write


_OPTIMIZERS = OptimizerReader(
    classes=(fake.SGD,),
    kinds={fake.SGD: "sgd"},
    groups=_groups,
    settings=lambda optimizer, parameter, group: optimizer.settings(parameter),
    conventions=lambda optimizer, kind, parameters: optimizer.conventions,
    states=_states,
    make_state=lambda optimizer, kind, parameter, group: None,
)


def _load(path):
    with np.load(path) as stored:
        return {name: fake.Tensor(stored[name]) for name in stored}


def _save(state, path):
    with open(path, "wb") as file:
        np.savez(file, **{name: tensor.array for name, tensor in state.items()})


def _fill(model, state):
    for name, tensor in model.state_dict().items():
        tensor.array[...] = state[name].array


_STATE_FILES = StateFiles(
    framework="fake", tensor=fake.Tensor, suffixes=(".pt",), read=_load, write=_save, fill=_fill
)


def _below(node):
    return [below for below in node.inputs if below is not None]


class FakeAdapter(FrameworkAdapter):
    name = "fake"
    vocabulary = VOCABULARY
    function_words = WORDS
    library = fake
    dtypes = _DTYPES
    reader = _READER
    state_files = _STATE_FILES
    optimizer_reader = _OPTIMIZERS
    backward_entry = (fake, "run_backward")
    library_folders = (os.path.abspath(fake.__file__),)

    def devices(self):
        return ("cpu",)

    def set_up(self, device, *, deterministic, threads):
        return ()

    def seed(self, seed):
        fake.seed(seed)

    def keep_random(self):
        state = fake.random_state()
        return lambda: fake.set_random_state(state)

    # Models

    def prepare(self, model, *, device, dtype, train):
        if dtype is not None:
            for tensor in self.weights(model).values():
                tensor.array = tensor.array.astype(dtype.value)
        model.train(train)

    def gradient(self, weight):
        return weight.grad

    def clear_gradients(self, model):
        for parameter in fake.parameters(model):
            parameter.grad = None

    # Tensors

    def is_tensor(self, candidate):
        return isinstance(candidate, fake.Tensor)

    def identity(self, tensor):
        return (id(tensor), tensor.array.__array_interface__["data"][0], tensor.version[0])

    def device(self, tensor):
        return "cpu"

    def host_copy(self, tensor):
        return HostTensor.from_array(np.array(tensor.array, order="C"))

    def host_view(self, tensor):
        return HostTensor(array=tensor.array, dtype=_DTYPES[tensor.array.dtype])

    def made(self, value, *, device, requires_grad):
        return fake.Tensor(value.array.copy(), requires_grad=requires_grad)

    def layout(self, tensor):
        array = base = tensor.array
        while base.base is not None:
            base = base.base
        return MemoryLayout(
            block=id(base),
            address=array.__array_interface__["data"][0],
            strides=tuple(step // array.itemsize for step in array.strides),
            item_bytes=array.itemsize,
        )

    def alias(self, tensor):
        other = fake.Tensor(tensor.array)
        other.version = tensor.version
        return other

    def overwrite(self, tensor, value, *, may_move=False):
        array = tensor.array
        if array.size and shares_elements(array.shape, self.layout(tensor).strides):
            return False
        array[...] = value.array
        return True

    def replace(self, tensor, value):
        tensor.array = value.array.copy()

    def requires_gradient(self, tensor):
        return tensor.requires_grad

    def branch(self, tensor):
        return tensor.view(*tensor.shape)

    def as_reals(self, tensor, *, dtype, device):
        return fake.cast(tensor, dtype.value)

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
    functions = staticmethod(functions)

    def gradient_mode(self, enabled):
        return fake.gradient_mode(enabled)

    def backward(self, loss):
        fake.run_backward(loss)

    def autocast(self, device, dtype):
        if dtype is not DType.FLOAT16:
            raise InvalidRequestError(f"autocast: the fake framework has none to {dtype}; take float16")
        return fake.autocast(np.float16)

    @contextlib.contextmanager
    def in_float64(self, tensors):
        narrow = [(tensor, tensor.array) for tensor in tensors if tensor.array.dtype.kind in "fc"]
        for tensor, array in narrow:
            tensor.array = _widened(array)
            if tensor.grad is not None:
                tensor.grad = fake.Tensor(_widened(tensor.grad.array))
        try:
            with fake.default_dtype(np.float64):
                yield
        finally:
            for tensor, array in narrow:
                tensor.array, tensor.grad = array, None

    def clip_gradients(self, parameters, max_norm):
        parameters = list(parameters)
        total = np.sqrt(sum(np.sum(np.square(parameter.grad.array)) for parameter in parameters))
        self.scale_gradients(parameters, min(1.0, max_norm / (total + 1e-6)))

    def watch_step(self, optimizer, before, after=nothing):
        def step():
            before()
            type(optimizer).step(optimizer)
            after()

        optimizer.step = step
        return lambda: vars(optimizer).pop("step", None) and None

    def step(self, optimizer):
        optimizer.step()
        optimizer.clear()
