"""One HTTP request and its answer under one deadline, for calls to addresses that nothing is trusted of.

A timeout for each read is no deadline: an answer whose header comes byte by byte, or that is announced for ever by
interim responses, is read on and on inside the HTTP library. So the whole exchange is a coroutine that is cut off.
"""

import asyncio
from collections.abc import Container
from dataclasses import dataclass

import httpx


class AnswerTooLarge(Exception):
    """The body has more bytes than were allowed."""


@dataclass(frozen=True)
class Exchange:
    """``body`` is as it was sent, nothing is unpacked; empty for a status whose body was not asked for."""

    status: int
    headers: httpx.Headers
    body: bytes


async def exchange(
    client: httpx.AsyncClient,
    request: httpx.Request,
    *,
    within_s: float,
    limit_bytes: int,
    read_statuses: Container[int] = range(200, 600),
) -> Exchange:
    """From the look-up of the name to the last byte within ``within_s`` (seconds).

    Raises TimeoutError, AnswerTooLarge, httpx.TransportError.
    """
    async with asyncio.timeout(within_s):
        response = await client.send(request, stream=True)
        try:
            received = bytearray()
            if response.status_code in read_statuses:
                async for chunk in response.aiter_raw():
                    received += chunk
                    if len(received) > limit_bytes:
                        raise AnswerTooLarge
            return Exchange(response.status_code, response.headers, bytes(received))
        finally:
            await response.aclose()
