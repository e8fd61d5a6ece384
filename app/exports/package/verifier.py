"""The programs that check the package, for browsers and for Python. Read them first; they are also published apart."""

from collections.abc import Iterator
from pathlib import Path

from app.exports import verifier_page
from app.exports.dossier import Dossier
from app.exports.verifier import verify

PATH = "data/verify/"


def write(_: Dossier) -> Iterator[tuple[str, list[bytes]]]:
    yield f"{PATH}verify.html", [verifier_page.page().encode()]
    yield f"{PATH}verify.py", [Path(verify.__file__).read_bytes()]
