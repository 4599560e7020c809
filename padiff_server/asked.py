"""Requests of clients that workers are borrowed for: what each is called, and whom it names."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Union

from padiff_rpc.v1.records import (
    AssignWeightsRequest,
    CheckInputsRequest,
    CompareStart,
    Party,
    PlanStart,
    RecordStart,
)
from padiff_rpc.v1.words import Side

Asked = Union[CompareStart, AssignWeightsRequest, PlanStart, CheckInputsRequest, RecordStart]
# What each request is called in the coordinator's books.
ERRANDS: Mapping[type, str] = {
    CompareStart: "compare",
    AssignWeightsRequest: "assign_weights",
    PlanStart: "plan",
    CheckInputsRequest: "check_inputs",
    RecordStart: "record",
}


def parties_of(asked: Asked) -> Mapping[Side, Party]:
    """Returns whom a request names, the reference first."""
    if isinstance(asked, RecordStart):
        return {Side.REFERENCE: asked.reference}
    return {Side.REFERENCE: asked.reference, Side.CANDIDATE: asked.candidate}
