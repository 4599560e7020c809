"""Layers as tests write them, in their framework's words, made what a worker says of them."""

from __future__ import annotations

from collections.abc import Sequence

from fake_vocabulary import VOCABULARY as FAKE

from padiff_rpc import trees
from padiff_rpc.v1.records import Layer
from padiff_worker.layer_tree import LayerHandle
from padiff_worker_paddle.vocabulary import VOCABULARY as PADDLE
from padiff_worker_torch.vocabulary import VOCABULARY as TORCH


def translated(layers: Sequence[Layer]) -> tuple[Layer, ...]:
    """Returns one model's layers as the worker of their framework would say them, by their classes."""
    handles = [
        LayerHandle(
            paths=(layer.path, *layer.aliases),
            layer=None,
            classes=layer.classes,
            hyper_parameters=trees.unpack_map(layer.hyper_parameters),
            weights=layer.weights,
            opaque=layer.opaque,
            training=layer.training,
        )
        for layer in layers
    ]
    classes = [name for layer in layers for name in layer.classes]
    spoken = next((one for one in (TORCH, PADDLE, FAKE) if any(map(one.own_classes.match, classes))), FAKE)
    return spoken.translated(handles)
