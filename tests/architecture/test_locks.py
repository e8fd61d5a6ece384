"""Advisory locks are numbers for the whole database: two uses of one would wait for each other."""

import re
from collections import Counter
from pathlib import Path

import app

KEY = re.compile(r"^\w+ = (0x45584C[0-9A-F]{2})$", re.MULTILINE)


def test_advisory_locks_when_taken_for_different_things_then_have_different_keys() -> None:
    sources = Path(app.__file__).parent.rglob("*.py")
    keys = Counter(key for source in sources for key in KEY.findall(source.read_text(encoding="utf-8")))

    assert len(keys) > 5
    assert [key for key, uses in keys.items() if uses > 1] == []
