"""Paddle's own SqueezeNet, and a port of `torch_stock.Detr` whose batch comes first throughout."""

from __future__ import annotations

import functools
from typing import Any

import paddle
from paddle import nn
from paddle.nn import functional as F


def squeezenet(version: str = "1_0", fault: str = "") -> nn.Layer:
    """SqueezeNet as Paddle has it; `fault` "order": one of its layers joins its halves the wrong way."""
    model = getattr(paddle.vision.models, f"squeezenet{version}")(num_classes=10)
    if fault == "order":
        model._conv5.forward = functools.partial(_joined_otherwise, model._conv5)
    return model


def _joined_otherwise(fire: Any, x: paddle.Tensor) -> paddle.Tensor:
    x = fire._conv(x)
    return paddle.concat([fire._conv_path2(x), fire._conv_path1(x)], axis=1)


class EncoderLayer(nn.Layer):
    """`fault`: the "keys" have no positions, or the last "norm" comes too early."""

    def __init__(self, width: int, heads: int, fault: str) -> None:
        super().__init__()
        self.fault = fault
        self.self_attn = nn.MultiHeadAttention(width, heads, dropout=0.1)
        self.linear1 = nn.Linear(width, 2 * width)
        self.dropout = nn.Dropout(0.1)
        self.linear2 = nn.Linear(2 * width, width)
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.dropout1, self.dropout2 = nn.Dropout(0.1), nn.Dropout(0.1)

    def forward(self, src: paddle.Tensor, attn_mask: paddle.Tensor, pos: paddle.Tensor) -> paddle.Tensor:
        q = src + pos
        attended = self.self_attn(q, src if self.fault == "keys" else q, src, attn_mask=attn_mask)
        src = self.norm1(src + self.dropout1(attended))
        src2 = self.linear2(self.dropout(F.relu(self.linear1(src))))
        if self.fault == "norm":
            return self.norm2(src) + self.dropout2(src2)
        return self.norm2(src + self.dropout2(src2))


class Detr(nn.Layer):
    def __init__(
        self, width: int = 16, heads: int = 2, layers: int = 2, cells: int = 12, fault: str = ""
    ) -> None:
        super().__init__()
        self.fault = fault
        self.backbone = nn.Sequential(nn.Conv2D(3, 8, 3, 2, 1), nn.ReLU(), nn.Conv2D(8, 12, 3, 2, 1))
        self.input_proj = nn.Conv2D(12, width, 1)
        self.pos = self.create_parameter([1, cells, width])
        self.layers = nn.LayerList([EncoderLayer(width, heads, fault if n else "") for n in range(layers)])
        self.class_embed = nn.Linear(width, 5)

    def forward(self, images: paddle.Tensor, mask: paddle.Tensor) -> paddle.Tensor:
        src = self.input_proj(self.backbone(images))
        h, w = src.shape[2:]
        src = src.flatten(2).transpose([0, 2, 1])
        mask = F.interpolate(mask.unsqueeze(0).astype("float32"), size=(h, w)).squeeze(0).flatten(1)
        hidden = 1 - mask if self.fault == "mask" else mask
        attn_mask = (hidden * -1e9).unsqueeze([1, 2])
        for layer in self.layers:
            src = layer(src, attn_mask=attn_mask, pos=self.pos)
        return self.class_embed(src)
