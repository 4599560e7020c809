"""Losses, optimizers and a training step of the candidates: attributes of two objects that faults change."""

from __future__ import annotations

from typing import Any, Optional

from paddle import Tensor, nn, optimizer
from paddle.nn import functional as F


class Loss:
    """Settings and parts of the losses.

    Attributes:
        smoothing: of labels.
        ignored: a label that does not count.
        smooth: what is added above and below the overlap's fraction bar.
        gamma, alpha: of the focal loss.
        beta: where the smooth L1 distance turns linear.
        box_weight: of the boxes' distance.
    """

    smoothing, ignored, reduction = 0.0, -100, "mean"
    smooth, gamma, alpha, beta, box_weight = 1.0, 2.0, 0.25, 1.0, 0.05

    def logits(self, scores: Tensor) -> Tensor:
        return scores

    def classify(self, scores: Tensor, labels: Tensor) -> Tensor:
        scores, labels = self.logits(scores).flatten(0, -2), labels.flatten()
        return F.cross_entropy(
            scores,
            labels,
            ignore_index=self.ignored,
            reduction=self.reduction,
            label_smoothing=self.smoothing,
        )

    def overlap(self, shares: Tensor, wanted: Tensor) -> Tensor:
        common = 2 * (shares * wanted).sum([2, 3]) + self.smooth
        return common / (shares.sum([2, 3]) + wanted.sum([2, 3]) + self.smooth)

    def segment(self, logits: Tensor, wanted: Tensor) -> Tensor:
        wanted = wanted.astype(logits.dtype)
        overlap = self.overlap(F.sigmoid(logits), wanted)
        return F.binary_cross_entropy_with_logits(logits, wanted) + (1 - overlap.mean())

    def focal(self, scores: Tensor, is_there: Tensor) -> Tensor:
        plain = F.binary_cross_entropy_with_logits(scores, is_there, reduction="none")
        chance = F.sigmoid(scores)
        agreed = chance * is_there + (1 - chance) * (1 - is_there)
        share = self.alpha * is_there + (1 - self.alpha) * (1 - is_there)
        return (share * (1 - agreed) ** self.gamma * plain).mean()

    def detect(self, made: tuple[Tensor, Tensor], wanted: Tensor) -> Tensor:
        scores, boxes = made
        is_there = (wanted[..., :1] > 20).astype(scores.dtype).expand_as(scores)
        apart = F.smooth_l1_loss(boxes, wanted.astype(boxes.dtype), delta=self.beta)
        return self.focal(scores, is_there) + self.box_weight * apart


class Optimizer:
    """Settings of the optimizers.

    Attributes:
        left_out: part of the names of parameters that the optimizer is not given.
        slow: part of the names of parameters that get a tenth of the rate.
        undecayed: part of the names of parameters that do not decay.
        waits: steps before the schedule begins.
        clears: whether a training step clears gradients.
    """

    rate, momentum_rate, momentum, nesterov = 1e-3, 0.01, 0.9, True
    beta1, beta2, epsilon, decay, l2 = 0.9, 0.999, 1e-8, 0.01, 1e-4
    adagrad_rate, adagrad_epsilon, accumulated = 0.01, 1e-6, 0.1
    factor, waits, clears = 0.5, 0, True
    left_out: Optional[str] = None
    slow: Optional[str] = None
    undecayed: Optional[str] = None
    clip: Optional[float] = None
    is_coupled = False

    def common(self, model: nn.Layer) -> dict[str, Any]:
        for name, parameter in model.named_parameters():
            if self.slow is not None and self.slow in name:
                parameter.optimize_attr["learning_rate"] = 0.1
        kept = [
            parameter
            for name, parameter in model.named_parameters()
            if self.left_out is None or self.left_out not in name
        ]
        return {"parameters": kept, "grad_clip": self.clip and nn.ClipGradByGlobalNorm(self.clip)}

    def adamw(self, model: nn.Layer) -> Any:
        names = {parameter.name: name for name, parameter in model.named_parameters()}
        undecayed = self.undecayed
        decays = None if undecayed is None else lambda name: undecayed not in names[name]
        given = self.common(model)
        betas = (self.beta1, self.beta2, self.epsilon)
        if self.is_coupled:
            return optimizer.Adam(self.rate, *betas, weight_decay=self.decay, **given)
        return optimizer.AdamW(
            self.rate, *betas, weight_decay=self.decay, apply_decay_param_fun=decays, **given
        )

    def adam(self, model: nn.Layer) -> Any:
        betas = (self.beta1, self.beta2, self.epsilon)
        return optimizer.Adam(self.rate, *betas, weight_decay=self.decay, **self.common(model))

    def sgd(self, model: nn.Layer, rate: Any) -> Any:
        given = {"use_nesterov": self.nesterov, "weight_decay": self.l2, **self.common(model)}
        return optimizer.Momentum(rate, self.momentum, **given)

    def adagrad(self, model: nn.Layer) -> Any:
        given = {"initial_accumulator_value": self.accumulated, **self.common(model)}
        return optimizer.Adagrad(self.adagrad_rate, self.adagrad_epsilon, **given)

    def schedule(self) -> Any:
        return optimizer.lr.LambdaDecay(
            self.momentum_rate, lambda step: self.factor ** max(step - self.waits, 0)
        )


LOSS, OPTIMIZER = Loss(), Optimizer()


def classify(scores: Tensor, labels: Tensor) -> Tensor:
    return LOSS.classify(scores, labels)


def segment(logits: Tensor, wanted: Tensor) -> Tensor:
    return LOSS.segment(logits, wanted)


def detect(made: tuple[Tensor, Tensor], wanted: Tensor) -> Tensor:
    return LOSS.detect(made, wanted)


def adamw(model: nn.Layer) -> Any:
    return OPTIMIZER.adamw(model)


def adam(model: nn.Layer) -> Any:
    return OPTIMIZER.adam(model)


def momentum(model: nn.Layer) -> Any:
    return OPTIMIZER.sgd(model, OPTIMIZER.momentum_rate)


def adagrad(model: nn.Layer) -> Any:
    return OPTIMIZER.adagrad(model)


def decaying(model: nn.Layer) -> Any:
    return OPTIMIZER.sgd(model, OPTIMIZER.schedule())


def step(model: nn.Layer, batch: Any, stepped: Any) -> Tensor:
    images, labels = batch
    loss = LOSS.classify(model(images), labels)
    if OPTIMIZER.clears:
        stepped.clear_grad()
    loss.backward()
    stepped.step()
    return loss
