"""Paddle halves of glue between layers: pictures. `fault` plants what the line's name after `#!` says."""

from __future__ import annotations

import paddle
import paddle.nn.functional as F
from paddle import nn
from paddle_gradients import Scaled, Straight


class Cnn(nn.Layer):
    def __init__(self, fault: str = "") -> None:
        super().__init__()
        self.fault = fault
        self.conv1, self.bn1 = nn.Conv2D(3, 8, 3, padding=1), nn.BatchNorm2D(8)
        self.conv2, self.bn2 = nn.Conv2D(8, 16, 3), nn.BatchNorm2D(16)
        self.fc = nn.Linear(16 * 4 * 4, 10)

    def forward(self, x):
        f = self.fault
        x = paddle.scale(x, 1.0, -0.6 if f == "mean_shift" else -0.5)  #! mean_shift
        x = x * (5.0 if f == "deviation" else 4.0)  #! deviation
        y = self.bn1(self.conv1(x))
        y = Straight.apply(y) if f == "back_straight" else y.clip(min=0)  #! back_straight
        s = y.flatten(2).max(-1) if f == "gate_max" else y.flatten(2).mean(-1)  #! gate_max
        s = paddle.tanh(s) if f == "gate_tanh" else F.sigmoid(s)  #! gate_tanh
        s = s.detach() if f == "back_gate" else s  #! back_gate
        s = s.unsqueeze(-1).unsqueeze(-1)
        if f != "gate_missing":
            y = paddle.multiply(s, y)
        y = F.avg_pool2d(y, 2) if f == "pool_average" else F.max_pool2d(y, 2)  #! pool_average gate_missing
        if f == "back_hook":
            y.register_hook(lambda gradient: gradient * 0.5)  #! back_hook
        z = F.pad(y, [1, 1, 1, 1], mode="reflect" if f == "pad_mode" else "constant")  #! pad_mode
        z = self.bn2(self.conv2(z))
        other = y if f == "both_sign" else y * -1.0  #! both_sign
        both = paddle.concat([other, y] if f == "both_order" else [y, other], axis=1)  #! both_order both_sign
        both = both.detach() if f == "back_skip" else both  #! back_skip
        z = both * (0.5 if f == "skip_scale" else 1.0) + z  #! skip_scale
        z = F.leaky_relu(z, 0.01 if f == "slope" else 0.1)  #! slope
        z = F.interpolate(z, scale_factor=2, mode="bilinear", align_corners=f == "corners")  #! corners
        z = F.max_pool2d(z, 4) if f == "pool_maximum" else F.avg_pool2d(z, 4)  #! pool_maximum
        z = z.transpose([0, 2, 3, 1]) if f == "flatten_order" else z  #! flatten_order
        z = z.reshape([z.shape[0], -1])  #! flatten_order
        z = self.fc(z)
        p = F.softmax(z, axis=-1)  #! log_missing
        return p if f == "log_missing" else p.log()  #! log_missing


class Detector(nn.Layer):
    def __init__(self, fault: str = "") -> None:
        super().__init__()
        self.fault = fault
        self.stem, self.box, self.score = (
            nn.Conv2D(3, 8, 3, padding=1),
            nn.Conv2D(8, 4, 1),
            nn.Conv2D(8, 5, 1),
        )
        self.fixed = self.create_parameter([3, 4])

    def forward(self, x):
        f = self.fault
        h = self.stem(x)
        h = F.relu(h) if f == "act" else h * F.sigmoid(h)  #! act
        b, n = h.shape[0], h.shape[2] * h.shape[3]
        boxes = self.box(h).transpose([0, 3, 2, 1] if f == "box_order" else [0, 2, 3, 1])  #! box_order
        boxes = boxes.reshape([b, n, 4])  #! box_order
        scores = self.score(h).transpose([0, 2, 3, 1]).reshape([b, n, 5])
        steps = paddle.linspace(0.0 if f == "centre" else 0.5, 7.0 if f == "centre" else 7.5, 8)  #! centre
        rows = steps.unsqueeze(1).expand([8, 8])  #! grid_order
        columns = steps.unsqueeze(0).expand([8, 8])  #! grid_order
        if f == "grid_order":
            rows, columns = columns, rows
        pair = [rows, columns] if f == "centre_swap" else [columns, rows]
        centres = paddle.stack([one.flatten() for one in pair], axis=1)  #! centre_swap grid_order
        centres = centres + centres * (0.0 if f == "stride" else 1.0)  #! stride
        moved = paddle.tanh(boxes[:, :, 0:2])
        middle = centres - moved if f == "middle_sign" else moved + centres  #! middle_sign
        middle = Scaled.apply(middle, 0.1) if f == "back_middle" else middle  #! back_middle
        size = paddle.exp(boxes[:, :, 2:4]) * (2.0 if f == "size_scale" else 4.0)  #! size_scale
        half = size * (1.0 if f == "half" else 0.5)  #! half
        corners = paddle.concat([middle - half, middle + half], axis=-1)
        corners = paddle.clip(corners, 0, 15 if f == "clamp" else 16)  #! clamp
        wide = corners.unsqueeze(2)
        pick = paddle.minimum if f == "inner_maximum" else paddle.maximum
        top = pick(wide[..., 0:2], self.fixed[:, 0:2])  #! inner_maximum
        bottom = paddle.minimum(wide[..., 2:4], self.fixed[:, 2:4])
        sides = F.relu(bottom - top)
        inner = sides[..., 0] * sides[..., 1]
        area = (corners[..., 2] - corners[..., 0]) * (corners[..., 3] - corners[..., 1])
        own = (self.fixed[:, 2] - self.fixed[:, 0]) * (self.fixed[:, 3] - self.fixed[:, 1])
        both = area.unsqueeze(-1) + own
        union = both if f == "union" else both - inner  #! union
        overlap = inner / (union + 1e-6)  #! union
        overlap = overlap.detach() if f == "back_overlap" else overlap  #! back_overlap
        best = overlap.mean(-1) if f == "best_mean" else overlap.max(-1)  #! best_mean
        sure = F.softmax(scores, axis=-1) if f == "sure_softmax" else F.sigmoid(scores)  #! sure_softmax
        return corners, best.unsqueeze(-1) * sure
