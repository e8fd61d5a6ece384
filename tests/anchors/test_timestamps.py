"""Time stamps (RFC 3161): a response that OpenSSL 3.0.19 made (tests/support/time_authority.py), kept as it came.

Its certificates are valid for two days only: a stamp is judged at its own time, so it verifies for ever. They are not
in DER order, the trap that the code works around.
"""

from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography import x509
from hypothesis import given
from hypothesis import strategies as st
from rfc3161_client import decode_timestamp_response

from app.anchors.timestamps import NotStamped, check_response, make_request, sort_certificates

ASSETS = Path(__file__).parents[1] / "assets" / "timestamps"
NOTE = (ASSETS / "checkpoint").read_bytes()
REQUEST = (ASSETS / "request.tsq").read_bytes()
RESPONSE = (ASSETS / "response.tsr").read_bytes()


def roots(name: str = "root.pem") -> list[x509.Certificate]:
    return x509.load_pem_x509_certificates((ASSETS / name).read_bytes())


def code_of(response: bytes, request: bytes = REQUEST, data: bytes = NOTE, root: str = "root.pem") -> str:
    with pytest.raises(NotStamped) as raised:
        check_response(response, request, data, roots(root))
    return raised.value.code


def test_response_when_it_is_the_authoritys_own_then_gives_its_time() -> None:
    assert check_response(RESPONSE, REQUEST, NOTE, roots()) == datetime(2026, 11, 26, 11, 4, 41, tzinfo=UTC)


def test_response_when_its_certificates_are_unsorted_then_only_the_sorted_copy_is_readable() -> None:
    """So the vector is worth keeping: without the work-around it is refused by the library."""
    with pytest.raises(ValueError, match="InvalidSetOrdering"):
        decode_timestamp_response(RESPONSE)

    assert sorted(sort_certificates(RESPONSE)) == sorted(RESPONSE)
    assert decode_timestamp_response(sort_certificates(RESPONSE)).status == 0


def test_response_when_it_is_for_something_else_then_says_for_what() -> None:
    assert code_of(RESPONSE, data=NOTE + b"\n") == "other_imprint"
    assert code_of(RESPONSE, request=(ASSETS / "other_request.tsq").read_bytes()) == "other_nonce"


def test_response_when_it_does_not_lead_to_a_pinned_root_then_is_not_trusted() -> None:
    assert code_of(RESPONSE, root="other_root.pem") == "not_trusted"
    assert code_of(RESPONSE, root="intermediate.pem") == "not_trusted"


def test_response_when_the_authority_refused_then_gives_its_status() -> None:
    assert code_of((ASSETS / "refused.tsr").read_bytes()) == "status_2"


def test_response_when_cut_off_or_longer_or_empty_then_is_unreadable() -> None:
    assert {code_of(each) for each in (b"", RESPONSE[:-1], RESPONSE + b"\0", RESPONSE[:50], b"<html>")} == {
        "unreadable"
    }


@given(st.integers(0, len(RESPONSE) - 1), st.integers(1, 255))
def test_response_when_any_byte_is_changed_then_is_refused_or_says_the_same(place: int, change: int) -> None:
    """The certificates' order and some of the wrapping are not signed; nothing that is said may change."""
    changed = bytearray(RESPONSE)
    changed[place] ^= change

    try:
        stamped_at = check_response(bytes(changed), REQUEST, NOTE, roots())
    except NotStamped:
        return
    assert stamped_at == datetime(2026, 11, 26, 11, 4, 41, tzinfo=UTC)


@given(st.binary(max_size=300))
def test_response_given_any_bytes_is_refused_without_another_error(response: bytes) -> None:
    code_of(response)


def test_request_when_made_twice_then_has_another_nonce() -> None:
    assert make_request(NOTE) != make_request(NOTE)
