"""``make corpus``: fetches the sources and writes references, queries and ``manifest.json`` into ``.corpus``.

``python -m benchmarks.corpus [--directory .corpus] [--seed 1] [--split tune|test] [--photographs N] [--videos N]``
Of fewer sources than there are, those that the seed chooses: real videos before filmed photographs, and a piece of
every film before a second piece of one.

Of every five sources one is unknown: its edits are queries that must match nothing. Of every fifteen photographs one is
filmed (a pan by hand) instead of being a photograph. The same seed gives the same files, with the same libraries.
"""

import argparse
import json
import os
import shutil
import zlib
from collections import Counter
from collections.abc import Callable, Iterable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict
from fractions import Fraction
from functools import partial
from pathlib import Path
from random import Random
from typing import Any

from PIL import Image

from benchmarks.corpus import photograph_edits, sources, video_edits
from benchmarks.corpus.sources import Source
from benchmarks.corpus.video_edits import FRAMES_PER_S, Clip, Span
from benchmarks.matching_scores import film_of

UNKNOWN_EVERY = 5
PAN_EVERY = 15
JPEG_QUALITY = 85

Row = dict[str, Any]


def is_unknown(source: Source) -> bool:
    """All pieces of a film, or none: what is known of one is seen in others."""
    return zlib.crc32(film_of(source.name).encode()) % UNKNOWN_EVERY == 0


def is_filmed(source: Source) -> bool:
    return source.kind == "photograph" and int(source.name[:8], 16) // 11 % PAN_EVERY == 0


class Writer:
    """Writes one source's files and remembers what they are."""

    def __init__(self, directory: Path, source: Source, seed: int) -> None:
        self._directory = directory
        self.source = source
        self._seed = seed
        self.references: list[Row] = []
        self.queries: list[Row] = []

    def random(self, edit: str) -> Random:
        return Random(f"{self._seed} {self.source.name} {edit}")

    def reference(self, kind: str, suffix: str, write: Callable[[Path], None]) -> None:
        path = self._path("references", kind, suffix)
        write(path)
        row = {"id": self.source.name, "kind": kind, "split": self.source.split}
        self.references.append(row | {"file": str(path.relative_to(self._directory))})

    def query(self, kind: str, edit: str, suffix: str, write: Callable[[Path], None], spans: list[Span]) -> None:
        path = self._path(f"queries/{kind}s", edit, suffix)
        write(path)
        found = [asdict(span) for span in spans]
        row = {"kind": kind, "edit": edit, "split": self.source.split, "of": self.source.name, "sources": found}
        self.queries.append(row | {"file": str(path.relative_to(self._directory))})

    def _path(self, folder: str, name: str, suffix: str) -> Path:
        path = self._directory / folder / name / f"{self.source.name}{suffix}"
        path.parent.mkdir(parents=True, exist_ok=True)
        return path


def still_of(*names: str) -> list[Span]:
    return [Span(name, 0, 0, 0, 0) for name in names]


def known(*found: Source) -> list[str]:
    """Those of the sources that are references: only these can be found."""
    return [source.name for source in found if not is_unknown(source)]


def make_photograph(directory: Path, seed: int, source: Source, others: list[Source]) -> tuple[list[Row], list[Row]]:
    """The reference, unless unknown, and a query by every edit."""
    writer, picture = Writer(directory, source, seed), sources.photograph_pixels(source)

    def jpeg(image: Image.Image) -> Callable[[Path], None]:
        return lambda path: image.save(path, "JPEG", quality=JPEG_QUALITY)

    if not is_unknown(source):
        writer.reference("photograph", ".jpg", lambda path: picture.save(path, "JPEG", quality=92))
    for name, edit in photograph_edits.EDITS.items():
        edited = edit(picture, writer.random(name))
        writer.query("photograph", name, ".jpg", jpeg(edited), still_of(*known(source)))
    writer.query(
        "photograph", "webp", ".webp", lambda path: picture.save(path, "WEBP", quality=60), still_of(*known(source))
    )
    seen = [sources.photograph_pixels(other) for other in others]
    inset = photograph_edits.picture_in_picture(picture, seen[0], writer.random("inset"))
    writer.query("photograph", "picture_in_picture", ".jpg", jpeg(inset), still_of(*known(source, others[0])))
    for name, arrange, beside in (("collage", photograph_edits.collage, 3), ("collage9", photograph_edits.collage9, 8)):
        collage = arrange([picture, *seen[:beside]])
        writer.query("photograph", name, ".jpg", jpeg(collage), still_of(*known(source, *others[:beside])))
    return writer.references, writer.queries


