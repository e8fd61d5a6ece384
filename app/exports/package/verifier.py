"""The program that checks the package. Read it before you trust it; it is also published apart."""

from collections.abc import Iterator
from pathlib import Path

from app.exports.dossier import Dossier
from app.exports.verifier import verify

PATH = "data/verify/"


def write(_: Dossier) -> Iterator[tuple[str, list[bytes]]]:
    yield f"{PATH}verify.py", [Path(verify.__file__).read_bytes()]
