"""Short-lived addresses of content for one person: what a browser's ``<video>`` can load without a header. Pure.

The address holds who, which item, why and until when, and an HMAC-SHA-256 of that. Whether the person is still active
and permitted is asked when it is used.
"""

import base64
import hmac
import json
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

from app.kernel.primitives import canonical_json
from app.media.errors import ContentAddressInvalid

_CONTEXT = b"exhibit content address v1\n"
MAX_TICKET_CHARACTERS = 1000


@dataclass(frozen=True)
class Ticket:
    """One person's leave to load one item's original until a time (whole seconds)."""

    evidence_id: UUID
    token_id: UUID
    purpose: str
    expires_at: datetime


def sign_ticket(ticket: Ticket, key: bytes) -> str:
    """The ticket as text that fits into an address."""
    payload = canonical_json(
        {
            "e": str(ticket.evidence_id),
            "t": str(ticket.token_id),
            "p": ticket.purpose,
            "x": int(ticket.expires_at.timestamp()),
        }
    )
    return f"{_encode(payload)}.{_encode(_mac(payload, key))}"


def read_ticket(text: str, key: bytes, *, evidence_id: UUID, now: datetime) -> Ticket:
    """The ticket of an address. Raises ContentAddressInvalid when it is forged, of another item, or over."""
    payload, mac = _parts(text)
    if not hmac.compare_digest(mac, _mac(payload, key)):
        raise ContentAddressInvalid("The address was not made by this server, or was changed.")
    values = json.loads(payload)
    ticket = Ticket(UUID(values["e"]), UUID(values["t"]), str(values["p"]), datetime.fromtimestamp(values["x"], tz=UTC))
    if ticket.evidence_id != evidence_id:
        raise ContentAddressInvalid("The address belongs to another item.")
    if ticket.expires_at <= now:
        raise ContentAddressInvalid("The address has expired. Ask for a new one.")
    return ticket


def _parts(text: str) -> tuple[bytes, bytes]:
    payload, dot, mac = text.partition(".")
    try:
        if not dot or len(text) > MAX_TICKET_CHARACTERS:
            raise ValueError("not two parts")
        return _decode(payload), _decode(mac)
    except ValueError as error:
        raise ContentAddressInvalid("The address is incomplete.") from error


def _mac(payload: bytes, key: bytes) -> bytes:
    return hmac.digest(key, _CONTEXT + payload, "sha256")


def _encode(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode("ascii").rstrip("=")


def _decode(text: str) -> bytes:
    return base64.b64decode((text + "=" * (-len(text) % 4)).encode("ascii"), altchars=b"-_", validate=True)
