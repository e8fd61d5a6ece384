"""Fetching a log's public resources over HTTP: from an address that nothing is trusted of.

Time, size and attempts are limited, redirects are not followed, and nothing is unpacked: a hostile server costs a
monitor its patience and no more.
"""

import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager

import httpx

from app.kernel.exchange import AnswerTooLarge, exchange
from app.ledger.monitor import CannotCheck, Fetch, NotServed

TIMEOUT_S = 20.0
RESOURCE_WITHIN_S = 60.0
ATTEMPTS = 4
FIRST_WAIT_S = 0.5
LIMIT_BYTES = 256 * (2 + 0xFFFF)
"""A whole bundle of the longest leaves that the format has; hash tiles and checkpoints are far smaller."""


@contextmanager
def open_log(url: str) -> Iterator[Fetch]:
    """``fetch`` for the log at this address. Raises CannotCheck when it is no http(s) address."""
    try:
        address = httpx.URL(url if url.endswith("/") else f"{url}/")
    except httpx.InvalidURL as error:
        raise CannotCheck(f"not an address: {url!r} ({error})") from error
    if address.scheme not in ("https", "http") or not address.host or address.userinfo or address.query:
        raise CannotCheck(f"not the address of a log: {url!r}; write https://host or https://host/path")
    headers = {"User-Agent": "exhibit-monitor", "Accept-Encoding": "identity"}
    client = httpx.AsyncClient(base_url=address, headers=headers, timeout=TIMEOUT_S, follow_redirects=False)
    with asyncio.Runner() as loop:
        try:
            yield lambda path: _fetch(loop, client, path)
        finally:
            loop.run(client.aclose())


def _fetch(loop: asyncio.Runner, client: httpx.AsyncClient, path: str) -> bytes:
    """Tried again after what may pass: a lost connection, a timeout, a server's 5xx or 429."""
    wait_s = FIRST_WAIT_S
    for attempt in range(1, ATTEMPTS + 1):
        try:
            return _fetch_once(loop, client, path)
        except (httpx.TransportError, _MayPass) as error:
            if attempt == ATTEMPTS:
                raise CannotCheck(f"/{path}: {type(error).__name__} {error}, {ATTEMPTS} times") from error
            time.sleep(wait_s)
            wait_s *= 3
    raise AssertionError("unreachable")


class _MayPass(Exception):
    """An answer that may be another one soon."""


def _fetch_once(loop: asyncio.Runner, client: httpx.AsyncClient, path: str) -> bytes:
    asked = exchange(
        client,
        client.build_request("GET", path),
        within_s=RESOURCE_WITHIN_S,
        limit_bytes=LIMIT_BYTES,
        read_statuses=(httpx.codes.OK,),
    )
    try:
        answer = loop.run(asked)
    except TimeoutError as error:
        raise _MayPass(f"not whole after {RESOURCE_WITHIN_S:g} s") from error
    except AnswerTooLarge as error:
        raise CannotCheck(f"/{path}: more than {LIMIT_BYTES} bytes") from error
    if answer.status == httpx.codes.NOT_FOUND:
        raise NotServed(path)
    if answer.status >= 500 or answer.status == httpx.codes.TOO_MANY_REQUESTS:
        raise _MayPass(f"answered {answer.status}")
    if answer.status != httpx.codes.OK:
        raise CannotCheck(f"/{path}: answered {answer.status}")
    if answer.headers.get("Content-Encoding", "identity") != "identity":
        raise CannotCheck(f"/{path}: packed, though that was not asked for")
    return answer.body
