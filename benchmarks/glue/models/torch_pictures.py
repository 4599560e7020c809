"""Torch halves of glue between layers: pictures. `#!` names the faults a line stands for."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn


class Cnn(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8)
        self.conv2, self.bn2 = nn.Conv2d(8, 16, 3), nn.BatchNorm2d(16)
        self.fc = nn.Linear(16 * 4 * 4, 10)

    def forward(self, x):
        x = x - 0.5  #! mean_shift
        x = x / 0.25  #! deviation
        y = F.relu(self.bn1(self.conv1(x)))  #! back_straight
        s = y.mean(dim=(2, 3), keepdim=True)  #! gate_max
        s = torch.sigmoid(s)  #! gate_tanh
        y = y * s  #! gate_missing back_gate
        y = F.max_pool2d(y, 2)  #! pool_average back_hook
        z = F.pad(y, (1, 1, 1, 1))  #! pad_mode
        z = self.bn2(self.conv2(z))
        both = torch.cat([y, -y], dim=1)  #! both_order both_sign
        z = z + both  #! skip_scale back_skip
        z = F.leaky_relu(z, 0.1)  #! slope
        z = F.interpolate(z, scale_factor=2, mode="bilinear", align_corners=False)  #! corners
        z = F.avg_pool2d(z, 4)  #! pool_maximum
        z = z.flatten(1)  #! flatten_order
        z = self.fc(z)
        return F.log_softmax(z, dim=-1)  #! log_missing


class Detector(nn.Module):
    """A head on one map: boxes from a grid, scores, overlaps with fixed boxes, the best of them."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.box, self.score = (
            nn.Conv2d(3, 8, 3, padding=1),
            nn.Conv2d(8, 4, 1),
            nn.Conv2d(8, 5, 1),
        )
        self.fixed = nn.Parameter(
            torch.tensor([[1.0, 1.0, 9.0, 7.0], [4.0, 2.0, 12.0, 14.0], [0.0, 6.0, 6.0, 15.0]])
        )

    def forward(self, x):
        h = F.silu(self.stem(x))  #! act
        boxes = self.box(h).flatten(2).transpose(1, 2)  #! box_order
        scores = self.score(h).flatten(2).transpose(1, 2)
        steps = torch.arange(8) + 0.5  #! centre
        rows, columns = torch.meshgrid(steps, steps, indexing="ij")  #! grid_order
        centres = torch.stack([columns, rows], dim=-1).reshape(-1, 2)  #! centre_swap
        centres = centres * 2.0  #! stride
        middle = centres + torch.tanh(boxes[..., :2])  #! middle_sign back_middle
        size = boxes[..., 2:].exp() * 4.0  #! size_scale
        low, high = middle - size / 2, middle + size / 2  #! half
        corners = torch.cat([low, high], dim=-1).clamp(0, 16)  #! clamp
        fixed = self.fixed
        top = torch.maximum(corners[:, :, None, :2], fixed[:, :2])  #! inner_maximum
        bottom = torch.minimum(corners[:, :, None, 2:], fixed[:, 2:])
        inner = (bottom - top).clamp(min=0).prod(-1)
        area = (corners[..., 2:] - corners[..., :2]).prod(-1)
        own = (fixed[:, 2:] - fixed[:, :2]).prod(-1)
        union = area[..., None] + own - inner  #! union
        overlap = inner / (union + 1e-6)
        best = overlap.amax(-1)  #! best_mean back_overlap
        sure = scores.sigmoid() * best[..., None]  #! sure_softmax
        return corners, sure
