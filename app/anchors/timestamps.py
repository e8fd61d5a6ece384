"""RFC 3161: the request over a checkpoint's exact bytes, and the check of an authority's response. No I/O.

rfc3161-client reads a response only when its certificates, a DER SET, are sorted as DER demands; many authorities, and
``openssl ts``, leave them unsorted. They lie outside what is signed, so a sorted copy is checked in their place; what
is kept and published are always the authority's own bytes.
"""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

from cryptography import x509
from rfc3161_client import (
    HashAlgorithm,
    TimestampRequestBuilder,
    TimeStampResponse,
    VerificationError,
    VerifierBuilder,
    decode_timestamp_response,
)
from rfc3161_client._rust import parse_timestamp_request

REQUEST_TYPE = "application/timestamp-query"
RESPONSE_TYPE = "application/timestamp-reply"
RESPONSE_LIMIT_BYTES = 256 * 1024
GRANTED = 0
SHA256_OID = "2.16.840.1.101.3.4.2.1"

_SEQUENCE, _CONTEXT_0 = 0x30, 0xA0


class NotStamped(Exception):
    """The response is no time stamp of what was asked; ``code`` says why, for the stored state."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


def make_request(data: bytes) -> bytes:
    """A time-stamp query over SHA-256 of ``data``, with a random nonce, asking for the certificates."""
    builder = TimestampRequestBuilder().data(data).hash_algorithm(HashAlgorithm.SHA256)
    return builder.nonce(nonce=True).cert_request(cert_request=True).build().as_bytes()


def check_response(response: bytes, request: bytes, data: bytes, roots: Sequence[x509.Certificate]) -> datetime:
    """The authority's time for ``data``, when all of it holds: status, imprint, nonce, signature, chain to a pinned
    root at that time, a certificate for time stamping alone. Raises NotStamped.
    """
    parsed = _decode(response)
    if parsed.status != GRANTED:
        raise NotStamped(f"status_{int(parsed.status)}")
    asked = parse_timestamp_request(request)
    builder = VerifierBuilder.from_request(asked)
    for root in roots:
        builder = builder.add_root_certificate(root)
    try:
        stamp = parsed.tst_info
        if stamp.message_imprint.hash_algorithm.dotted_string != SHA256_OID:
            raise NotStamped("other_digest")
        builder.build().verify_message(parsed, data)
    except VerificationError as error:
        raise NotStamped(_code(str(error))) from error
    except ValueError as error:
        raise NotStamped("unreadable") from error
    return stamp.gen_time.astimezone(UTC) if stamp.gen_time.tzinfo else stamp.gen_time.replace(tzinfo=UTC)


def _code(message: str) -> str:
    """A stable word for the library's sentence."""
    words = {
        "nonce": "other_nonce",
        "mismatch between messages": "other_imprint",
        "eku": "not_for_time_stamping",
        "policy": "other_policy",
        "signature failure": "bad_signature",
        "certificates": "not_trusted",
    }
    return next((code for part, code in words.items() if part in message.lower()), "not_verified")


def _decode(response: bytes) -> TimeStampResponse:
    try:
        return decode_timestamp_response(response)
    except ValueError:
        pass
    try:
        return decode_timestamp_response(sort_certificates(response))
    except ValueError as error:
        raise NotStamped("unreadable") from error


def sort_certificates(response: bytes) -> bytes:
    """The same TimeStampResp with its SignedData's certificates in the order of a DER SET. Raises ValueError."""
    status, token, *rest = _members(response, _SEQUENCE)
    content_type, content = _members(token, _SEQUENCE)
    (signed_data,) = _members(content, _CONTEXT_0)
    fields = [
        _encode(_CONTEXT_0, b"".join(sorted(_members(field, _CONTEXT_0)))) if field[0] == _CONTEXT_0 else field
        for field in _members(signed_data, _SEQUENCE)
    ]
    content = _encode(_CONTEXT_0, _encode(_SEQUENCE, b"".join(fields)))
    token = _encode(_SEQUENCE, content_type + content)
    return _encode(_SEQUENCE, b"".join([status, token, *rest]))


def _members(encoded: bytes, tag: int) -> list[bytes]:
    """The elements within one constructed element, each with its header. Raises ValueError."""
    start, end = _header(encoded, 0, tag)
    if end != len(encoded):
        raise ValueError("bytes after the element")
    return list(_each(encoded, start, end))


def _each(encoded: bytes, start: int, end: int) -> Iterator[bytes]:
    while start < end:
        _, following = _header(encoded[:end], start, encoded[start])
        yield encoded[start:following]
        start = following


def _header(encoded: bytes, at: int, tag: int) -> tuple[int, int]:
    """Where the content of the element at ``at`` begins and ends: X.690, section 8.1, definite lengths alone."""
    if len(encoded) < at + 2 or encoded[at] != tag:
        raise ValueError("another element than expected")
    length, start = encoded[at + 1], at + 2
    if length >= 0x80:
        count = length & 0x7F
        if not 1 <= count <= 4 or len(encoded) < start + count:
            raise ValueError("not a definite length")
        length, start = int.from_bytes(encoded[start : start + count], "big"), start + count
    if start + length > len(encoded):
        raise ValueError("cut off")
    return start, start + length


def _encode(tag: int, content: bytes) -> bytes:
    length = len(content)
    if length < 0x80:
        return bytes([tag, length]) + content
    size = (length.bit_length() + 7) // 8
    return bytes([tag, 0x80 | size]) + length.to_bytes(size, "big") + content
