"""RFC 3161 time stamps over the newest checkpoint that was stamped, as ``openssl ts`` takes them."""

from collections.abc import Iterator

from app.exports.dossier import Dossier, time_stamps

PATH = "data/anchors/"


def write(dossier: Dossier) -> Iterator[tuple[str, list[bytes]]]:
    """``<size>/checkpoint``: the exact bytes that were stamped; the whole messages beside it."""
    found = time_stamps(dossier)
    if found is None:
        return
    stamped, stamps = found
    folder = f"{PATH}{stamped.size}/"
    files = {f"{folder}checkpoint": stamped.note.encode()}
    for each in stamps:
        files |= {f"{folder}{each.authority}.tsq": each.request, f"{folder}{each.authority}.tsr": each.response}
    yield from ((path, [content]) for path, content in sorted(files.items()))
