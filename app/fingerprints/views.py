"""The eight symmetries of a picture, under which it is searched with: mirrored and turned copies are found. Pure.

Only the query's side is transformed; what is searched holds each picture as it is.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from app.fingerprints.algorithms.algorithm import Algorithm, Hash, Pixels, Reduced
from app.fingerprints.algorithms.pdq import PDQ

Array = np.ndarray[Any, Any]

IDENTITY = "identity"

SYMMETRIES: dict[str, Callable[[Array], Array]] = {
    IDENTITY: lambda picture: picture,
    "rotate_90": lambda picture: np.rot90(picture, -1),
    "rotate_180": lambda picture: np.rot90(picture, 2),
    "rotate_270": lambda picture: np.rot90(picture, 1),
    "mirror": lambda picture: picture[:, ::-1],
    "flip": lambda picture: picture[::-1],
    "transpose": lambda picture: np.swapaxes(picture, 0, 1),
    "transverse": lambda picture: np.swapaxes(np.rot90(picture, 2), 0, 1),
}
"""What is done to the picture, by name; turns are clockwise, in degrees."""

INVERSE = {**{name: name for name in SYMMETRIES}, "rotate_90": "rotate_270", "rotate_270": "rotate_90"}


def hashes_in_views(algorithm: Algorithm, picture: Pixels | Reduced) -> list[tuple[str, Hash]]:
    """The picture's hash by this algorithm, first as it is; by PDQ in all eight views, reduced to luma only once."""
    if algorithm.version != PDQ.version:
        return [(IDENTITY, algorithm.compute(picture))]
    return list(PDQ.of_luma_in_symmetries(PDQ.luma_of(picture)).items())
