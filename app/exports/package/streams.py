"""The entries themselves, one file a stream: line n is entry n, byte for byte as it was logged."""

from collections.abc import Iterator
from itertools import groupby

from app.exports.custody_streams import CustodyEntry, withheld_line
from app.exports.dossier import Dossier
from app.kernel.primitives import canonical_json

PATH = "data/ledger/streams/"


def write(dossier: Dossier) -> Iterator[tuple[str, Iterator[bytes]]]:
    for stream, entries in groupby(dossier.entries(), lambda entry: entry.stream):
        yield f"{PATH}{stream}.jsonl", (_line(entry) + b"\n" for entry in entries)


def _line(entry: CustodyEntry) -> bytes:
    """Of an entry whose body was erased its place alone, without the stream, which is the file's name."""
    if entry.body is not None:
        return entry.body
    return canonical_json({name: value for name, value in withheld_line(entry).items() if name != "stream"})
