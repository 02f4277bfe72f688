"""Pub/Sub's methods by gRPC."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import grpc
import grpc.aio

from omnipipe.laptop.services.pubsub.access import Caller
from omnipipe.laptop.services.pubsub.addresses import Connections
from omnipipe.laptop.services.pubsub.broker import Broker
from omnipipe.laptop.services.pubsub.failures import Failure, internal
from omnipipe.laptop.services.pubsub.messages import Message, named
from omnipipe.laptop.services.pubsub.methods import METHODS, SUBSCRIBER, Method
from omnipipe.laptop.services.pubsub.streams import streaming_pull

logger = logging.getLogger(__name__)
MAX_MESSAGE_BYTES = 20 * 1024 * 1024
_DETAILS = "grpc-status-details-bin"


class Service:
    """Answers calls: for each it finds out who asks, by a token or by the connection that the call came through."""

    def __init__(self, broker: Broker, connections: Connections) -> None:
        self._broker = broker
        self._connections = connections

    def server(self) -> grpc.aio.Server:
        """A server of all methods, without an address yet."""
        server = grpc.aio.server(
            options=[
                ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
                ("grpc.max_send_message_length", -1),
                ("grpc.so_reuseport", 0),
                # Clients ask more often than gRPC's servers like it.
                ("grpc.http2.min_ping_interval_without_data_ms", 5_000),
                ("grpc.keepalive_permit_without_calls", 1),
            ]
        )
        handlers: dict[str, dict[str, grpc.RpcMethodHandler]] = {}
        for method in METHODS:
            handlers.setdefault(method.service, {})[method.name] = grpc.unary_unary_rpc_method_handler(
                self._unary(method), named(method.request).FromString, named(method.response).SerializeToString
            )
        handlers[SUBSCRIBER]["StreamingPull"] = grpc.stream_stream_rpc_method_handler(
            self._stream,
            named("StreamingPullRequest").FromString,
            named("StreamingPullResponse").SerializeToString,
        )
        server.add_generic_rpc_handlers(
            [grpc.method_handlers_generic_handler(name, each) for name, each in handlers.items()]
        )
        return server

    def _unary(self, method: Method) -> Callable[[Message, Any], Awaitable[Message]]:
        async def answer(request: Message, context: Any) -> Message:
            try:
                return await method.handler(self._broker, self._caller(context), request)
            except Failure as error:
                failure = error
            except Exception as error:
                logger.exception(method.name)
                failure = internal(error)
            return await _abort(context, failure)

        return answer

    async def _stream(self, requests: AsyncIterator[Message], context: Any) -> AsyncIterator[Message]:
        try:
            async for answer in streaming_pull(self._broker, self._caller(context), requests):
                yield answer
        except Failure as failure:
            await _abort(context, failure)
        except Exception as error:
            logger.exception("StreamingPull")
            await _abort(context, internal(error))

    def _caller(self, context: Any) -> Caller:
        metadata = dict(context.invocation_metadata())
        authorization = metadata.get("authorization")
        return self._broker.access.caller(authorization, self._connections.account_of(_port(context.peer())))


def _port(peer: str) -> int:
    """The port of a peer such as ``ipv4:127.0.0.1:41234``."""
    text = peer.rpartition(":")[2]
    return int(text) if text.isdigit() else 0


async def _abort(context: Any, failure: Failure) -> Any:
    details = ((_DETAILS, failure.rich().SerializeToString()),) if failure.reason else ()
    await context.abort(failure.status, failure.message, details)
