"""What a guess at a password costs in the product; in this process the tests have made it cheap."""

import subprocess
import sys

from argon2 import extract_parameters
from argon2.low_level import Type
from argon2.profiles import RFC_9106_LOW_MEMORY

HASH = "from app.access.passwords import hash_password; print(hash_password('correct horse battery staple'))"


def test_password_when_hashed_by_the_product_then_costs_what_rfc_9106_recommends() -> None:
    stored = subprocess.run([sys.executable, "-c", HASH], capture_output=True, text=True, check=True).stdout.strip()
    parameters = extract_parameters(stored)
    assert parameters == RFC_9106_LOW_MEMORY
    assert (parameters.type, parameters.memory_cost, parameters.time_cost) == (Type.ID, 64 * 1024, 3)