def clip_of(source: Source, seed: int) -> Clip:
    if source.kind == "video":
        return video_edits.read_clip(source)
    return video_edits.pan(sources.photograph_pixels(source), Random(f"{seed} {source.name} pan"))


def make_video(directory: Path, seed: int, source: Source, others: list[Source]) -> tuple[list[Row], list[Row]]:
    writer, clip = Writer(directory, source, seed), clip_of(source, seed)
    length_s = float(len(clip) / FRAMES_PER_S)
    mine = [] if is_unknown(source) else [source.name]

    def query(edit: str, edited: Clip, spans: list[Span], **options: Any) -> None:
        writer.query("video", edit, ".mp4", lambda path: video_edits.write_clip(edited, path, **options), spans)

    if mine:
        writer.reference("video", ".mp4", lambda path: video_edits.write_clip(clip, path, crf=20))
    for name, edit in video_edits.SAME_TIMES.items():
        whole = [Span(one, 0, length_s, 0, length_s) for one in mine]
        query(name, edit(clip, writer.random(name)), whole, crf=32 if name == "reencoded" else 26)
    part, start_s = video_edits.excerpt(clip, writer.random("excerpt"))
    part_s = float(len(part) / FRAMES_PER_S)
    query("excerpt", part, [Span(one, 0, part_s, start_s, start_s + part_s) for one in mine])
    intro = video_edits.title()
    intro_s = float(len(intro) / FRAMES_PER_S)
    size = clip[0].size
    begun = [image.resize(size) for image in intro] + clip
    query("intro", begun, [Span(one, intro_s, intro_s + length_s, 0, length_s) for one in mine])
    for name, slower in (("slowed", Fraction(5, 4)), ("slow_motion", Fraction(2)), ("quickened", Fraction(4, 5))):
        shown_s = length_s * float(slower)
        query(name, clip, [Span(one, 0, shown_s, 0, length_s) for one in mine], rate=FRAMES_PER_S / slower)
    _make_recut(query, clip, intro, mine)
    query("reversed", clip[::-1], [Span(one, 0, length_s, length_s, 0) for one in mine])
    other_clips = [clip_of(other, seed) for other in others]
    reaction = video_edits.reaction(clip, other_clips[0])
    behind = [Span(one, 0, length_s, 0, length_s) for one in [*mine, *known(others[0])]]
    query("reaction", reaction, behind)
    _make_compilation(query, writer, [source, *others], [clip, *other_clips])
    for number in range(4):
        place = writer.random(f"still {number}").randrange(len(clip))
        at_s = float(place / FRAMES_PER_S)
        image = photograph_edits.EDITS["messenger"](clip[place], writer.random("still"))
        spans = [Span(one, 0, 0, at_s, at_s) for one in mine]
        writer.query("still", f"still_{number}", ".jpg", partial(image.save, format="JPEG", quality=80), spans)
    return writer.references, writer.queries


def _make_recut(query: Callable[..., None], clip: Clip, intro: Clip, mine: list[str]) -> None:
    """An intro and hard cuts: the last third first, then the first third, the middle left out."""
    third, size = len(clip) // 3, clip[0].size
    part_s, begin_s = float(third / FRAMES_PER_S), float(len(intro) / FRAMES_PER_S)
    last_s = float((len(clip) - third) / FRAMES_PER_S)
    cut = [*(image.resize(size) for image in intro), *clip[len(clip) - third :], *clip[:third]]
    spans = [Span(one, begin_s, begin_s + part_s, last_s, last_s + part_s) for one in mine]
    spans += [Span(one, begin_s + part_s, begin_s + 2 * part_s, 0, part_s) for one in mine]
    query("recut", cut, spans)


