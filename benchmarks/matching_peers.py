"""What others find on the same files: ImageHash, pdqhash, PDQ under its symmetries, vPDQ's rule, TMK of perception.

``python -m benchmarks.matching_peers QUESTION.json ANSWER.json``, run by the peers' own Python (``make bench-matching``
installs it apart from ours, since their dependencies are others than ours): it imports nothing of Exhibit.

Each peer gives every pair of query and reference a score, the higher the surer, and says from which score on it calls
the two a match: its own documented threshold. Nothing is indexed, so no candidate is lost.
"""

import hashlib
import json
import pickle
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av
import imagehash
import numpy as np
import pdqhash
from perception.hashers import TMKL1, TMKL2  # type: ignore[import-not-found, unused-ignore]
from PIL import Image, ImageOps

Scores = list[list[Any]]
"""Of one query: ``[reference, score, is a match]``, of the references that score anything."""

PDQ_BITS, PDQ_QUALITY = 31, 50
VPDQ_FRAMES_PERCENT = 80
"""vPDQ's rule as its reference implementation's default: so many of the query's frames are within PDQ's threshold."""
TMK_LEVEL = 0.7
"""TMK's documented first threshold."""
TMK_FRAMES_PER_S = 15
KEPT_SCORES = 20


@dataclass
class Peer:
    """``take`` reads a file; ``compare`` gives the score of a query and a reference, and whether they match."""

    name: str
    take: Callable[[Path], Any]
    compare: Callable[[Any, Any], tuple[float, bool]]


def picture(path: Path) -> Image.Image:
    with Image.open(path) as image:
        return ImageOps.exif_transpose(image).convert("RGB")


def hash_peer(name: str, function: Callable[[Image.Image], imagehash.ImageHash], threshold_bits: int) -> Peer:
    def compare(query: imagehash.ImageHash, reference: imagehash.ImageHash) -> tuple[float, bool]:
        distance = int(query - reference)
        return -float(distance), distance <= threshold_bits

    return Peer(name, lambda path: function(picture(path)), compare)


def compare_segments(query: imagehash.ImageMultiHash, reference: imagehash.ImageMultiHash) -> tuple[float, bool]:
    """The library's own rule: one segment that matches."""
    segments, distance = query.hash_diff(reference)
    return segments - distance / 10_000, bool(query.matches(reference, region_cutoff=1))


def pdq_views(path: Path, symmetries: bool) -> list[tuple[np.ndarray, int]]:
    rgb = np.asarray(picture(path))
    if not symmetries:
        value, quality = pdqhash.compute(rgb)
        return [(np.packbits(value), quality)]
    values, quality = pdqhash.compute_dihedral(rgb)
    return [(np.packbits(value), quality) for value in values]


def bits_between(first: np.ndarray, second: np.ndarray) -> int:
    return int(np.unpackbits(first ^ second).sum())


def compare_pdq(query: list[Any], reference: list[Any]) -> tuple[float, bool]:
    """The reference as it is, the query in each of its views; nothing of what is too flat."""
    value, quality = reference[0]
    distance = min(bits_between(mine, value) for mine, _ in query)
    is_match = distance <= PDQ_BITS and min(quality, query[0][1]) >= PDQ_QUALITY
    return -float(distance), is_match


def frames(path: Path, per_second: float) -> Iterator[tuple[float, np.ndarray]]:
    """A picture is a video of one frame."""
    if path.suffix != ".mp4":
        yield 0.0, np.asarray(picture(path))
        return
    with av.open(str(path)) as container:
        next_s = 0.0
        for frame in container.decode(video=0):
            at_s = float(frame.time or 0)
            if at_s >= next_s:
                next_s += 1 / per_second
                yield at_s, np.ascontiguousarray(frame.to_ndarray(format="rgb24"))


def vpdq_frames(path: Path) -> np.ndarray:
    """PDQ of one frame a second, of those with quality: n × 32 bytes."""
    found = [pdqhash.compute(rgb) for _, rgb in frames(path, 1.0)]
    return np.array([np.packbits(value) for value, quality in found if quality >= PDQ_QUALITY], np.uint8).reshape(
        -1, 32
    )


def compare_vpdq(query: np.ndarray, reference: np.ndarray) -> tuple[float, bool]:
    if not len(query) or not len(reference):
        return -1.0, False
    distances = np.bitwise_count(query[:, None, :] ^ reference[None, :, :]).sum(axis=2).min(axis=1)
    percent = 100.0 * float((distances <= PDQ_BITS).mean())
    return percent - float(distances.mean()) / 256, percent >= VPDQ_FRAMES_PERCENT


