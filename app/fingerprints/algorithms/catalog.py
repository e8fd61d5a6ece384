"""Every algorithm there is, in one place. Add one here, and the contract test covers it."""

from collections.abc import Iterable

from app.fingerprints.algorithms.algorithm import Algorithm, Hash, Pixels, hashed_picture
from app.fingerprints.algorithms.image_hashes import COLORHASH, DHASH, PHASH, WHASH
from app.fingerprints.algorithms.pdq import PDQ

ALGORITHMS: tuple[Algorithm, ...] = (PDQ, PHASH, DHASH, WHASH, COLORHASH)


def compute_hashes(rgb: Pixels, algorithms: Iterable[Algorithm] = ALGORITHMS) -> list[tuple[Algorithm, Hash]]:
    """The hashes of one picture, which is reduced only once."""
    reduced = hashed_picture(rgb)
    return [(algorithm, algorithm.compute(reduced)) for algorithm in algorithms]
