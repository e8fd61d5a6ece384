"""Passwords that are quick to hash."""

from argon2 import PasswordHasher

from app.access import passwords


def hash_passwords_cheaply() -> None:
    """In this process: a hash takes 0.1 s of both processors on purpose, and contracts ask for hundreds.

    What the product spends is pinned by ``tests/access/test_passwords.py``.
    """
    passwords._hasher = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
