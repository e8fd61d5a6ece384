"""The eight symmetries of a picture, under which it is searched with: mirrored and turned copies are found. Pure.

Only the query's side is transformed; what is searched holds each picture as it is.
"""

from collections.abc import Callable

import numpy as np

from app.fingerprints.algorithms.algorithm import Algorithm, Pixels
from app.fingerprints.algorithms.pdq import PDQ

IDENTITY = "identity"

SYMMETRIES: dict[str, Callable[[Pixels], Pixels]] = {
    IDENTITY: lambda rgb: rgb,
    "rotate_90": lambda rgb: np.rot90(rgb, -1),
    "rotate_180": lambda rgb: np.rot90(rgb, 2),
    "rotate_270": lambda rgb: np.rot90(rgb, 1),
    "mirror": lambda rgb: rgb[:, ::-1],
    "flip": lambda rgb: rgb[::-1],
    "transpose": lambda rgb: rgb.transpose(1, 0, 2),
    "transverse": lambda rgb: np.rot90(rgb, 2).transpose(1, 0, 2),
}
"""What is done to the picture, by name; turns are clockwise, in degrees."""

INVERSE = {**{name: name for name in SYMMETRIES}, "rotate_90": "rotate_270", "rotate_270": "rotate_90"}

_SEARCHED_IN_ALL_VIEWS = frozenset({PDQ.version})


def views_of(algorithm: Algorithm, rgb: Pixels) -> list[tuple[str, Pixels]]:
    """The views of a picture that are hashed by this algorithm: name and pixels, the picture itself first."""
    names = SYMMETRIES if algorithm.version in _SEARCHED_IN_ALL_VIEWS else (IDENTITY,)
    return [(name, np.ascontiguousarray(SYMMETRIES[name](rgb))) for name in names]
