"""Passwords are kept as argon2id hashes; a check takes as long for an address that nobody has."""

import secrets
from functools import cache

from argon2 import PasswordHasher
from argon2.exceptions import VerifyMismatchError

from app.access.models import Account

_hasher = PasswordHasher()


def hash_password(password: str) -> str:
    return _hasher.hash(password)


@cache
def _dummy_hash() -> str:
    """Checked when no account is found, so that the time of an answer does not tell which addresses exist."""
    return _hasher.hash(secrets.token_hex(16))


def password_fits(account: Account | None, password: str) -> bool:
    stored = account.password_hash if account is not None and account.is_active else None
    try:
        _hasher.verify(stored or _dummy_hash(), password)
    except VerifyMismatchError:
        return False
    return stored is not None
