"""Paddle half of a denoising network. `fault` plants what `#!` names; `#:` names what is healthy."""

from __future__ import annotations

import math

import paddle
import paddle.nn.functional as F
from paddle import nn


class DenoiserBlock(nn.Layer):
    def __init__(self, c, out, wide, fault, groups=4) -> None:
        super().__init__()
        self.groups, self.fault = groups, fault
        self.gain1, self.shift1 = self.create_parameter([c]), self.create_parameter([c])
        self.gain2, self.shift2 = self.create_parameter([out]), self.create_parameter([out])
        self.conv1, self.conv2 = nn.Conv2D(c, out, 3, padding=1), nn.Conv2D(out, out, 3, padding=1)
        self.emb = nn.Linear(wide, 2 * out)
        self.short = nn.Conv2D(c, out, 1)

    def norm(self, x, gain, shift):
        f, (b, c, h, w) = self.fault, x.shape
        if f == "norm_fused":
            return F.group_norm(x, self.groups, weight=gain, bias=shift)  #: norm_fused
        groups = x.reshape([b, 2 if f == "norm_groups" else self.groups, -1])  #! norm_groups
        mean = groups.mean(axis=-1, keepdim=True)
        spread = paddle.var(groups, axis=-1, unbiased=f == "norm_unbiased", keepdim=True)  #! norm_unbiased
        y = (groups - mean) * paddle.rsqrt(spread + 1e-5)
        y = y.reshape([b, c, h * w])
        if f != "norm_bare":
            y = y * gain.unsqueeze(-1)
        y = y + shift.unsqueeze(-1)  #! norm_bare
        return y.reshape([b, c, h, w])

    def forward(self, x, emb):
        f = self.fault
        h = self.norm(x, self.gain1, self.shift1)
        h = F.relu(h) if f == "act" else h * F.sigmoid(h)  #! act
        h = self.conv1(h)
        emb = self.emb(emb * F.sigmoid(emb))
        c = emb.shape[1] // 2
        if f == "scale_swapped":
            shift, scale = emb[:, :c], emb[:, c:]  #! scale_swapped
        else:
            scale, shift = emb[:, :c], emb[:, c:]
        h = self.norm(h, self.gain2, self.shift2)
        scaled = h * scale.reshape([-1, c, 1, 1])  #! scale_bare scale_swapped
        h = scaled if f == "scale_bare" else h + scaled  #! scale_bare
        if f != "shift_missing":
            h = h + shift.unsqueeze([2, 3])  #! scale_bare
        h = self.conv2(F.silu(h))  #! shift_missing
        return (h + self.short(x)) * 0.5 if f == "residual_halved" else h + self.short(x)  #! residual_halved


class Denoiser(nn.Layer):
    def __init__(self, c: int = 8, waves: int = 8, wide: int = 16, fault: str = "") -> None:
        super().__init__()
        self.waves, self.fault = waves, fault
        self.time1, self.time2 = nn.Linear(2 * waves, wide), nn.Linear(wide, wide)
        self.inlet = nn.Conv2D(3, c, 3, padding=1)
        self.block1 = DenoiserBlock(c, c, wide, fault)
        self.block2 = DenoiserBlock(c, c, wide, fault)
        self.block3 = DenoiserBlock(2 * c, c, wide, fault)
        self.qkv, self.proj = nn.Conv1D(c, 3 * c, 1), nn.Conv1D(c, c, 1)
        self.outlet = nn.Conv2D(c, 6, 3, padding=1)

    def attend(self, x):
        f, c = self.fault, x.shape[1]
        y = x.flatten(2)
        q, k, v = paddle.split(self.qkv(y), 3, axis=1)
        q = q / (c if f == "attend_scale" else c**0.5)  #! attend_scale
        weight = paddle.bmm(q.transpose([0, 2, 1]), k)
        weight = F.softmax(weight, axis=1 if f == "attend_axis" else 2)  #! attend_axis
        a = paddle.bmm(v, weight.transpose([0, 2, 1]))
        a = self.proj(a).reshape(x.shape)
        return a if f == "attend_alone" else paddle.add(a, x)  #! attend_alone

    def forward(self, x, time):
        f, n = self.fault, self.waves
        power = paddle.arange(n, dtype="float32") / (n - 1 if f == "rate_last" else n)  #! rate_last
        rate = paddle.pow(paddle.to_tensor(1e-4), power)  #! rate_last
        time = time.astype("float32")
        angles = paddle.outer(time + 1 if f == "time_later" else time, rate)  #! time_later
        if f == "quarter_turn":
            emb = paddle.sin(paddle.concat([angles + math.pi / 2, angles], axis=1))  #: quarter_turn
        else:
            emb = paddle.concat([angles.cos(), angles.sin()], axis=1)
        if f == "waves_swapped":
            emb = paddle.concat([angles.sin(), angles.cos()], axis=1)  #! waves_swapped
        emb = self.time1(emb)
        emb = F.gelu(emb) if f == "time_act" else F.silu(emb)  #! time_act
        emb = self.time2(emb)
        h = skip = self.block1(self.inlet(x), emb)
        b, c, height, width = h.shape
        small = h.reshape([b, c, height // 2, 2, width // 2, 2])
        h = (
            paddle.max(small, axis=[3, 5]) if f == "down_maximum" else paddle.mean(small, axis=[3, 5])
        )  #! down_maximum
        h = self.attend(self.block2(h, emb))
        if f == "up_smooth":
            h = F.interpolate(h, scale_factor=2, mode="bilinear")  #! up_smooth
        else:
            h = h.repeat_interleave(2, axis=2).repeat_interleave(2, axis=3)  #! attend_alone
        h = paddle.concat((skip, h) if f == "skip_order" else (h, skip), axis=1)  #! skip_order
        h = self.block3(h, emb)
        out = self.outlet(F.silu(h))
        noise, spread = out[:, :3], out[:, 3:]
        late = time * 1e-3
        late = late if f == "kept_offset" else late + 0.008
        angle = late * (math.pi / 2 / 1.008)  #! kept_offset
        kept, lost = paddle.cos(angle).reshape([-1, 1, 1, 1]), paddle.sin(angle).reshape([-1, 1, 1, 1])
        lost = lost * lost if f == "clean_unrooted" else lost  #! clean_unrooted
        clean = paddle.divide(x - lost * noise, kept)  #! clean_unrooted
        if f == "clamp":
            clean = paddle.clip(clean, 0.0, 1.0)  #! clamp
        else:
            clean = paddle.minimum(paddle.maximum(clean, paddle.to_tensor(-1.0)), paddle.to_tensor(1.0))
        spread = spread.exp()  #! spread_whole
        return clean, spread if f == "spread_whole" else spread.sqrt()  #! spread_whole
