"""The reference: Hugging Face's BertModel, small and with random weights."""

from __future__ import annotations

from torch import nn
from transformers import BertConfig, BertModel


def build(layers: int = 3) -> nn.Module:
    """Returns a BertModel: ids, mask and types [n, length] to hidden states and a pooled vector.

    Weights are drawn wider than a fresh BertModel's, whose attention is so even that a port which mixes
    up heads would hardly be noticed.
    """
    config = BertConfig(
        vocab_size=120,
        hidden_size=64,
        num_hidden_layers=layers,
        num_attention_heads=4,
        intermediate_size=160,
        max_position_embeddings=40,
        initializer_range=0.2,
    )
    model = BertModel(config)
    for layer in model.modules():
        if isinstance(layer, nn.LayerNorm):
            nn.init.uniform_(layer.weight, 0.8, 1.2)
        if isinstance(layer, (nn.LayerNorm, nn.Linear)):
            nn.init.normal_(layer.bias, std=0.1)
    return model
