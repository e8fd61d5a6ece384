"""Where a 3 × 3 matrix puts a place of one picture in another: laid flat upon it, or seen from the side. Pure.

Places are complex numbers, ``x + iy``. Of an affine transformation the last row is ``0 0 1``; of a screen or a sheet of
paper that was photographed it is not: what is further away is smaller.
"""

from typing import Any

import numpy as np

Array = np.ndarray[Any, np.dtype[Any]]

LARGEST_SCALE = 6.0
LARGEST_STRETCH = 1.4
"""The most that one direction may be scaled more than another: a plane that is seen 45° from the side."""
LARGEST_DEPTH = 1.5
"""So many times as far as its nearest corner may the furthest corner of a plane be from the camera."""
LARGEST_DEPTH_AROUND = 3.0
"""The same of all that the two pictures show besides, so that none of it lies behind the camera."""
FEWEST_FOR_TILT = 12
ROUNDS_OF_WEIGHTS = 2


def flat(matrix: Array) -> Array:
    """The 3 × 3 form of an affine transformation, 2 × 3."""
    return np.vstack([matrix, (0.0, 0.0, 1.0)])


def inverse(matrix: Array) -> Array:
    turned = np.linalg.inv(matrix)
    scaled: Array = turned / turned[2, 2]
    return scaled


def moved(matrix: Array, places: Array) -> Array:
    """Where it puts these places."""
    x, y, far = places.real, places.imag, depth(matrix, places)
    found: Array = np.array((matrix[0, 0] * x + matrix[0, 1] * y + matrix[0, 2]) / far, np.complex128)
    found += 1j * ((matrix[1, 0] * x + matrix[1, 1] * y + matrix[1, 2]) / far)
    return found


def depth(matrix: Array, places: Array) -> Array:
    """How far from the camera each place is, as a share of how far the place 0 is; below 0 lies behind it."""
    found: Array = matrix[2, 0] * places.real + matrix[2, 1] * places.imag + matrix[2, 2]
    return found


def around(matrix: Array, places: Array) -> Array:
    """``(places, 2, 2)``: what it does to the least surroundings of each place (the Jacobian)."""
    there = moved(matrix, places)
    rows = [
        [matrix[row, column] - part * matrix[2, column] for column in (0, 1)]
        for row, part in ((0, there.real), (1, there.imag))
    ]
    found: Array = np.moveaxis(np.array(np.broadcast_arrays(*rows[0], *rows[1])), 0, -1).reshape(*places.shape, 2, 2)
    return found / depth(matrix, places)[..., None, None]


def turns(matrix: Array, places: Array) -> Array:
    """Turn and scale around each place, as one complex number."""
    here = around(matrix, places)
    found: Array = (here[..., 0, 0] + here[..., 1, 1]) / 2 + 1j * (here[..., 1, 0] - here[..., 0, 1]) / 2
    return found


def is_possible(linear: Array) -> bool:
    """Whether somebody edits a picture, or a camera sees it, like that: 2 × 2, around a place."""
    long, short = np.linalg.svd(linear, compute_uv=False)
    return bool(
        linear[0, 0] * linear[1, 1] > linear[0, 1] * linear[1, 0]
        and long <= LARGEST_SCALE
        and short >= 1 / LARGEST_SCALE
        and long <= LARGEST_STRETCH * short
    )


def is_seen(matrix: Array, places: Array, around_them: Array) -> bool:
    """Whether a camera sees the plane like that, of which these places are: nowhere so far from the side, and not so
    much nearer at one end, that nobody would show it. ``around_them``: all places of its picture."""
    corners = _corners(places)
    if not (
        _is_before(matrix, corners, LARGEST_DEPTH) and _is_before(matrix, _corners(around_them), LARGEST_DEPTH_AROUND)
    ):
        return False
    return all(is_possible(linear) for linear in around(matrix, corners))


def _is_before(matrix: Array, corners: Array, largest: float) -> bool:
    far = depth(matrix, corners)
    return bool(far.min() > 0 and far.max() <= largest * far.min())


def _corners(places: Array) -> Array:
    low, high = complex(places.real.min(), places.imag.min()), complex(places.real.max(), places.imag.max())
    return np.array([low, complex(high.real, low.imag), high, complex(low.real, high.imag)])


def fitted(some: Array, others: Array, weights: Array) -> Array | None:
    """The projective transformation that puts these places where the others are, by least squares; ``weights``: how
    exactly each pair is known. None: the places say nothing of one.

    What is squared is how far a place lies off times its depth; so the second round divides by the depth.
    """
    (mine, to_mine), (theirs, to_theirs) = _centred(some), _centred(others)
    x, y, u, v = mine.real, mine.imag, theirs.real, theirs.imag
    one, zero = np.ones(len(x)), np.zeros(len(x))
    rows = np.concatenate(
        [
            np.stack([x, y, one, zero, zero, zero, -u * x, -u * y], axis=1),
            np.stack([zero, zero, zero, x, y, one, -v * x, -v * y], axis=1),
        ]
    )
    target, matrix, now = np.concatenate([u, v]), np.eye(3), weights
    for _ in range(ROUNDS_OF_WEIGHTS):
        twice = np.tile(now, 2)
        solved = np.linalg.lstsq(rows * twice[:, None], target * twice, rcond=None)[0]
        matrix = np.append(solved, 1.0).reshape(3, 3)
        far = depth(matrix, mine)
        if far.min() <= 0:
            return None
        now = weights / far
    found = np.linalg.inv(to_theirs) @ matrix @ to_mine
    return found / found[2, 2] if found[2, 2] > 0 else None


def _centred(places: Array) -> tuple[Array, Array]:
    """Around 0, on average 1 away from it, and the matrix that makes them so: then the least squares are well posed."""
    middle = places.mean()
    size = max(float(np.abs(places - middle).mean()), 1e-6)
    return (places - middle) / size, np.array([[1, 0, -middle.real], [0, 1, -middle.imag], [0, 0, size]]) / size
