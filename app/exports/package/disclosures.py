"""The lines that open sealed fields: SHA-256 of a line is the digest in its entry."""

from collections.abc import Iterator

from app.exports.dossier import Dossier

PATH = "data/ledger/disclosures.jsonl"


def write(dossier: Dossier) -> Iterator[tuple[str, Iterator[bytes]]]:
    """In the order of the entries, fields by name. Left out of a package that opens nothing."""
    if dossier.opens is None or dossier.opens:
        yield PATH, (line + b"\n" for _, opened in dossier.opened() for line in opened.values())
