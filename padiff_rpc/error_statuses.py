"""Errors on their way over the wire: as a gRPC status with a google.rpc.ErrorInfo, and back."""

from __future__ import annotations

import re

import grpc
from google.rpc import code_pb2, error_details_pb2, status_pb2
from grpc_status import rpc_status

from padiff_rpc.errors import (
    BusyError,
    CancelledError,
    InvalidRequestError,
    NotFoundError,
    PaDiffError,
    PermissionDeniedError,
    ProtocolError,
    StateError,
    UnauthenticatedError,
    WorkerLostError,
)

_DOMAIN = "padiff-rpc"
_STATUSES: dict[type[PaDiffError], grpc.StatusCode] = {
    PaDiffError: grpc.StatusCode.INTERNAL,
    InvalidRequestError: grpc.StatusCode.INVALID_ARGUMENT,
    NotFoundError: grpc.StatusCode.NOT_FOUND,
    StateError: grpc.StatusCode.FAILED_PRECONDITION,
    UnauthenticatedError: grpc.StatusCode.UNAUTHENTICATED,
    PermissionDeniedError: grpc.StatusCode.PERMISSION_DENIED,
    BusyError: grpc.StatusCode.RESOURCE_EXHAUSTED,
    WorkerLostError: grpc.StatusCode.UNAVAILABLE,
    ProtocolError: grpc.StatusCode.DATA_LOSS,
    CancelledError: grpc.StatusCode.CANCELLED,
}
_CLASSES = {cls.__name__: cls for cls in _STATUSES}
_BY_STATUS = {status: cls for cls, status in _STATUSES.items()}
_BY_STATUS[grpc.StatusCode.DEADLINE_EXCEEDED] = WorkerLostError

# gRPC's own words, which it says on either end.
_TOO_LARGE = re.compile(r"message larger than max \((\d+) vs\. (\d+)\)")
_UNREADABLE = "Exception deserializing response"
# A status travels in trailers, twice, at most 8 KiB in all: a longer one would arrive as another error.
_TEXT_BYTES, _CONTEXT_BYTES = 1200, 200


def status_of(error: PaDiffError) -> grpc.StatusCode:
    """Returns the status of an error: that of its class, or of the nearest above."""
    return next(_STATUSES[cls] for cls in type(error).__mro__ if cls in _STATUSES)


def error_to_status(error: PaDiffError) -> grpc.Status:
    """Returns what `ServicerContext.abort_with_status` takes, the error's class and context inside.

    Long texts, which quote what the caller sent, lose their middle.
    """
    message = status_pb2.Status(
        code=code_pb2.Code.Value(status_of(error).name), message=_shortened(str(error), _TEXT_BYTES)
    )
    info = error_details_pb2.ErrorInfo(
        reason=type(error).__name__,
        domain=_DOMAIN,
        metadata={
            name: _shortened(value, _CONTEXT_BYTES)
            for name, value in (*error.context.items(), ("field", error.field))
            if value
        },
    )
    message.details.add().Pack(info)
    return rpc_status.to_status(message)


def error_from_rpc(failure: grpc.RpcError, *, peer: str) -> PaDiffError:
    """Returns the error that the peer raised, or the one that its absence amounts to.

    `peer` names the other end in texts of our own making ("the worker at unix:/...").
    """
    try:
        message = rpc_status.from_call(failure)
    except (AttributeError, ValueError):  # no trailing metadata, or a proxy's that contradicts the status
        message = None
    for detail in message.details if message is not None else ():
        info = error_details_pb2.ErrorInfo()
        if detail.Unpack(info) and info.domain == _DOMAIN and info.reason in _CLASSES:
            return _said(_CLASSES[info.reason], message.message, dict(info.metadata))
    code, text = failure.code(), failure.details() or ""
    if code is grpc.StatusCode.UNAVAILABLE:
        reason = _first_line(text)
        if "failed to connect" in reason and "Socket closed" in reason:
            reason += "; it may want TLS, or a certificate of its CA: padiff doctor tells which"
        if "WRONG_VERSION_NUMBER" in reason:  # what OpenSSL makes of plain text
            reason = "it serves in plain text: leave tls out, or start it with --tls-cert and --tls-key"
        return WorkerLostError(
            f"{peer} is gone or cannot be reached ({reason}); start it, or correct its address", reason=reason
        )
    if code is grpc.StatusCode.DEADLINE_EXCEEDED:
        return WorkerLostError(
            f"{peer} did not answer in time: its process is frozen, or its machine overloaded"
        )
    if code is grpc.StatusCode.UNIMPLEMENTED:
        return StateError(f"{peer} does not know this call: install the same padiff-rpc on both ends")
    if code is grpc.StatusCode.INTERNAL and _UNREADABLE in text:
        return ProtocolError(
            f"{peer} answered what is no message of the contract: install the same padiff-rpc on both ends"
        )
    too_large = _TOO_LARGE.search(text)
    if too_large:
        return BusyError(
            f"{peer}: a message of {int(too_large[1]):,} bytes is over the limit of {int(too_large[2]):,}; "
            "PADIFF_MAX_MESSAGE_MIB sets it, on both ends"
        )
    return _BY_STATUS.get(code, PaDiffError)(f"{peer}: {_first_line(text)}")


def _said(kind: type[PaDiffError], text: str, context: dict[str, str]) -> PaDiffError:
    field = context.pop("field", "")
    if field and text.startswith(f"{field}: "):
        return kind(text[len(field) + 2 :], field=field, **context)
    return kind(text, **context)  # none, or one too long to travel whole


def _shortened(text: str, most: int) -> str:
    content = text.encode(errors="replace")
    if len(content) <= most:
        return content.decode()
    half = most // 2
    return f"{content[:half].decode(errors='ignore')} ... {content[-half:].decode(errors='ignore')}"


def _first_line(text: str) -> str:
    return text.splitlines()[0] if text else "no details"
