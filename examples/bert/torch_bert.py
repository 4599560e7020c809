"""The reference: Hugging Face's BertModel, small and with random weights."""

from __future__ import annotations

from torch import nn
from transformers import BertConfig, BertModel


def build(layers: int = 3) -> nn.Module:
    """Returns a BertModel: ids, mask and types [n, length] to hidden states and a pooled vector."""
    config = BertConfig(
        vocab_size=120,
        hidden_size=64,
        num_hidden_layers=layers,
        num_attention_heads=4,
        intermediate_size=160,
        max_position_embeddings=40,
        initializer_range=0.2,
    )
    return _drawn(BertModel(config))


def base() -> nn.Module:
    """Returns one of the size of BERT-base: 12 layers of width 768."""
    return _drawn(BertModel(BertConfig(initializer_range=0.05)))


def _drawn(model: nn.Module) -> nn.Module:
    """Returns the model with norms and biases that differ from what all models begin with.

    Weights are drawn wider than a fresh BertModel's, whose attention is so even that a port which mixes
    up heads would hardly be noticed.
    """
    for layer in model.modules():
        if isinstance(layer, nn.LayerNorm):
            nn.init.uniform_(layer.weight, 0.8, 1.2)
        if isinstance(layer, (nn.LayerNorm, nn.Linear)):
            nn.init.normal_(layer.bias, std=0.1)
    return model
