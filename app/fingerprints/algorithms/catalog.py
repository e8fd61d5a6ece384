"""Every algorithm there is, in one place. Add one here, and the contract test covers it."""

from collections.abc import Iterable

from app.fingerprints.algorithms.algorithm import Algorithm, Hash, Pixels, hashed_picture
from app.fingerprints.algorithms.image_hashes import COLORHASH, DHASH, PHASH, WHASH
from app.fingerprints.algorithms.pdq import PDQ

ALGORITHMS: tuple[Algorithm, ...] = (PDQ, PHASH, DHASH, WHASH, COLORHASH)


def rules_for(kind: str) -> tuple[str, ...]:
    """The versions of what is taken from a blob of this kind, ``image`` or ``video``."""
    return tuple(
        algorithm.version
        for algorithm in ALGORITHMS
        if (algorithm.applies_to_images if kind == "image" else algorithm.applies_to_frames)
    )


def compute_hashes(rgb: Pixels, algorithms: Iterable[Algorithm] = ALGORITHMS) -> list[tuple[Algorithm, Hash]]:
    """The hashes of one picture, which is reduced only once."""
    reduced = hashed_picture(rgb)
    return [(algorithm, algorithm.compute(reduced)) for algorithm in algorithms]
