"""The verbs that a framework must offer; `padiff_worker_torch` and `padiff_worker_paddle` implement them.

Everything that needs no framework lives outside: nesting, call numbering, naming, streaming, loading by
reference. `conformance` holds the tests that every adapter passes.

Tensors, layers and optimizers are the framework's own objects, opaque here (`Any`). Every verb is called
on the model's thread (the process's main thread) unless it says otherwise.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Hashable, Iterable, Mapping
from contextlib import AbstractContextManager
from typing import Any, Optional, Protocol

from padiff_rpc.tensors import Array, HostTensor
from padiff_rpc.v1.records import OptimizerEntry, TensorSpec
from padiff_rpc.v1.words import DType
from padiff_worker.layer_tree import LayerHandle, LayerReader
from padiff_worker.optimizers import OptimizerView
from padiff_worker.randomness import Decisions
from padiff_worker.vocabulary import Vocabulary

# Called at entry of a layer's call with (args, kwargs), both as the layer receives them; returns what the
# layer is to receive instead, or None.
EntryHook = Callable[[tuple[Any, ...], Mapping[str, Any]], Optional[tuple[tuple[Any, ...], dict[str, Any]]]]
# Called at exit with the layer's return value; returns what takes its place, or None.
ExitHook = Callable[[Any], Optional[Any]]
# Undoes what a verb attached; may be called twice.
Remove = Callable[[], None]
# Called with a tensor's total gradient; on a GPU, Torch calls it on its own autograd thread. Returns the
# gradient that goes on in its place, or None.
GradientHook = Callable[[Any], Optional[Any]]


class FrameworkAdapter(Protocol):
    """One framework, as small verbs without policy: abstract ones, and those that are alike in frameworks."""

    # "torch" or "paddle".
    name: str
    # Folders of the framework's own layers and call machinery: a frame in one of them is not the
    # user's line.
    library_folders: tuple[str, ...]
    # What it calls things.
    vocabulary: Vocabulary
    # Its package, for `__version__`, `enable_grad` and `no_grad`.
    library: Any
    # How its models are walked.
    reader: LayerReader
    # What can be given as an optimizer.
    optimizer_classes: tuple[type, ...]
    # An object and the attribute of it in which every backward looks the engine up at each call.
    backward_entry: tuple[Any, str]

    def version(self) -> str:
        """Returns the framework's version."""
        return str(self.library.__version__)

    @abstractmethod
    def devices(self) -> tuple[str, ...]:
        """Returns the usable devices as the framework names them; "cpu" is always among them."""
        ...

    @abstractmethod
    def configure(self, *, device: str, seed: int, deterministic: bool, threads: int) -> tuple[str, ...]:
        """Sets default device, global seeds, determinism and threads (0: as they are).

        Returns what was set, for the report: "deterministic=on", "threads=1". Raises
        InvalidRequestError for a device that is not usable, listing those that are.
        """
        ...

    @abstractmethod
    def seed(self, seed: int) -> None:
        """Seeds the framework's random generators, every device's among them."""
        ...

    @abstractmethod
    def random_state(self) -> Any:
        """Returns the state of the framework's generators (host and devices), for `set_random_state`."""
        ...

    @abstractmethod
    def set_random_state(self, state: Any) -> None: ...

    # Models

    def is_model(self, candidate: Any) -> bool:
        return isinstance(candidate, self.reader.base)

    @abstractmethod
    def prepare(self, model: Any, *, device: str, dtype: Optional[DType], train: bool) -> None:
        """Moves `model` to `device`, casts its floating parameters and buffers, sets train or eval mode."""
        ...

    @abstractmethod
    def device_of(self, model: Any) -> str:
        """Returns the device of the model's first parameter or buffer; "cpu" where it has none."""
        ...

    def layers(self, model: Any) -> tuple[LayerHandle, ...]:
        """Returns the layers, parents before children, definition order, each object once."""
        return self.reader.layers(model)

    def weights(self, model: Any) -> dict[str, Any]:
        """Returns full name -> tensor for every parameter and buffer, tied ones under the first name.

        A full name is the layer's first path, a dot and the weight's own name ("fc.weight"; "scale" on
        the root). Same names and order as `layers` gives.
        """
        return self.reader.weights(model)

    @abstractmethod
    def empty_weights(self, model: Any) -> list[str]:
        """Returns the names of parameters and buffers that have no values yet, as lazy layers' have none."""
        ...

    @abstractmethod
    def write_weight(self, tensor: Any, value: HostTensor) -> None:
        """Copies `value` (same shape; dtype is cast) into a parameter or buffer, without autograd."""
        ...

    @abstractmethod
    def load_weights(self, model: Any, path: str) -> None:
        """Loads a state file (.pt/.pth/.safetensors; .pdparams/.safetensors), strictly.

        Nothing is unpickled beyond tensors and plain containers. Raises InvalidRequestError for a
        file that does not fit, with the first names that are missing or left over.
        """
        ...

    @abstractmethod
    def save_weights(self, model: Any, path: str) -> None:
        """Writes the state (`state_dict`) in the format that the suffix of `path` names."""
        ...

    @abstractmethod
    def gradient(self, weight: Any) -> Optional[Any]:
        """Returns the accumulated gradient of a parameter, or None."""
        ...

    def write_gradient(self, weight: Any, value: HostTensor) -> None:
        """Makes `value`, of the parameter's shape and dtype, its accumulated gradient."""
        weight.grad = self.like(weight, value)

    @abstractmethod
    def clear_gradients(self, model: Any) -> None:
        """Forgets all gradients (they are None afterwards where the framework has that)."""
        ...

    @abstractmethod
    def modes(self, model: Any) -> Any:
        """Returns the train/eval flags of all layers, for `set_modes`."""
        ...

    @abstractmethod
    def set_modes(self, model: Any, modes: Any) -> None: ...

    # Tensors

    @abstractmethod
    def is_tensor(self, candidate: Any) -> bool: ...

    @abstractmethod
    def identity(self, tensor: Any) -> Hashable:
        """Returns what two tensors share exactly if they are one tensor at one version.

        The object, its storage and its in-place version: a view, or the same object after an in-place
        operation, differs. Valid only while the tensor object is alive.
        """
        ...

    @abstractmethod
    def spec(self, tensor: Any) -> TensorSpec:
        """Returns dtype and shape, without touching the bytes."""
        ...

    @abstractmethod
    def host_copy(self, tensor: Any) -> HostTensor:
        """Returns a copy of the bytes as they are now (never an alias of live memory)."""
        ...

    @abstractmethod
    def from_host(self, value: HostTensor, *, device: str, requires_grad: bool) -> Any:
        """Returns a leaf tensor on `device` with a copy of `value`.

        Raises InvalidRequestError for a dtype that the framework does not have, and for
        requires_grad on one that cannot have gradients.
        """
        ...

    @abstractmethod
    def memory(self, tensor: Any) -> Hashable:
        """Returns what a tensor and its views share: the block of memory that they lie in."""
        ...

    @abstractmethod
    def footprint(self, tensor: Any) -> Array:
        """Returns where its elements lie, as `padiff_worker.footprints` has it; valid while it is alive."""
        ...

    def alias(self, tensor: Any) -> Any:
        """Returns another tensor over the same elements and with the same version, in no graph."""
        return tensor.detach()

    @abstractmethod
    def overwrite(self, tensor: Any, value: HostTensor) -> bool:
        """Replaces the bytes of `tensor`, views of it included; version and graph stay as they are.

        So what autograd saved of it is replaced as well, and its gradient flows as before. `value` has
        its dtype and shape. Returns False, and changes nothing, where elements share memory, or where the
        framework would lay the tensor out anew.
        """
        ...

    @abstractmethod
    def pass_through(self, tensor: Any, value: HostTensor) -> Any:
        """Returns a new tensor of exactly `value`, on the same device, whose gradient goes to `tensor`.

        `value` has its dtype and shape. Without a graph the new tensor has none either.
        """
        ...

    @abstractmethod
    def like(self, tensor: Any, value: HostTensor) -> Any:
        """Returns a tensor of `value` on the device of `tensor`, in no graph."""
        ...

    @abstractmethod
    def requires_gradient(self, tensor: Any) -> bool:
        """Whether a gradient can flow to this tensor now (floating or complex, and part of a graph)."""
        ...

    @abstractmethod
    def branch(self, tensor: Any) -> Any:
        """Returns another tensor over the same elements, whose gradient goes on to `tensor`."""
        ...

    @abstractmethod
    def graph_place(self, tensor: Any) -> Optional[Hashable]:
        """Returns what made a tensor in the graph, as `graph_edges` names it; None where nothing did.

        Where a framework does not tell the results of one operation apart, they have one place.
        """
        ...

    @abstractmethod
    def graph_edges(self, outputs: Iterable[Any]) -> Iterable[Hashable]:
        """Yields the places of what each operation takes, of all that `outputs` depend on."""
        ...

    @abstractmethod
    def layers_without_backward(self, model: Any, loss: Any) -> tuple[str, ...]:
        """Returns the paths of layers through which no backward from `loss` can go, mostly none.

        Those whose operations the framework gave no backward in the mode that the layers are in.
        """
        ...

    # Running

    @abstractmethod
    def watch(self, layer: Any, entry: EntryHook, exit: ExitHook) -> Remove:
        """Calls `entry` before and `exit` after every call of `layer`; positional and keyword arguments.

        What they return takes the place of the arguments and of the return value.
        `exit` is not called when the layer raised.
        """
        ...

    @abstractmethod
    def watch_gradient(self, tensor: Any, hook: GradientHook) -> Remove:
        """Calls `hook` with the total gradient of `tensor` at its present version, at each backward.

        The gradient that it returns, if any, flows on in its place. `hook` is not called where the framework
        tells only a part of the total.
        """
        ...

    @abstractmethod
    def random_operations(self, decisions: Decisions) -> AbstractContextManager[None]:
        """Returns a context in which `decisions` stands between the model and its random operations.

        Those that it can compute anew are given to `perform`, the generators' states that recomputation
        reads and sets to `remember` and `resume`. Where `decisions.is_thorough`, operations that pass by
        are noted, or show in one of its `generators`. Everything is as it was when the block ends.
        """
        ...

    def gradient_mode(self, enabled: bool) -> AbstractContextManager[None]:
        """Returns a context in which autograd records, or does not."""
        mode: AbstractContextManager[None]
        mode = self.library.enable_grad() if enabled else self.library.no_grad()
        return mode

    @abstractmethod
    def projection_loss(self, outputs: Iterable[tuple[Any, HostTensor]]) -> Any:
        """Returns the scalar sum over `outputs` of sum(output * weights) / sqrt(n), n the output's size.

        Outputs are floating or complex (then real and imaginary parts are both projected); float16 and
        bfloat16 are computed in float32. Weights are float32, of the output's shape.
        """
        ...

    @abstractmethod
    def mean_loss(self, outputs: Iterable[Any]) -> Any:
        """Returns the mean of the float32 means of `outputs` (the older tool's default loss)."""
        ...

    def backward(self, loss: Any) -> None:
        loss.backward()

    def watch_backward(self, around: Callable[[], AbstractContextManager[None]]) -> Remove:
        """Runs every backward that user code calls in a context of `around`, one inside another too.

        Gradients with respect to chosen tensors alone (`autograd.grad`) are no backward. One watcher at
        a time.
        """
        owner, name = self.backward_entry
        plain = getattr(owner, name)

        def watched(*args: Any, **kwargs: Any) -> Any:
            with around():
                return plain(*args, **kwargs)

        setattr(owner, name, watched)
        return lambda: setattr(owner, name, plain)

    @abstractmethod
    def autocast(self, device: str, dtype: DType) -> AbstractContextManager[None]:
        """Returns a context in which the framework picks `dtype` for the operations that are safe in it.

        Raises InvalidRequestError where it has no such thing on this kind of device.
        """
        ...

    @abstractmethod
    def scale_gradients(self, parameters: Iterable[Any], factor: float) -> None:
        """Multiplies the gradients of parameters that have one, in place."""
        ...

    @abstractmethod
    def clip_gradients(self, parameters: Iterable[Any], max_norm: float) -> None:
        """Scales the gradients of parameters that have one down to a total L2 norm of `max_norm`.

        As the framework's own function does it.
        """
        ...

    def is_optimizer(self, candidate: Any) -> bool:
        return isinstance(candidate, self.optimizer_classes)

    @abstractmethod
    def watch_step(self, optimizer: Any, before: Callable[[], None]) -> Remove:
        """Calls `before` whenever the optimizer is about to step, with the gradients that it will use."""
        ...

    @abstractmethod
    def step(self, optimizer: Any) -> None:
        """One optimizer step, then clears its gradients."""
        ...

    @abstractmethod
    def view_optimizer(self, optimizer: Any, weights: Mapping[str, Any]) -> OptimizerView:
        """Returns what can be seen of an optimizer now; `weights` as the verb of that name gives them.

        Learning rates are those of the next step. Before the first step there may be no state.
        """
        ...

    @abstractmethod
    def write_optimizer_state(
        self, optimizer: Any, weights: Mapping[str, Any], entry: OptimizerEntry, value: HostTensor
    ) -> bool:
        """Copies `value` into one state of one parameter; False where the optimizer keeps no such state.

        A parameter that has not been stepped yet gets all the state of its first step. Raises
        InvalidRequestError where shapes differ.
        """
        ...

    @abstractmethod
    def keep_optimizer(self, optimizer: Any) -> Any:
        """Returns a copy of what the optimizer keeps between steps, for `restore_optimizer`.

        A learning-rate scheduler that belongs to it is part of that; parameters and gradients are not.
        """
        ...

    @abstractmethod
    def restore_optimizer(self, optimizer: Any, kept: Any) -> None:
        """Makes the optimizer's state what `keep_optimizer` copied; what it began to keep since is dropped.

        To be called once for each copy, which may become part of the optimizer.
        """
        ...

    @abstractmethod
    def synchronize(self) -> None:
        """Waits for the device, so that wall times mean something."""
        ...

    @abstractmethod
    def release_memory(self) -> None:
        """Gives back to the device what the framework holds ready of dropped tensors' memory."""
        ...
