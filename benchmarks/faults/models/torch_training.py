"""Losses, optimizers and a training step of the references."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn, optim
from torch.nn import functional as F


def classify(scores: Tensor, labels: Tensor) -> Tensor:
    return F.cross_entropy(scores.flatten(0, -2), labels.flatten())


def segment(logits: Tensor, wanted: Tensor) -> Tensor:
    """Binary cross-entropy, and how little the shapes overlap."""
    wanted = wanted.to(logits.dtype)
    shares = torch.sigmoid(logits)
    overlap = (2 * (shares * wanted).sum((2, 3)) + 1) / (shares.sum((2, 3)) + wanted.sum((2, 3)) + 1)
    return F.binary_cross_entropy_with_logits(logits, wanted) + (1 - overlap.mean())


def detect(made: tuple[Tensor, Tensor], wanted: Tensor) -> Tensor:
    """A focal loss of the scores [n, places, 4], and a smooth L1 distance of the boxes from `wanted`."""
    scores, boxes = made
    is_there = (wanted[..., :1] > 20).to(scores.dtype).expand_as(scores)
    plain = F.binary_cross_entropy_with_logits(scores, is_there, reduction="none")
    chance = torch.sigmoid(scores)
    agreed = chance * is_there + (1 - chance) * (1 - is_there)
    share = 0.25 * is_there + 0.75 * (1 - is_there)
    return (share * (1 - agreed) ** 2 * plain).mean() + 0.05 * F.smooth_l1_loss(boxes, wanted.to(boxes.dtype))


def adamw(model: nn.Module) -> Any:
    return optim.AdamW(model.parameters(), lr=1e-3, weight_decay=0.01)


def adam(model: nn.Module) -> Any:
    return optim.Adam(model.parameters(), lr=1e-3, weight_decay=0.01)


def momentum(model: nn.Module) -> Any:
    return optim.SGD(model.parameters(), lr=0.01, momentum=0.9, weight_decay=1e-4, nesterov=True)


def adagrad(model: nn.Module) -> Any:
    return optim.Adagrad(model.parameters(), lr=0.01, eps=1e-6, initial_accumulator_value=0.1)


def decaying(model: nn.Module) -> Any:
    return optim.lr_scheduler.StepLR(momentum(model), 1, 0.5)


def step(model: nn.Module, batch: Any, optimizer: Any) -> Tensor:
    images, labels = batch
    loss = classify(model(images), labels)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    return loss
