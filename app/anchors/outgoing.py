"""Calls to witnesses and time-stamping authorities: one POST, no redirect, one deadline for all, a bounded answer."""

import time
from dataclasses import dataclass

import httpx

USER_AGENT = "exhibit"


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
    """The worker's HTTP client; usable from several threads. ``timeout_s`` bounds a call from start to last byte."""

    def __init__(self, timeout_s: float) -> None:
        self.timeout_s = timeout_s
        # Neither proxies nor passwords from the environment: what is called, and with what, stands in the settings.
        self._client = httpx.Client(timeout=timeout_s, follow_redirects=False, trust_env=False)

    def close(self) -> None:
        self._client.close()

    def post(self, url: str, body: bytes, *, content_type: str, limit_bytes: int) -> Answer:
        """Raises NotReached: ``timeout``, ``connection``, ``redirect``, ``answer_too_large``."""
        headers = {"Content-Type": content_type, "User-Agent": USER_AGENT, "Accept-Encoding": "identity"}
        deadline = time.monotonic() + self.timeout_s
        try:
            with self._client.stream("POST", url, content=body, headers=headers) as response:
                if response.is_redirect:
                    raise NotReached("redirect")
                received = bytearray()
                for chunk in response.iter_raw():
                    received += chunk
                    if len(received) > limit_bytes:
                        raise NotReached("answer_too_large")
                    if time.monotonic() > deadline:  # Byte by byte, each in time.
                        raise NotReached("timeout")
        except httpx.TimeoutException as error:
            raise NotReached("timeout") from error
        except (httpx.TransportError, httpx.InvalidURL) as error:
            raise NotReached("connection") from error
        media_type = response.headers.get("Content-Type", "").partition(";")[0].strip().lower()
        return Answer(response.status_code, media_type, bytes(received))
