"""The references: Hugging Face's GPT2Model and LlamaModel, small and with random weights."""

from __future__ import annotations

from torch import nn
from transformers import GPT2Config, GPT2Model, LlamaConfig, LlamaModel


def gpt2(layers: int = 2) -> nn.Module:
    """Returns a GPT2Model: ids [n, length] to hidden states. Its Conv1D layers keep weights as [in, out]."""
    config = GPT2Config(
        vocab_size=120,
        n_positions=40,
        n_embd=64,
        n_layer=layers,
        n_head=4,
        bos_token_id=0,
        eos_token_id=0,
        use_cache=False,
        initializer_range=0.2,
    )
    return drawn(GPT2Model(config))


def llama(layers: int = 2) -> nn.Module:
    """Returns a LlamaModel: ids [n, length] to hidden states. Two query heads share a key and value."""
    config = LlamaConfig(
        vocab_size=120,
        hidden_size=64,
        intermediate_size=160,
        num_hidden_layers=layers,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=40,
        use_cache=False,
        initializer_range=0.2,
    )
    return drawn(LlamaModel(config))


def drawn(model: nn.Module) -> nn.Module:
    """Returns the model with norms and biases drawn too, so that a port which mixes them up is noticed."""
    for name, weight in model.named_parameters():
        if name.endswith("bias"):
            nn.init.normal_(weight, std=0.1)
        elif weight.dim() == 1:
            nn.init.uniform_(weight, 0.8, 1.2)
    return model
