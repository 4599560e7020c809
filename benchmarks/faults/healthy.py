"""The healthy pairs: every setting in which a pair that computes the same must pass."""

from __future__ import annotations

from dataclasses import dataclass

from benchmarks.faults.subjects import FAULTED, SUBJECTS, Setting

ROUNDS = 3


@dataclass(frozen=True)
class Healthy:
    """A setting, compared so often with nothing planted."""

    setting: Setting

    @property
    def id(self) -> str:
        return f"{self.setting.subject}: {self.setting}"


LARGE = ("resnet50", "mobilenet")
OF_IMAGES = ("cnn", "unet", "vit")
SETTINGS = (
    *(Setting(name, train=train) for name in FAULTED for train in (False, True)),
    *(Setting(name, train=train, weights="random") for name in FAULTED for train in (False, True)),
    *(Setting(name, train=train, dtype="float64") for name in FAULTED for train in (False, True)),
    # Paddle has hardly any kernels for halves on CPUs.
    *(
        Setting(name, train=train, dtype="bfloat16", candidate="torch")
        for name in FAULTED
        if name not in LARGE
        for train in (False, True)
    ),
    *(Setting(name, scale=scale) for name in OF_IMAGES for scale in (1e-6, 1e-3, 1e3, 1e6)),
    # Paddle's SiLU has no finite gradient below -87, so that larger inputs make no healthy pair.
    *(Setting("detector", scale=scale) for scale in (1e-6, 1e-3)),
    *(Setting(name, train=name == "mobilenet", batch=2, scale=1e-4) for name in LARGE),
    *(Setting(name, train=True, batch=8) for name in FAULTED if name not in LARGE),
    *(Setting(name, train=False, batch=1) for name in FAULTED),
    *(Setting(name, train=True, optimizer="adamw", steps=3) for name in FAULTED),
    *(Setting(name, train=True, optimizer="momentum", steps=3) for name in ("cnn", "unet", "mobilenet")),
    Setting("encoder", train=True, optimizer="adam", steps=3),
    Setting("decoder", train=True, optimizer="adagrad", steps=3),
    Setting("vit", train=True, optimizer="decaying", steps=3),
    Setting("vit", train=True, optimizer="adamw", steps=3, own_step=True),
    Setting("cnn", train=True, optimizer="momentum", steps=3, own_step=True),
    *(Setting(name) for name in SUBJECTS if name.startswith("reduction")),
    *(Setting(name, seed=seed) for name in SUBJECTS if name.startswith("ties") for seed in (1, 2, 3)),
)
HEALTHY: tuple[Healthy, ...] = tuple(Healthy(setting) for setting in dict.fromkeys(SETTINGS))
