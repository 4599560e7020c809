"""The verbs that a framework must offer; `padiff_worker_torch` and `padiff_worker_paddle` implement them.

Twenty-five are abstract, ten of them in `tensor_verbs`. Six more have the answer of a framework that lacks
what they ask for, and three readers say what differs in how layers, state files and optimizers are looked
into. Everything that needs no framework lives outside: nesting, call numbering, naming, streaming, loading by
reference. `conformance` holds the tests that every adapter passes.

Tensors, layers and optimizers are the framework's own objects, opaque here (`Any`). Every verb is called
on the model's thread (the process's main thread) unless it says otherwise.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Hashable, Iterable, Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Optional

from padiff_rpc.errors import InvalidRequestError
from padiff_rpc.tensors import HostTensor
from padiff_rpc.v1.records import OptimizerEntry
from padiff_rpc.v1.words import DType
from padiff_worker.devices import own_name
from padiff_worker.functions.watcher import FunctionWatcher
from padiff_worker.functions.words import FunctionWords
from padiff_worker.layer_tree import LayerHandle, LayerReader
from padiff_worker.making_lines import MakingLines, making_lines
from padiff_worker.optimizers import OptimizerReader, OptimizerView
from padiff_worker.randomness import Decisions
from padiff_worker.state_files import StateFiles
from padiff_worker.tensor_verbs import TensorVerbs
from padiff_worker.vocabulary import Vocabulary

# Called at entry of a layer's call with (args, kwargs), both as the layer receives them; returns what the
# layer is to receive instead, or None.
EntryHook = Callable[[tuple[Any, ...], Mapping[str, Any]], Optional[tuple[tuple[Any, ...], dict[str, Any]]]]
# Called at exit with the layer's return value; returns what takes its place, or None.
ExitHook = Callable[[Any], Optional[Any]]
# Undoes what a verb attached; may be called twice.
Remove = Callable[[], None]
# Makes a state what it was when a `keep_` verb was called. To be called once, since what was kept may become
# part of what is restored; that of generators may be called again.
Restore = Callable[[], None]
# Called with the tensors that a backward begins with, mostly one loss; returns the context in which it runs.
AroundBackward = Callable[[tuple[Any, ...]], AbstractContextManager[None]]
# Called with a tensor's total gradient; on a GPU, Torch calls it on its own autograd thread. Returns the
# gradient that goes on in its place, or None.
GradientHook = Callable[[Any], Optional[Any]]


def nothing() -> None:
    """Does nothing."""


class FrameworkAdapter(TensorVerbs):
    """One framework, as small verbs without policy: abstract ones, and those that are alike in frameworks.

    What is alike: `__version__`, `enable_grad`, `no_grad`, `is_grad_enabled` and `nn.utils.clip_grad_norm_`
    of the package; a layer's `training`; a tensor's `grad` and `backward`.
    """

    # Folders of the framework's own layers and call machinery: a frame in one of them is not the
    # user's line.
    library_folders: tuple[str, ...]
    # What it calls things.
    vocabulary: Vocabulary
    function_words: FunctionWords
    # How its models are walked, their states read and written, its optimizers looked into.
    reader: LayerReader
    state_files: StateFiles
    optimizer_reader: OptimizerReader
    # An object and the attribute of it in which every backward looks the engine up at each call.
    backward_entry: tuple[Any, str]

    # The process

    @abstractmethod
    def devices(self) -> tuple[str, ...]:
        """Returns the usable devices as the framework names them; "cpu" is always among them."""

    @abstractmethod
    def set_up(self, device: str, *, deterministic: bool, threads: int) -> tuple[str, ...]:
        """Sets default device (one of `devices`), determinism and threads (0: as they are).

        Returns what else was set, for the report: "threads=1".
        """

    @abstractmethod
    def seed(self, seed: int) -> None:
        """Seeds the framework's random generators, every device's among them."""

    def configure(self, *, device: str, seed: int, deterministic: bool, threads: int) -> tuple[str, ...]:
        """Sets what `set_up` and `seed` do; returns what was set, for the report: "deterministic=on".

        Raises InvalidRequestError for a device that is not usable, listing those that are.
        """
        own = own_name(device, self.devices())
        flags = self.set_up(own, deterministic=deterministic, threads=threads)
        self.seed(seed)
        return (f"deterministic={'on' if deterministic else 'off'}", *flags)

    @abstractmethod
    def keep_random(self) -> Restore:
        """Keeps the state of the framework's generators, host and devices."""

    def threads(self, count: int) -> AbstractContextManager[None]:
        """Has the framework compute with so many threads in the block, and with those of before behind it."""
        return nullcontext()

    def accelerator(self) -> Optional[Any]:
        """Returns what has `synchronize` and `empty_cache` for the device in use; None on the CPU."""
        return None

    def synchronize(self) -> None:
        """Waits for the device, so that wall times mean something."""
        device = self.accelerator()
        if device is not None:
            device.synchronize()

    def release_memory(self) -> None:
        """Gives back to the device what the framework holds ready of dropped tensors' memory."""
        device = self.accelerator()
        if device is not None:
            device.empty_cache()

    # Models

    def is_model(self, candidate: Any) -> bool:
        return isinstance(candidate, self.reader.base)

    def making_lines(self) -> AbstractContextManager[MakingLines]:
        """Gathers, for the length of the block, the lines of user code that make layers and optimizers."""
        reader = self.optimizer_reader
        # Some of the framework's optimizers do not call the constructor of their base.
        return making_lines((self.reader.base, *reader.classes, *reader.kinds), self.library_folders)

    @abstractmethod
    def prepare(self, model: Any, *, device: str, dtype: Optional[DType], train: bool) -> None:
        """Moves `model` to `device`, casts its floating parameters and buffers, sets train or eval mode."""

    def device_of(self, model: Any) -> str:
        """Returns the device of the model's first parameter or buffer; "cpu" where it has none."""
        return next((self.device(weight) for weight in self.weights(model).values()), "cpu")

    def layers(self, model: Any) -> tuple[LayerHandle, ...]:
        """Returns the layers, parents before children, definition order, each object once."""
        return self.reader.layers(model, self.spec)

    def keep_modes(self, model: Any) -> Restore:
        """Keeps the train/eval flags of all layers."""
        # What is compiled may have none.
        modes = [(one, one.training) for one in self.reader.all_layers(model) if hasattr(one, "training")]

        def restore() -> None:
            for layer, training in modes:
                layer.training = training

        return restore

    # Weights

    def weights(self, model: Any) -> dict[str, Any]:
        """Returns full name -> tensor for every parameter and buffer, tied ones under the first name.

        A full name is the layer's first path, a dot and the weight's own name ("fc.weight"; "scale" on
        the root). Same names and order as `layers` gives.
        """
        return self.reader.weights(model)

    def empty_weights(self, model: Any) -> list[str]:
        """Returns the names of parameters and buffers that have no values yet, as lazy layers' have none."""
        return []

    def load_weights(self, model: Any, path: str) -> None:
        """Loads a state file (.pt/.pth/.safetensors; .pdparams/.safetensors), strictly.

        Nothing is unpickled beyond tensors and plain containers. Raises InvalidRequestError for a
        file that does not fit, with the first names that are missing or left over.
        """
        self.state_files.load(model, path)

    def save_weights(self, model: Any, path: str) -> None:
        """Writes the state (`state_dict`) in the format that the suffix of `path` names."""
        self.state_files.save(model, path)

    # Gradients

    @abstractmethod
    def gradient(self, weight: Any) -> Optional[Any]:
        """Returns the accumulated gradient of a parameter with every element, or None."""

    def write_gradient(self, weight: Any, value: HostTensor) -> None:
        """Makes `value`, of the parameter's shape and dtype, its accumulated gradient."""
        weight.grad = self.like(weight, value)

    def replace_gradient(self, weight: Any, value: HostTensor) -> None:
        """Makes `value` the gradient of a parameter that has one; of sparse rows those alone, or none."""
        self.write_gradient(weight, value)

    @abstractmethod
    def clear_gradients(self, model: Any) -> None:
        """Forgets all gradients (they are None afterwards where the framework has that)."""

    def scale_gradients(self, parameters: Iterable[Any], factor: float) -> None:
        """Multiplies the gradients of parameters that have one, in place where the framework has that."""
        with self.gradient_mode(False):
            for parameter in parameters:
                parameter.grad *= factor

    def clip_gradients(self, parameters: Iterable[Any], max_norm: float) -> None:
        """Scales the gradients of parameters that have one down to a total L2 norm of `max_norm`.

        As the framework's own function does it.
        """
        self.library.nn.utils.clip_grad_norm_(list(parameters), max_norm)

    # Running

    @abstractmethod
    def watch(self, layer: Any, entry: EntryHook, exit: ExitHook) -> Remove:
        """Calls `entry` before and `exit` after every call of `layer`; positional and keyword arguments.

        What they return takes the place of the arguments and of the return value.
        `exit` is not called when the layer raised.
        """

    @abstractmethod
    def random_operations(self, decisions: Decisions) -> AbstractContextManager[None]:
        """Returns a context in which `decisions` stands between the model and its random operations.

        Those that it can compute anew are given to `perform`, the generators' states that recomputation
        reads and sets to `remember` and `resume`. Where `decisions.is_thorough`, operations that pass by
        are noted, or show in one of its `generators`. Everything is as it was when the block ends.
        """

    @abstractmethod
    def functions(self, watcher: FunctionWatcher) -> AbstractContextManager[None]:
        """Returns a context in which `watcher` is told of functions, methods and operators of tensors.

        However Python reaches them: by other names, in place; autograd functions of the user's own as single
        calls. A function that the framework writes in Python is one call where the framework can tell, unless
        the watcher `is_fine`. To be entered within `random_operations`, so that what stands in for one of
        these is one call too. Gradients are bit for bit those without. Everything is as it was when the block
        ends.
        """

    def gradient_mode(self, enabled: bool) -> AbstractContextManager[None]:
        """Returns a context in which autograd records, or does not."""
        mode: AbstractContextManager[None]
        mode = self.library.enable_grad() if enabled else self.library.no_grad()
        return mode

    def records_gradients(self) -> bool:
        """Whether autograd records on this thread."""
        return bool(self.library.is_grad_enabled())

    def autocast(self, device: str, dtype: DType) -> AbstractContextManager[None]:
        """Returns a context in which the framework picks `dtype` for the operations that are safe in it.

        Raises InvalidRequestError where it has no such thing on this kind of device.
        """
        raise InvalidRequestError(f"{self.name} has no autocast; leave it out", field="autocast")

    def in_float64(self, tensors: Iterable[Any]) -> AbstractContextManager[None]:
        """Returns a context in which a model's `tensors`, and all that is made anew, are float64.

        Floating and complex ones and their gradients are widened. Behind the block these tensors are what
        they were, in the same memory, whatever happened to the wide ones, and gradients are gone.
        """
        raise InvalidRequestError(f"{self.name} runs no model in float64", field="floor")

    def is_compiling(self) -> bool:
        """Whether the framework reads the code that asks this, and does not run it."""
        return False

    # Backward

    def backward(self, loss: Any) -> None:
        loss.backward()

    def watch_backward(self, around: AroundBackward) -> Remove:
        """Runs every backward that user code calls in a context of `around`, one inside another too.

        Gradients with respect to chosen tensors alone (`autograd.grad`) are no backward. One watcher at
        a time.
        """
        owner, name = self.backward_entry
        plain = getattr(owner, name)

        def watched(*args: Any, **kwargs: Any) -> Any:
            begun_with = args[0] if args else next(iter(kwargs.values()), ())
            roots = tuple(begun_with) if isinstance(begun_with, (list, tuple)) else (begun_with,)
            with around(roots):
                return plain(*args, **kwargs)

        setattr(owner, name, watched)
        return lambda: setattr(owner, name, plain)

    @abstractmethod
    def watch_gradient(self, tensor: Any, hook: GradientHook) -> Remove:
        """Calls `hook` with the total gradient of `tensor` at its present version, at each backward.

        The gradient that it returns, if any, flows on in its place. `hook` is not called where the framework
        tells only a part of the total.
        """

    @abstractmethod
    def graph_place(self, tensor: Any) -> Optional[Hashable]:
        """Returns what made a tensor in the graph, as `graph_edges` names it; None where nothing did.

        Where a framework does not tell the results of one operation apart, they have one place.
        """

    @abstractmethod
    def graph_edges(self, outputs: Iterable[Any]) -> Iterable[Hashable]:
        """Yields the places of what each operation takes, of all that `outputs` depend on."""

    def is_extremum(self, tensor: Any) -> bool:
        """Whether backward looks for the tensor's values among those that it was made of, by equality.

        A maximum that holds other values, be it by rounding, is then nowhere, and its gradient no number.
        """
        return False

    def layers_without_backward(self, model: Any, loss: Any) -> tuple[str, ...]:
        """Returns the paths of layers through which no backward from `loss` can go, mostly none.

        Those whose operations the framework gave no backward in the mode that the layers are in.
        """
        return ()

    # Optimizers

    def is_optimizer(self, candidate: Any) -> bool:
        return isinstance(candidate, self.optimizer_reader.classes)

    @abstractmethod
    def watch_step(
        self, optimizer: Any, before: Callable[[], None], after: Callable[[], None] = nothing
    ) -> Remove:
        """Calls `before` whenever the optimizer is about to step, with the gradients that it will use.

        `after`: when it has stepped.
        """

    @abstractmethod
    def step(self, optimizer: Any) -> None:
        """One optimizer step, then clears its gradients."""

    def view_optimizer(self, optimizer: Any, weights: Mapping[str, Any]) -> OptimizerView:
        """Returns what can be seen of an optimizer now; `weights` as the verb of that name gives them.

        Learning rates are those of the next step. Before the first step there may be no state.
        """
        return self.optimizer_reader.view(optimizer, weights)

    def write_optimizer_state(
        self, optimizer: Any, weights: Mapping[str, Any], entry: OptimizerEntry, value: HostTensor
    ) -> bool:
        """Copies `value` into one state of one parameter; False where the optimizer keeps no such state.

        A parameter that has not been stepped yet gets all the state of its first step. Raises
        InvalidRequestError where shapes differ.
        """
        stepped = {entry.parameter: weights[entry.parameter]} if entry.parameter in weights else {}
        return self.optimizer_reader.view(optimizer, stepped, make_state=True).write(entry, value)