def tmk_peer(name: str, hasher: Any, compare: Callable[[np.ndarray, np.ndarray], float]) -> Peer:
    def take(path: Path) -> np.ndarray:
        """Without frames too even to be hashed, at which the library stops."""
        state = None
        for number, (at_s, rgb) in enumerate(frames(path, TMK_FRAMES_PER_S)):
            if float(rgb.std()) > 20 or hasher.frame_hasher.compute(rgb, hash_format="vector") is not None:
                state = hasher.process_frame(frame=rgb, frame_index=number, frame_timestamp=at_s, state=state)
        found = None if state is None else hasher.hash_from_final_state(state)
        return np.zeros(hasher.hash_length, np.float32) if found is None else np.asarray(found, np.float32)

    def scored(query: np.ndarray, reference: np.ndarray) -> tuple[float, bool]:
        score = compare(query, reference)
        return score, score >= TMK_LEVEL

    return Peer(name, take, scored)


def cosine(first: np.ndarray, second: np.ndarray) -> float:
    return float(first @ second / max(float(np.linalg.norm(first) * np.linalg.norm(second)), 1e-9))


def peers_of(section: str) -> list[Peer]:
    if section == "photograph":
        return [
            hash_peer("ImageHash phash ≤10", imagehash.phash, 10),
            hash_peer("ImageHash dhash ≤10", imagehash.dhash, 10),
            hash_peer("ImageHash whash ≤6", imagehash.whash, 6),
            Peer(
                "ImageHash crop_resistant",
                lambda p: imagehash.crop_resistant_hash(_small(picture(p))),
                compare_segments,
            ),
            Peer("pdqhash ≤31", lambda path: pdq_views(path, symmetries=False), compare_pdq),
            Peer("pdqhash, 8 symmetries", lambda path: pdq_views(path, symmetries=True), compare_pdq),
        ]
    found = [Peer("vPDQ's rule", vpdq_frames, compare_vpdq)]
    if section == "video":
        l2 = TMKL2()
        found += [
            tmk_peer("perception TMKL1", TMKL1(), cosine),
            tmk_peer("perception TMKL2", l2, lambda a, b: 1.0 - float(np.min(l2._compute_distance(a, b)))),
        ]
    return found


def _small(image: Image.Image) -> Image.Image:
    """Its segmentation of 2 megapixels takes seconds; it works on 300 pixels itself."""
    image.thumbnail((512, 512))
    return image


def taken_of(peer: Peer, directory: Path, references: list[Any], kept: Path) -> list[tuple[str, Any]]:
    """Of each reference what the peer takes: read once, and kept, by ourselves, for the next question."""
    path = kept.with_suffix(f".{hashlib.sha256(peer.name.encode()).hexdigest()[:8]}")
    if path.exists():
        found: list[tuple[str, Any]] = pickle.loads(path.read_bytes())
        return found
    found = [(row["id"], peer.take(directory / row["file"])) for row in references]
    fresh = path.with_suffix(".part")
    fresh.write_bytes(pickle.dumps(found))
    fresh.rename(path)
    return found


def answers_of(peer: Peer, directory: Path, known: list[tuple[str, Any]], queries: list[Any]) -> dict[str, Any]:
    """Per query its best scores and every match; and the processor time of a file and of a pair."""
    taken_s = compared_s = 0.0
    answers: dict[str, Scores] = {}
    for row in queries:
        before = time.process_time()
        asked = peer.take(directory / row["file"])
        taken_s += time.process_time() - before
        before = time.process_time()
        scored: Scores = [[name, *peer.compare(asked, reference)] for name, reference in known]
        compared_s += time.process_time() - before
        scored.sort(key=lambda one: -one[1])
        answers[row["file"]] = [one for place, one in enumerate(scored) if place < KEPT_SCORES or one[2]]
    pairs = max(1, len(known) * len(queries))
    costs = {"ms_a_file": taken_s * 1000 / max(1, len(queries)), "us_a_pair": compared_s * 1e6 / pairs}
    return {"answers": answers, "costs": costs}


def main() -> None:
    question = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    directory, kept, found = Path(question["directory"]), Path(question["kept"]), {}
    for peer in peers_of(question["section"]):
        known = taken_of(peer, directory, question["references"], kept)
        found[peer.name] = answers_of(peer, directory, known, question["queries"])
        print(f"  {peer.name}: done", flush=True)
    Path(sys.argv[2]).write_text(json.dumps(found), encoding="utf-8")


if __name__ == "__main__":
    main()