def _make_compilation(query: Callable[..., None], writer: Writer, used: list[Source], clips: list[Clip]) -> None:
    joined: Clip = []
    spans: list[Span] = []
    size = clips[0][0].size
    for number, (source, clip) in enumerate(zip(used, clips, strict=True)):
        part, start_s = video_edits.excerpt(clip, writer.random(f"part {number}"))
        begin_s, length_s = float(len(joined) / FRAMES_PER_S), float(len(part) / FRAMES_PER_S)
        joined += [image.resize(size) for image in part]
        spans += [Span(name, begin_s, begin_s + length_s, start_s, start_s + length_s) for name in known(source)]
    query("compilation", joined, spans)


def each_film_first(drawn: Iterable[Source]) -> list[Source]:
    """One piece of every film, then a second of those that have more, and so on, otherwise as they were drawn."""
    before: Counter[str] = Counter()
    turns: list[tuple[int, Source]] = []
    for source in drawn:
        turns.append((before[film_of(source.name)], source))
        before[film_of(source.name)] += 1
    return [source for _, source in sorted(turns, key=lambda turn: turn[0])]


def chosen_sources(directory: Path, options: argparse.Namespace) -> tuple[list[Source], list[Source]]:
    """The videos, those filmed from photographs last, and the photographs."""
    found = sources.photographs(directory)
    kinds = [sources.videos(directory), [*filter(is_filmed, found)], [one for one in found if not is_filmed(one)]]
    drawn = []
    for kind in kinds:
        kept = [source for source in kind if options.split in (None, source.split)]
        drawn.append(sorted(kept, key=lambda source: Random(f"{options.seed} {source.name} drawn").random()))
    return [*each_film_first(drawn[0]), *drawn[1]][: options.videos], drawn[2][: options.photographs]


def drawn_beside(source: Source, chosen: Iterable[Source], counts: Iterable[int], seed: int) -> list[Source]:
    """Others of the same split, drawn in turns of so many each: a turn more changes nothing that was drawn before."""
    left = [other for other in chosen if other.split == source.split and other is not source]
    drawn: list[Source] = []
    for turn, count in enumerate(counts):
        random = Random(f"{seed} {source.name}" + f" {turn}" * bool(turn))
        drawn += random.sample(left, min(count, len(left)))
        left = [other for other in left if other not in drawn]
    return drawn


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--directory", type=Path, default=Path(".corpus"))
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--split", choices=("tune", "test"), help="sources of one split alone")
    parser.add_argument("--photographs", type=int, default=1000, help="at most so many")
    parser.add_argument("--videos", type=int, default=1000, help="at most so many")
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1)
    options = parser.parse_args()
    directory: Path = options.directory
    sources.fetch(directory / "sources")
    videos, photographs = chosen_sources(directory / "sources", options)
    for made in ("references", "queries"):
        shutil.rmtree(directory / made, ignore_errors=True)
    references: list[Row] = []
    queries: list[Row] = []
    with ProcessPoolExecutor(options.processes) as pool:
        work = []
        for make, chosen, beside in ((make_photograph, photographs, (3, 5)), (make_video, videos, (2,))):
            for source in chosen:
                others = drawn_beside(source, chosen, beside, options.seed)
                work.append(pool.submit(make, directory, options.seed, source, others))
        for number, done in enumerate(work, 1):
            more_references, more_queries = done.result()
            references += more_references
            queries += more_queries
            print(f"\r{number} of {len(work)} sources", end="", flush=True)
            manifest = {"seed": options.seed, "references": references, "queries": queries}
            (directory / "manifest.json").write_text(json.dumps(manifest, indent=1), encoding="utf-8")
    print(f"\r{len(references)} references, {len(queries)} queries in {directory}")


if __name__ == "__main__":
    main()
