"""What a signed address of content says, and until when."""

from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from app.media.errors import ContentAddressInvalid
from app.media.signed_urls import Ticket, read_ticket, sign_ticket

KEY = b"k" * 32
UNTIL = datetime(2026, 7, 14, 12, tzinfo=UTC)
TICKET = Ticket(uuid4(), uuid4(), "verification", UNTIL)


def test_ticket_when_read_before_its_end_then_says_what_was_signed_and_from_then_on_is_refused() -> None:
    text = sign_ticket(TICKET, KEY)
    last = UNTIL - timedelta(microseconds=1)
    assert read_ticket(text, KEY, evidence_id=TICKET.evidence_id, now=last) == TICKET
    for now in (UNTIL, UNTIL + timedelta(days=1)):
        with pytest.raises(ContentAddressInvalid, match="expired"):
            read_ticket(text, KEY, evidence_id=TICKET.evidence_id, now=now)
