"""The reference: a ResNet-50 in plain Torch, with names of its own."""

from __future__ import annotations

from torch import Tensor, nn

# Blocks, width inside a block, stride of the first block.
STAGES = ((3, 64, 1), (4, 128, 2), (6, 256, 2), (3, 512, 2))
EXPANSION = 4


class Bottleneck(nn.Module):
    """Three convolutions around a shortcut."""

    def __init__(self, channels: int, width: int, stride: int) -> None:
        super().__init__()
        wide = width * EXPANSION
        self.reduce = nn.Conv2d(channels, width, 1, bias=False)
        self.reduce_norm = nn.BatchNorm2d(width)
        self.spatial = nn.Conv2d(width, width, 3, stride=stride, padding=1, bias=False)
        self.spatial_norm = nn.BatchNorm2d(width)
        self.expand = nn.Conv2d(width, wide, 1, bias=False)
        self.expand_norm = nn.BatchNorm2d(wide)
        self.activation = nn.ReLU(inplace=True)
        self.shortcut = None
        if stride != 1 or channels != wide:
            self.shortcut = nn.Sequential(
                nn.Conv2d(channels, wide, 1, stride=stride, bias=False), nn.BatchNorm2d(wide)
            )

    def forward(self, x: Tensor) -> Tensor:
        shortcut = x if self.shortcut is None else self.shortcut(x)
        x = self.activation(self.reduce_norm(self.reduce(x)))
        x = self.activation(self.spatial_norm(self.spatial(x)))
        x = self.expand_norm(self.expand(x))
        return self.activation(x + shortcut)


class ResNet50(nn.Module):
    """Maps images [n, 3, h, w] to class scores [n, classes]."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 64, 7, stride=2, padding=3, bias=False)
        self.stem_norm = nn.BatchNorm2d(64)
        self.activation = nn.ReLU(inplace=True)
        self.pool = nn.MaxPool2d(3, stride=2, padding=1)
        channels = 64
        for number, (blocks, width, stride) in enumerate(STAGES, start=1):
            stage = []
            for block in range(blocks):
                stage.append(Bottleneck(channels, width, stride if block == 0 else 1))
                channels = width * EXPANSION
            setattr(self, f"stage{number}", nn.Sequential(*stage))
        self.average = nn.AdaptiveAvgPool2d(1)
        self.classifier = nn.Linear(channels, classes)

    def forward(self, images: Tensor) -> Tensor:
        x = self.pool(self.activation(self.stem_norm(self.stem(images))))
        for number in range(1, len(STAGES) + 1):
            x = getattr(self, f"stage{number}")(x)
        return self.classifier(self.average(x).flatten(1))


def build(classes: int = 1000) -> nn.Module:
    """Returns a ResNet-50 with random weights that keep activations and gradients of ordinary size.

    Running statistics are drawn too, so that a port which mixes them up is noticed.
    """
    model = ResNet50(classes)
    for layer in model.modules():
        if isinstance(layer, nn.Conv2d):
            nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")
        elif isinstance(layer, nn.BatchNorm2d):
            nn.init.normal_(layer.running_mean, std=0.1)
            nn.init.uniform_(layer.running_var, 0.5, 1.5)
            nn.init.uniform_(layer.weight, 0.8, 1.2)
            nn.init.normal_(layer.bias, std=0.1)
    for layer in model.modules():
        if isinstance(layer, Bottleneck):
            # Sixteen sums of equal parts would grow activations 256 times.
            nn.init.uniform_(layer.expand_norm.weight, 0.3, 0.5)
    return model
