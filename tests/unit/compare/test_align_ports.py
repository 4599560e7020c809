"""Ports of random models, by other names, nesting and definition order, find their true pairs."""

from __future__ import annotations

import random
import sys
from pathlib import Path

from padiff_compare.alignment.align import align
from padiff_rpc.v1.records import StatedPairing

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "fakes"))

from model_trees import MODELS, PADDLE, TORCH, keyed, ported, traced


def case(seed):
    """Returns (plan, true pairs of layers that compute)."""
    rng = random.Random(seed)
    model = keyed(MODELS[seed % len(MODELS)](rng))
    reference, paths = traced(model, TORCH)
    candidate, port_paths = traced(ported(model, rng), PADDLE, rng)
    holders = {layer.path for layer in reference.layers if layer.class_name == "Block"}
    true = {path: port_paths[key] for key, path in paths.items() if path not in holders}
    return align(reference, candidate, StatedPairing()), true


def test_a_port_by_other_names_and_nesting_finds_its_true_pairs():
    wrong = 0
    for seed in range(200):
        plan, true = case(seed)
        found = {pair.reference: pair for pair in plan.layers}
        missed = [path for path, port in true.items() if path not in found or found[path].candidate != port]
        wrong += bool(missed)
        sure = [path for path in missed if path in found and found[path].confidence >= 0.5]
        assert not sure, f"seed {seed}: {[(path, found[path].candidate, true[path]) for path in sure]}"
    assert wrong <= 2
