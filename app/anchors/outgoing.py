"""Calls to witnesses and time-stamping authorities: one POST, no redirect, one deadline for all, a bounded answer."""

import asyncio
from dataclasses import dataclass

import httpx

from app.kernel.exchange import AnswerTooLarge, Exchange, exchange

USER_AGENT = "exhibit"
REDIRECTS = range(300, 400)
NO_REDIRECTS = frozenset(range(200, 600)) - frozenset(REDIRECTS)


class NotReached(Exception):
    """No answer that could be looked at; ``code`` says why, for the stored state and the operating log."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


@dataclass(frozen=True)
class Answer:
    """``media_type`` without parameters, in lower case."""

    status: int
    media_type: str
    body: bytes


class Outgoing:
    """The worker's way out; usable from several threads. ``timeout_s`` bounds a call from start to last byte."""

    def __init__(self, timeout_s: float) -> None:
        self.timeout_s = timeout_s
        self._tls = httpx.create_ssl_context(trust_env=False)

    def post(self, url: str, body: bytes, *, content_type: str, limit_bytes: int) -> Answer:
        """Raises NotReached: ``timeout``, ``connection``, ``redirect``, ``answer_too_large``."""
        try:
            found = asyncio.run(self._post(url, body, content_type, limit_bytes))
        except (TimeoutError, httpx.TimeoutException) as error:
            raise NotReached("timeout") from error
        except AnswerTooLarge as error:
            raise NotReached("answer_too_large") from error
        except (httpx.TransportError, httpx.InvalidURL) as error:
            raise NotReached("connection") from error
        if found.status in REDIRECTS:
            raise NotReached("redirect")
        media_type = found.headers.get("Content-Type", "").partition(";")[0].strip().lower()
        return Answer(found.status, media_type, found.body)

    async def _post(self, url: str, body: bytes, content_type: str, limit_bytes: int) -> Exchange:
        headers = {"Content-Type": content_type, "User-Agent": USER_AGENT, "Accept-Encoding": "identity"}
        # Neither proxies nor passwords from the environment: what is called, and with what, stands in the settings.
        async with httpx.AsyncClient(
            timeout=self.timeout_s, follow_redirects=False, trust_env=False, verify=self._tls
        ) as client:
            request = client.build_request("POST", url, content=body, headers=headers)
            return await exchange(
                client, request, within_s=self.timeout_s, limit_bytes=limit_bytes, read_statuses=NO_REDIRECTS
            )
