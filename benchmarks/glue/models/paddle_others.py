"""Paddle halves of glue between layers: attention, spectra, experts. `fault` plants what `#!` names."""

from __future__ import annotations

import math

import paddle
import paddle.nn.functional as F
from paddle import nn
from paddle_gradients import Scaled


class Attention(nn.Layer):
    def __init__(self, d: int = 16, heads: int = 4, keys: int = 2, fault: str = "") -> None:
        super().__init__()
        self.heads, self.keys, self.w, self.fault = heads, keys, d // heads, fault
        self.q, self.k = nn.Linear(d, d), nn.Linear(d, keys * self.w)
        self.v, self.o = nn.Linear(d, keys * self.w), nn.Linear(d, d)

    def turned(self, x):
        """x: [b, t, h, w]."""
        f, t = self.fault, x.shape[1]
        half = paddle.arange(self.w // 2, dtype="float32") * 2 / self.w
        rate = paddle.exp(half * -math.log(1000.0 if f == "rate" else 100.0))  #! rate
        place = paddle.arange(t, dtype="float32")
        angles = (place.unsqueeze(1) * rate.unsqueeze(0)).unsqueeze(1)
        pairs = x.reshape([*x.shape[:-1], self.w // 2, 2])
        a, b = pairs[..., 0], pairs[..., 1]
        if f == "halves":
            a, b = paddle.split(x, 2, axis=-1)  #! halves
        cos, sin = paddle.cos(angles), paddle.sin(angles)
        one = a * cos + b * sin if f == "turn_sign" else a * cos - b * sin  #! turn_sign halves
        two = paddle.add(b * cos, a * sin)  #! halves
        return paddle.stack([one, two], -1).reshape(x.shape)

    def forward(self, x):
        f, (b, t, d) = self.fault, x.shape
        q = self.turned(self.q(x).reshape([b, t, self.heads, self.w]))
        k = self.k(x).reshape([b, t, self.keys, self.w])
        k = k if f == "key_unturned" else self.turned(k)
        v = self.v(x).reshape([b, t, self.keys, self.w])
        times = self.heads // self.keys
        k = (
            paddle.tile(k, [1, 1, times, 1]) if f == "key_tiled" else k.repeat_interleave(times, 2)
        )  #! key_tiled key_unturned
        v = (
            paddle.tile(v, [1, 1, times, 1]) if f == "value_tiled" else v.repeat_interleave(times, 2)
        )  #! value_tiled
        k = k.detach() if f == "back_keys" else k  #! back_keys
        q, k, v = (one.transpose([0, 2, 1, 3]) for one in (q, k, v))
        scores = paddle.matmul(
            q * (1 / self.w if f == "scale" else 1 / math.sqrt(self.w)), k, transpose_y=True
        )  #! scale
        slopes = paddle.pow(paddle.to_tensor(2.0), paddle.arange(-1, -1 - self.heads, -1, dtype="float32"))
        slopes = slopes.flip(0) if f == "slopes" else slopes  #! slopes
        place = paddle.arange(t, dtype="float32")
        way = place.unsqueeze(1) - place
        bias = slopes.reshape([-1, 1, 1]) * paddle.abs(way).unsqueeze(0)
        scores = scores + bias if f == "bias_sign" else paddle.subtract(scores, bias)  #! bias_sign
        cap = 2.0 if f == "cap" else 5.0
        if f != "cap_missing":
            capped = cap * paddle.tanh(scores / cap)  #! cap
            scores = scores + (capped - scores).detach() if f == "back_cap" else capped  #! back_cap
        if f == "back_where":
            scores = paddle.where(scores > 0, scores, scores.detach())  #! back_where
        near = paddle.abs(way) <= (2 if f == "window" else 3)  #! window
        seen = way >= 0
        seen = (
            paddle.logical_or(near, seen) if f == "window_and" else paddle.logical_and(near, seen)
        )  #! window_and
        scores = scores + (1.0 - seen.astype("float32")) * -1e9  #! cap_missing
        a = paddle.matmul(F.softmax(scores), v)
        a = a if f == "merged" else a.transpose([0, 2, 1, 3])
        a = a.reshape([b, t, d])  #! merged
        y = self.o(a)
        return y if f == "plus_input" else y + x  #! plus_input


class Spectrum(nn.Layer):
    def __init__(self, n: int = 16, hop: int = 4, bands: int = 6, fault: str = "") -> None:
        super().__init__()
        self.n, self.hop, self.fault = n, hop, fault
        self.pre, self.conv, self.fc = nn.Conv1D(1, 1, 3, padding=1), nn.Conv1D(bands, 8, 3), nn.Linear(8, 4)
        self.bank = self.create_parameter([n // 2 + 1, bands])

    def forward(self, x):
        f = self.fault
        x = self.pre(x.unsqueeze(1)).squeeze(1)
        first = paddle.zeros_like(x[:, :1])
        if f == "emphasis_ahead":
            before = paddle.concat([x[:, 1:], first], 1)  #! emphasis_ahead
        else:
            before = paddle.concat([first, x[:, :-1]], 1)
        x = x - before * (0.97 if f == "emphasis" else 0.9)  #! emphasis emphasis_ahead
        x = F.pad(
            x.unsqueeze(1),
            [self.n // 2, self.n // 2],
            mode="replicate" if f == "pad" else "reflect",
            data_format="NCL",
        )  #! pad
        x = x.squeeze(1)
        hop = 5 if f == "hop" else self.hop
        places = paddle.arange(0, x.shape[1] - self.n + 1, hop).unsqueeze(1) + paddle.arange(self.n)  #! hop
        frames = paddle.stack([x[i][places] for i in range(x.shape[0])])  #! hop
        turn = 2 * math.pi / (self.n - 1 if f == "symmetric" else self.n)
        low = 0.46 if f == "hamming" else 0.5
        window = (1 - low) - low * paddle.cos(
            paddle.arange(self.n, dtype="float32") * turn
        )  #! hamming symmetric
        framed = frames if f == "unwindowed" else frames * window
        spectrum = paddle.fft.rfft(framed)  #! unwindowed
        power = (
            paddle.square(paddle.real(spectrum)) if f == "real_alone" else paddle.square(paddle.abs(spectrum))
        )  #! real_alone
        power = power.detach() if f == "back_power" else power  #! back_power
        power = paddle.sqrt(power) if f == "magnitude" else power  #! magnitude
        bank = self.bank.detach() if f == "back_bank" else self.bank  #! back_bank
        bands = paddle.einsum("btf,fm->btm", power, bank)  #! back_bank
        level = paddle.log(bands + (1e-1 if f == "floor" else 1e-3))  #! floor
        level = level * (10.0 / math.log(10.0))
        top = paddle.max(level, axis=[1, 2], keepdim=True) - (10.0 if f == "range" else 30.0)  #! range
        level = paddle.where(level > top, level, top.expand(level.shape))
        if f == "turned":
            level = level.reshape([level.shape[0], level.shape[2], level.shape[1]])  #! turned
        else:
            level = level.transpose([0, 2, 1])
        axis = 1 if f == "statistics" else 2
        mean = paddle.mean(level, axis=axis, keepdim=True)  #! statistics
        spread = paddle.std(level, axis=axis, unbiased=f != "biased", keepdim=True)  #! biased statistics
        level = (level - mean) / (spread + 1e-5)
        h = self.conv(level)
        h = F.relu(h) if f == "elu" else F.elu(h)  #! elu
        return self.fc(h[..., -1] if f == "last_frame" else h.mean(-1))  #! last_frame


class Experts(nn.Layer):
    def __init__(self, d: int = 12, experts: int = 4, fault: str = "") -> None:
        super().__init__()
        self.fault = fault
        self.norm, self.gate, self.out = nn.LayerNorm(d), nn.Linear(d, experts), nn.Linear(d, d)
        self.up, self.down = self.create_parameter([experts, d, 20]), self.create_parameter([experts, 20, d])

    def forward(self, x):
        f, (b, t, d) = self.fault, x.shape
        tokens = self.norm(x).flatten(0, 1)
        logits = self.gate(tokens)
        chances = F.softmax(logits, axis=0 if f == "over_tokens" else 1)  #! over_tokens
        best, which = paddle.topk(chances, 2, axis=1, largest=f != "smallest")  #! smallest
        best = best.detach() if f == "back_chances" else best  #! back_chances
        if f != "uneven":
            best = best / paddle.sum(best, axis=1, keepdim=True)
        given = x.flatten(0, 1) if f == "unnormed" else tokens
        made = paddle.matmul(given.unsqueeze(0), self.up)  #! unnormed
        made = F.gelu(made, approximate=f != "act")  #! act
        made = paddle.bmm(made, self.down).transpose([1, 0, 2])
        chosen = F.one_hot((which + 1) % 4 if f == "picked_next" else which, 4)  #! picked_next
        weights = best.flip(1) if f == "chances_swapped" else best  #! chances_swapped
        if f == "first_alone":
            chosen, weights = chosen[:, :1], weights[:, :1]
        weights = paddle.sum(chosen * weights.unsqueeze(-1), axis=1)  #! uneven first_alone
        mixed = paddle.matmul(weights.unsqueeze(1), made).squeeze(1)
        taken = F.one_hot(which[:, :1] if f == "share_first" else which, 4)  #! share_first
        share = paddle.mean(paddle.sum(taken, axis=1), axis=0)
        even = paddle.dot(share, paddle.mean(chances, axis=0)) * (
            1.0 if f == "even_scale" else 4.0
        )  #! even_scale
        mixed = Scaled.apply(mixed, -1.0) if f == "back_mixed" else mixed  #! back_mixed
        mixed = mixed.reshape([b, t, d])
        mixed = paddle.roll(mixed, 1, 1) if f == "shifted" else mixed  #! shifted
        y = self.out(mixed)
        return x + (y if f == "even_missing" else y * F.sigmoid(even)), even  #! even_missing
