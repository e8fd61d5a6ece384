"""The vault's ciphertext: opened by its own key and record alone, and telling nothing by its length."""

from dataclasses import replace
from typing import Any
from uuid import UUID, uuid4

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hypothesis import given
from hypothesis import strategies as st

from app.vault.sealing import NONCE_BYTES, PADDED_TO_BYTES, NotSealedHere, Record, Sealed, VaultKey, seal, unseal

KEY = VaultKey(bytes(range(32)))
RECORD = Record(UUID(int=1), UUID(int=2), "evidence", UUID(int=3))
NAMES = st.text(st.characters(codec="utf-8"), max_size=400)


@given(st.dictionaries(st.text("abc", min_size=1), NAMES | st.lists(NAMES, max_size=3), max_size=4))
def test_identity_when_sealed_then_its_key_and_record_give_it_back(identity: dict[str, Any]) -> None:
    assert unseal(seal(identity, RECORD, KEY), RECORD, KEY) == identity


@pytest.mark.parametrize(
    "other",
    [
        replace(RECORD, identity=uuid4()),
        replace(RECORD, case=uuid4()),
        replace(RECORD, subject=uuid4()),
        replace(RECORD, subject_kind="testimony"),
    ],
)
def test_ciphertext_when_put_into_another_record_then_does_not_open(other: Record) -> None:
    with pytest.raises(NotSealedHere):
        unseal(seal({"name": "Iryna"}, RECORD, KEY), other, KEY)


def test_ciphertext_when_the_key_is_another_then_does_not_open() -> None:
    sealed, other = seal({"name": "Iryna"}, RECORD, KEY), VaultKey(bytes(32))
    with pytest.raises(NotSealedHere):
        unseal(sealed, RECORD, other)
    with pytest.raises(NotSealedHere):
        unseal(replace(sealed, key_id=other.id), RECORD, other)


@given(st.data())
def test_ciphertext_when_one_bit_is_changed_then_does_not_open(data: st.DataObject) -> None:
    sealed = seal({"name": "Iryna"}, RECORD, KEY)
    part = data.draw(st.sampled_from(["wrapped_key", "ciphertext"]))
    changed = bytearray(getattr(sealed, part))
    changed[data.draw(st.integers(0, len(changed) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    with pytest.raises(NotSealedHere):
        unseal(Sealed(**{**vars(sealed), part: bytes(changed)}), RECORD, KEY)


def test_ciphertext_when_the_name_is_longer_then_has_the_same_length() -> None:
    lengths = {len(seal({"name": "x" * length}, RECORD, KEY).ciphertext) for length in (1, 40, 900)}
    assert lengths == {NONCE_BYTES + PADDED_TO_BYTES + 16}


def test_identity_when_sealed_twice_then_nothing_is_equal() -> None:
    first, second = (seal({"name": "Iryna"}, RECORD, KEY) for _ in range(2))
    assert first.ciphertext != second.ciphertext
    assert first.wrapped_key != second.wrapped_key


def test_sealed_when_opened_with_the_library_by_hand_then_reads_as_the_format_says() -> None:
    """A golden reading: nonce, then AES-256-GCM, associated data as canonical JSON, blanks after the JSON."""
    sealed = seal({"name": "Iryna"}, RECORD, KEY)
    associated = (
        '{"case":"00000000-0000-0000-0000-000000000002","format":"exhibit-vault/v1",'
        '"identity":"00000000-0000-0000-0000-000000000001","key":"%s","part":"%s",'
        '"subject":"00000000-0000-0000-0000-000000000003","subject_kind":"evidence"}'
    )
    own = AESGCM(KEY.secret).decrypt(
        sealed.wrapped_key[:12], sealed.wrapped_key[12:], (associated % (KEY.id, "key")).encode()
    )
    plain = AESGCM(own).decrypt(
        sealed.ciphertext[:12], sealed.ciphertext[12:], (associated % (KEY.id, "identity")).encode()
    )
    assert plain == b'{"name":"Iryna"}'.ljust(1024)


def test_key_when_shown_then_tells_nothing_of_itself() -> None:
    assert KEY.secret.hex() not in repr(KEY) + KEY.id
    assert "secret" not in repr(KEY)
    assert "ciphertext" not in repr(seal({"name": "Iryna"}, RECORD, KEY))
    with pytest.raises(ValueError, match="32 bytes"):
        VaultKey(b"short")
