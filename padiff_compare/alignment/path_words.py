"""Words and numbers in a layer's path that mean the same in any port."""

from __future__ import annotations

import re
from functools import lru_cache

_PIECES = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")

# How ports spell one thing. Words of which each side may use any.
_SPELLINGS = (
    ("embedding", "embeddings", "embed", "embeds", "emb"),
    ("position", "pos", "positional", "positions"),
    ("token", "tok", "word", "wte", "vocab"),
    ("segment", "seg", "type"),
    ("query", "q", "queries"),
    ("key", "k", "keys"),
    ("value", "v", "values"),
    ("attention", "attn", "attentions", "atten"),
    ("norm", "ln", "layernorm", "bn", "batchnorm", "gn", "groupnorm", "rmsnorm", "normalization"),
    ("linear", "fc", "dense", "proj", "projection", "lin"),
    ("output", "out", "o", "outputs"),
    ("input", "in", "inputs"),
    ("conv", "convolution"),
    ("activation", "act", "relu", "gelu", "nonlinearity"),
    ("dropout", "drop"),
    ("encoder", "enc"),
    ("decoder", "dec"),
    ("downsample", "shortcut", "skip"),
    ("classifier", "head", "logits", "cls"),
    ("layer", "layers", "block", "blocks", "h", "stage", "stages"),
    ("pool", "pooling", "pooler"),
    ("mlp", "ffn", "feedforward", "ff"),
    ("cross", "encdec"),
    ("hidden", "intermediate", "inter"),
    ("up", "upsample"),
    ("gate", "gating"),
)
_MEANING = {spelling: spellings[0] for spellings in _SPELLINGS for spelling in spellings}
# Glued by convention; both halves carry meaning.
_COMPOUNDS = {
    "qkv": ("query", "key", "value"),
    "wpe": ("position", "embedding"),
    "wte": ("token", "embedding"),
    "wq": ("query",),
    "wk": ("key",),
    "wv": ("value",),
    "wo": ("output",),
}


@lru_cache(maxsize=65536)
def part_words(part: str) -> tuple[str, ...]:
    """Returns the meanings in one name of a path; numbers as they stand.

    "tokenTypeEmb" is ("segment", "embedding"): in "token type" the token is not what tells it apart.
    """
    words: list[str] = []
    for piece in _PIECES.findall(part):
        lower = piece.lower()
        words += _COMPOUNDS.get(lower, (_MEANING.get(lower, lower),))
    if "segment" in words and "token" in words:
        words.remove("token")
    return tuple(words)


def path_words(path: str) -> tuple[str, ...]:
    """Returns the words of a path, outermost first, each once, numbers left out."""
    words = (word for part in path.split(".") for word in part_words(part) if not word.isdigit())
    return tuple(dict.fromkeys(words))


def class_words(class_name: str) -> frozenset[str]:
    """Returns the words of a class name as it is spelt: "NewGELUActivation" has "gelu"."""
    return frozenset(piece.lower() for piece in _PIECES.findall(class_name) if not piece.isdigit())


def path_numbers(path: str) -> tuple[tuple[str, int], ...]:
    """Returns (the path up to the number, the number) of every number in a path."""
    return tuple((path[: found.start()], int(found[0])) for found in re.finditer(r"\d+", path))
