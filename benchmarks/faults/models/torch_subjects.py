"""The references by name, with weights as drawn by their layers or as training leaves them."""

from __future__ import annotations

import math
from typing import Any

import torch
import torch_images
import torch_numbers
import torch_sequences
from torch import nn
from torch_mobile import mobilenet_v2
from torch_model import build as resnet50

# What examples build has weights of its own already.
BUILT = {"resnet50": lambda: resnet50(10), "mobilenet": mobilenet_v2}
CLASSES: dict[str, Any] = {
    "cnn": torch_images.Cnn,
    "unet": torch_images.Unet,
    "detector": torch_images.Detector,
    "encoder": torch_sequences.Encoder,
    "decoder": torch_sequences.Decoder,
    "vit": torch_sequences.Vit,
    "lstm": torch_sequences.Lstm,
    "reduction": torch_numbers.Reduction,
    "ties": torch_numbers.Ties,
    "decisions": torch_numbers.Decisions,
}


def build(name: str, weights: str = "trained", **settings: Any) -> nn.Module:
    """Returns the reference `name`; `weights` are "random" or "trained"."""
    if name not in BUILT:
        model = CLASSES[name](**settings)
        return trained(model) if weights == "trained" else model
    model = BUILT[name]()
    if weights == "random":
        for layer in model.modules():
            if hasattr(layer, "reset_parameters"):
                layer.reset_parameters()
    return model


def on_other_kernels(name: str, **settings: Any) -> nn.Module:
    """Returns the same model for a process that computes without oneDNN, so that sums have another order."""
    torch.backends.mkldnn.enabled = False
    return build(name, **settings)


def trained(model: nn.Module) -> nn.Module:
    """Returns the model with weights whose size differs by channel, and norms that are no identities."""
    for layer in model.modules():
        for name, parameter in layer.named_parameters(recurse=False):
            if isinstance(layer, nn.Embedding):
                continue
            if parameter.ndim == 1 and "weight" in name:
                nn.init.uniform_(parameter, 0.5, 1.5)
            elif parameter.ndim == 1:
                nn.init.normal_(parameter, std=0.1)
            else:
                fan = math.prod(parameter.shape[1:])
                nn.init.normal_(parameter, std=math.sqrt(1.5 / fan) if fan else 0.1)
                sizes = torch.empty(len(parameter)).log_normal_(0.0, 0.4)
                parameter.data.mul_(sizes.view(-1, *[1] * (parameter.ndim - 1)))
        if isinstance(layer, nn.BatchNorm2d):
            nn.init.normal_(layer.running_mean, std=0.3)
            nn.init.uniform_(layer.running_var, 0.3, 2.0)
    return model
