"""``exhibit calibrate DIR``: what each threshold finds, and finds wrongly, on the user's own files.

It needs no database and no server, and sends nothing anywhere. Files are decoded where evidence is, in the jail; so are
the edits that it makes itself, where DIR tells no copies. Written are a table (text, CSV, JSON) and a drawing (SVG).
"""

import argparse
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from PIL import Image

from app.fingerprints.algorithms.algorithm import Pixels
from app.fingerprints.algorithms.catalog import CATALOG
from app.fingerprints.algorithms.reducing import without_fourth
from app.fingerprints.calibration import Asked, Curve, Taken, Together, measure, new_curves
from app.fingerprints.calibration_edits import EDITS, edited
from app.fingerprints.calibration_files import escaped, read_files
from app.fingerprints.calibration_report import as_csv, as_json, as_svg, as_text
from app.fingerprints.hasher import Hasher
from app.fingerprints.matching import Prints
from app.fingerprints.pictures import HeldPictures
from app.kernel.errors import Misconfigured
from app.kernel.settings import Settings
from app.media.frames import WorkingFrames
from app.media.jail.decoder import Decoder, DecoderDied
from app.media.jail.result import DecodeOutcome
from app.media.limits import decode_limits

MADE = "made by exhibit calibrate"


def calibrate(settings: Settings, options: argparse.Namespace) -> int:
    """1 where a file could not be decoded (the others are measured); Misconfigured where nothing can be measured, or
    written.

    Names come from whoever made the files: they are escaped as soon as a file is open, so all that is written has
    them so.
    """
    files, out = read_files(options.directory), options.out
    originals = _some(files.originals, options.most)
    copies = {name: of & set(originals) for name, of in files.copies.items() if not of or of & set(originals)}
    _make(out)
    left_out: list[str] = []
    with Decoder(decode_limits(settings), mode=settings.decoder_jail, without_fourth=without_fourth) as decoder:
        reader = _Reader(decoder, options.directory, left_out)
        known = [(taken, shown) for taken, shown in map(reader.take, originals) if taken is not None]
        if len(known) < 2:
            raise Misconfigured("At least two originals that can be decoded are needed: pairs are measured.")
        asked = _known_copies(reader, copies) if files.copies else _made_copies(decoder, known, options.edits_of)
        curves, together = _measured([taken for taken, _ in known], asked)
    facts = {
        "directory": escaped(str(options.directory)),
        "originals": len(known),
        "originals_left_out": len(files.originals) - len(originals),
        "copies_are": "known" if files.copies else MADE,
        "not_decoded": left_out,
        "symbolic_links": [escaped(name) for name in files.links],
    }
    _write(out, curves, together, facts)
    return 1 if left_out else 0


def _make(out: Path) -> None:
    """Before anything is measured. Raises Misconfigured."""
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise Misconfigured(
            f"--out {escaped(str(out))}: no directory, nor can one be made: {error.strerror}."
        ) from None


def _some(names: list[str], most: int) -> list[str]:
    """At most so many, evenly."""
    if len(names) <= most:
        return names
    sys.stderr.write(f"exhibit: {most} of {len(names)} originals are measured (--most)\n")
    return [names[number * len(names) // most] for number in range(most)]


class _Reader:
    def __init__(self, decoder: Decoder, directory: Path, left_out: list[str]) -> None:
        self._decoder = decoder
        self._directory = directory
        self._left_out = left_out

    def take(self, name: str) -> tuple[Taken | None, Pixels | None]:
        """What is taken from evidence, by the same code; and the picture that stands for it."""
        fd = os.open(self._directory / name, os.O_RDONLY | os.O_NOFOLLOW)
        try:
            found = _take(self._decoder, fd, escaped(name))
        finally:
            os.close(fd)
        if found is None:
            self._left_out.append(escaped(name))
            return None, None
        _say(f"decoded {escaped(name)}")
        return found


def _take(decoder: Decoder, fd: int, name: str) -> tuple[Taken, Pixels | None] | None:
    """None: it cannot be decoded."""
    frames = WorkingFrames()
    hasher = Hasher(CATALOG.current, on_shot=frames.take_shot, on_further=frames.take_further)
    try:
        decoded = decoder.decode(fd, hasher.take_frame, None, hasher.take_picture)
    except DecoderDied:
        return None
    hasher.end_video(decoded.end_ms)
    if decoded.outcome is not DecodeOutcome.DECODED or not hasher.prints:
        return None
    is_video = decoded.sniffed is not None and decoded.sniffed.kind == "video"
    pictures = HeldPictures(frames.jpegs)
    prints = Prints(is_video, tuple(hasher.prints), tuple(hasher.features), pictures=pictures)
    return Taken(name, prints), hasher.shown


def _known_copies(reader: _Reader, copies: dict[str, frozenset[str]]) -> Iterator[Asked]:
    for name, of in copies.items():
        taken, _ = reader.take(name)
        if taken is not None:
            yield Asked(taken, frozenset(map(escaped, of)))


def _made_copies(decoder: Decoder, known: list[tuple[Taken, Pixels | None]], edits_of: int) -> Iterator[Asked]:
    """Edits of the shown picture of some of the originals; of a video they are stills. They lie in memory only."""
    for taken, shown in known[:: max(1, len(known) // edits_of)][:edits_of]:
        if shown is None:
            continue
        picture = Image.fromarray(shown)
        for edit in EDITS:
            fd = _in_memory(edited(picture, edit, taken.name))
            try:
                found = _take(decoder, fd, f"{taken.name} ({edit})")
            finally:
                os.close(fd)
            if found is not None:
                yield Asked(found[0], frozenset({taken.name}))


def _in_memory(content: bytes) -> int:
    """A descriptor as the jail takes it: for reading only, of a file that no path leads to."""
    written = os.memfd_create("edit", os.MFD_CLOEXEC)
    with os.fdopen(written, "wb") as file:
        file.write(content)
        file.flush()
        return os.open(f"/proc/self/fd/{written}", os.O_RDONLY)


def _measured(originals: list[Taken], asked: Iterator[Asked]) -> tuple[dict[str, Curve], Together]:
    """Every file that is asked about with every original; and the originals with each other, which are unrelated."""
    curves, together = new_curves(), Together()
    for number, one in enumerate(originals):
        for other in originals[:number]:
            measure(curves, together, Asked(one, frozenset()), other)
        _say(f"compared {one.name}")
    for copy in asked:
        for original in originals:
            measure(curves, together, copy, original)
        _say(f"compared {copy.taken.name}")
    return curves, together


def _write(out: Path, curves: dict[str, Curve], together: Together, facts: dict[str, Any]) -> None:
    text = as_text(curves, together)
    (out / "calibration.txt").write_text(text, encoding="utf-8")
    (out / "calibration.csv").write_text(as_csv(curves), encoding="utf-8")
    (out / "calibration.json").write_text(as_json(curves, together, facts), encoding="utf-8")
    (out / "calibration.svg").write_text(as_svg(curves), encoding="utf-8")
    sys.stdout.write(f"{text}\ncopies: {facts['copies_are']}\n")
    for name in facts["not_decoded"]:
        sys.stdout.write(f"not decoded, and left out: {name}\n")
    for name in facts["symbolic_links"]:
        sys.stdout.write(f"a symbolic link, and left out: {name}\n")
    sys.stdout.write(f"written: calibration.txt, .csv, .json and .svg in {escaped(str(out))}\n")


def _say(what: str) -> None:
    """Progress, where somebody looks."""
    if sys.stderr.isatty():
        sys.stderr.write(f"\r\x1b[K{what[:100]}")
        sys.stderr.flush()
