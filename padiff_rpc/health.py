"""The standard health and reflection services, beside a server's own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from padiff_rpc.transport import open_public_port
from padiff_rpc.v1 import coordinator_pb2, worker_pb2

COORDINATOR_SERVICE: str = coordinator_pb2.DESCRIPTOR.services_by_name["Coordinator"].full_name
HEALTH_SERVICE: str = health.SERVICE_NAME
REFLECTION_SERVICE: str = reflection.SERVICE_NAME
WORKER_SERVICE: str = worker_pb2.DESCRIPTOR.services_by_name["Worker"].full_name


class Health:
    """Whether a server takes work, for probes: NOT_SERVING until told otherwise. Thread-safe.

    Asked of the server as a whole ("") and of its one service the answer is the same. Check is open to
    everybody, since probes have no token; what it tells is one bit. Watch and reflection are not.
    """

    def __init__(self, service: str, is_moving: Callable[[], bool] = lambda: True) -> None:
        """`is_moving` is asked at each Check: what does not move is NOT_SERVING. Watch does not ask."""
        self._service = service
        self._servicer = _Servicer(is_moving)
        self.set_serving(False)

    def set_serving(self, serving: bool) -> None:
        """From now on, the answer is this."""
        words = health_pb2.HealthCheckResponse
        status = words.SERVING if serving else words.NOT_SERVING
        for name in ("", self._service):
            self._servicer.set(name, status)

    def beside(self, register: Callable[[grpc.Server], None]) -> Callable[[grpc.Server], None]:
        """Returns what adds `register`'s service, health and reflection to a server."""

        def register_all(server: grpc.Server) -> None:
            register(server)
            health_pb2_grpc.add_HealthServicer_to_server(self._servicer, server)
            names = (self._service, HEALTH_SERVICE, REFLECTION_SERVICE)
            reflection.enable_server_reflection(names, server)

        return register_all

    @contextmanager
    def on_port_of_its_own(self, address: str, *, handed_over: bool = False) -> Iterator[None]:
        """Answers health checks, and nothing else, in plain text at `address`; nowhere if that is empty.

        `handed_over`: as for `open_server`.
        """
        if not address:
            yield
            return
        with open_public_port(address, self._register_check, handed_over=handed_over):
            yield

    def _register_check(self, server: grpc.Server) -> None:
        # Not Watch: strangers could hold all of the port's threads with it.
        check = grpc.unary_unary_rpc_method_handler(
            self._servicer.Check,
            request_deserializer=health_pb2.HealthCheckRequest.FromString,
            response_serializer=health_pb2.HealthCheckResponse.SerializeToString,
        )
        server.add_generic_rpc_handlers(
            (grpc.method_handlers_generic_handler(HEALTH_SERVICE, {"Check": check}),)
        )


class _Servicer(health.HealthServicer):  # type: ignore[misc]
    def __init__(self, is_moving: Callable[[], bool]) -> None:
        # A blocking Watch passes through our interceptor as any other stream.
        super().__init__(experimental_non_blocking=False)
        self._is_moving = is_moving

    def Check(
        self, request: health_pb2.HealthCheckRequest, context: grpc.ServicerContext
    ) -> health_pb2.HealthCheckResponse:
        answer, words = super().Check(request, context), health_pb2.HealthCheckResponse
        if answer.status == words.SERVING and not self._is_moving():
            return words(status=words.NOT_SERVING)
        return answer


def check_health(channel: grpc.Channel, service: str, *, timeout: float) -> bool:
    """Whether the server at the other end says SERVING. Raises grpc.RpcError when it says nothing."""
    answer = health_pb2_grpc.HealthStub(channel).Check(
        health_pb2.HealthCheckRequest(service=service), timeout=timeout
    )
    return bool(answer.status == health_pb2.HealthCheckResponse.SERVING)
