"""Whether two pictures show the same where a geometry lays the one upon the other. Pure.

Points are corners, and everything of one layout has its corners at the same places: spreadsheets with other figures,
forms with other names, façades of equal windows, pages around other pictures. What lies between the corners tells them
apart. So the one picture is laid upon the other as its points say, and both are compared cell by cell, by the
correlation of their brightness: it regards neither contrast nor brightness, so a colour filter, another encoder or a
paler print changes little; and a sticker, a caption or a blurred face changes the cells that it covers.

A cell that is alike has to be so by the contrast that the others have, too, and where one picture is bright the other
is: a window that is lit and one that is not are alike but for that, and so are two bricks. Cells in which either
picture has nothing to see say nothing. Measured: docs/decisions/0037.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from PIL import Image

from app.fingerprints.projective import around, inverse

Array = np.ndarray[Any, np.dtype[Any]]
Luma = np.ndarray[Any, np.dtype[np.uint8]]
"""Height × width, brightness."""

LEAST_ALIKE = 0.7
"""So much of what both pictures show is to be alike; else their points are those of a layout."""
CELL_PIXELS = 24
"""A side of the small cells: some letters. Large cells are two by two of them."""
FEWEST_CELLS = 8
"""Fewer say nothing."""
LEAST_CORRELATION = 0.7
LARGEST_GAIN = 0.5
"""Powers of two by which a cell's contrast may have changed more or less than it did in most."""
LEAST_BRIGHTNESS = 0.75
"""The correlation of what is bright and dark among cells of one pattern. Of edited photographs 0.84 and more, of walls
of bricks and of façades 0.7 and less: below, what is alike counts for so much less."""
FAINTEST, FAINTEST_OF_ALL, FAINT_SHARE = 3.0, 8.0, 0.15
"""What a cell shows is something from this standard deviation on: a share of that of the whole, between these."""
_CORNER = np.array([[1, 0, 0.5], [0, 1, 0.5], [0, 0, 1]])
"""From the middle of a pixel to its corner."""
OFFSETS = (-3, -1, 0, 1, 3)
"""Pixels by which a cell may lie elsewhere: paper bends, and a screen is photographed from the side."""


def share_alike(query: Luma, reference: Luma, matrix: Array) -> float | None:
    """Of what both show, how much is alike, from 0 to 1; None: too little can be compared.

    ``matrix``: 3 × 3, from the query's pixels to the reference's. The same whichever of the two is called the query.
    """
    if (reference.shape, reference.tobytes()) < (query.shape, query.tobytes()):
        query, reference, matrix = reference, query, inverse(matrix)
    small = _Cells.of(*_laid(query, reference, matrix))
    if small is None:
        return None
    found = small.compared()
    if found is None:
        return None
    of_large = small.large().compared()
    share = found.share if of_large is None else (found.share + of_large.share) / 2
    return share if found.brightness >= LEAST_BRIGHTNESS else share * max(0.0, found.brightness)


def _laid(query: Luma, reference: Luma, matrix: Array) -> tuple[Array, Array, Array]:
    """Both pictures at the scale of the coarser one, in the reference's place; and where the query reaches."""
    height, width = query.shape
    scale = float(np.sqrt(abs(np.linalg.det(around(matrix, np.array(complex(width, height) / 2))))))
    mine, theirs = _reduced(query, scale), _reduced(reference, 1 / scale)
    back = _matrix_of(query, mine) @ inverse(matrix) @ inverse(_matrix_of(reference, theirs))
    # Pillow asks from where the middle of each pixel comes, and counts from its corner.
    back = _CORNER @ back @ inverse(_CORNER)
    data = (back / back[2, 2]).ravel()[:8].tolist()
    moved = mine.transform(theirs.size, Image.Transform.PERSPECTIVE, data, Image.Resampling.BICUBIC)
    whole = Image.new("L", mine.size, 255)
    is_there = whole.transform(theirs.size, Image.Transform.PERSPECTIVE, data, Image.Resampling.NEAREST)
    return np.asarray(moved, np.float32), np.asarray(theirs, np.float32), np.asarray(is_there) > 0


def _reduced(picture: Luma, scale: float) -> Image.Image:
    image = Image.fromarray(np.ascontiguousarray(picture))
    if scale >= 1:
        return image
    size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
    return image.resize(size, Image.Resampling.BOX)


def _matrix_of(picture: Luma, reduced: Image.Image) -> Array:
    """From the picture's pixels to those of the reduced one; a pixel's place is its middle."""
    x, y = reduced.width / picture.shape[1], reduced.height / picture.shape[0]
    return np.array([[x, 0, (x - 1) / 2], [0, y, (y - 1) / 2], [0, 0, 1]])


class _Compared(NamedTuple):
    share: float
    """Of the cells that say something, how many are alike."""
    brightness: float
    """How the brightness of those goes along, as a correlation."""


class _Cells:
    """Sums over the cells of both pictures, for every offset: what correlations are made of."""

    def __init__(self, area: float, sums: Array, is_whole: Array) -> None:
        self._area = area
        self._sums = sums
        """Offsets × 5 × rows × columns: of the query, its squares, the reference, its squares, their products."""
        self._is_whole = is_whole

    @classmethod
    def of(cls, query: Array, reference: Array, is_there: Array) -> "_Cells | None":
        """None where there is no room for a few cells."""
        rows, columns = ((side - 2 * OFFSETS[-1]) // CELL_PIXELS for side in reference.shape)
        if rows * columns < FEWEST_CELLS or rows < 1 or columns < 1:
            return None
        here = _at(0, 0, rows, columns)
        query, r = query - 128, reference[here] - 128
        fixed = _summed(r, rows, columns), _summed(r * r, rows, columns)
        sums = []
        for y, x in _offsets():
            q = query[_at(y, x, rows, columns)]
            ours = _summed(q, rows, columns), _summed(q * q, rows, columns)
            sums.append([*ours, *fixed, _summed(q * r, rows, columns)])
        is_whole = _summed(is_there[here].astype(np.float32), rows, columns) >= 0.99 * CELL_PIXELS**2
        return cls(CELL_PIXELS**2, np.array(sums, np.float64), is_whole)

    def large(self) -> "_Cells":
        rows, columns = (side // 2 for side in self._is_whole.shape)

        def merged(values: Array) -> Array:
            halves = values[..., : 2 * rows, : 2 * columns]
            summed: Array = halves.reshape(*values.shape[:-2], rows, 2, columns, 2).sum(axis=(-3, -1))
            return summed

        return _Cells(4 * self._area, merged(self._sums), merged(self._is_whole) == 4)

    def compared(self) -> _Compared | None:
        """None where fewer than a few cells say something."""
        of_q, of_qq, of_r, of_rr, of_qr = np.moveaxis(self._sums / self._area, 1, 0)
        q_contrast, r_contrast = np.maximum(of_qq - of_q**2, 0), np.maximum(of_rr - of_r**2, 0)
        correlation = (of_qr - of_q * of_r) / np.sqrt(np.maximum(q_contrast * r_contrast, 1e-6))
        best = correlation.argmax(axis=0)[None]
        likeness, ours, theirs, q_mean, r_mean = (
            np.take_along_axis(values, best, axis=0)[0] for values in (correlation, q_contrast, r_contrast, of_q, of_r)
        )
        says = self._is_whole.copy()
        for contrast, mean in ((ours, q_mean), (theirs, r_mean)):
            inside = self._is_whole
            whole = contrast[inside].mean() + mean[inside].var() if inside.any() else 0.0
            says &= contrast >= np.clip(FAINT_SHARE * np.sqrt(whole), FAINTEST, FAINTEST_OF_ALL) ** 2
        if says.sum() < FEWEST_CELLS:
            return None
        is_alike = says & (likeness > LEAST_CORRELATION)
        brightness = _goes_along(q_mean[is_alike], r_mean[is_alike])
        if is_alike.any():
            gain = np.log2(np.maximum(ours, 1) / np.maximum(theirs, 1)) / 2
            is_alike &= np.abs(gain - np.median(gain[is_alike])) <= LARGEST_GAIN
        return _Compared(float(is_alike.sum() / says.sum()), brightness)


def _goes_along(some: Array, others: Array) -> float:
    """The correlation; 1 of so few, or so even, that it says nothing."""
    if len(some) < FEWEST_CELLS or some.std() < 1 or others.std() < 1:
        return 1.0
    return float(np.corrcoef(some, others)[0, 1])


def _offsets() -> Iterator[tuple[int, int]]:
    return ((y, x) for y in OFFSETS for x in OFFSETS)


def _at(y: int, x: int, rows: int, columns: int) -> tuple[slice, slice]:
    top, left = y + OFFSETS[-1], x + OFFSETS[-1]
    return slice(top, top + rows * CELL_PIXELS), slice(left, left + columns * CELL_PIXELS)


def _summed(values: Array, rows: int, columns: int) -> Array:
    """First of each cell's columns, whole rows at a time, which takes a tenth of the time of both at once. What is
    summed are whole numbers below 2^24 in all: exact, in whatever order."""
    of_columns = values.reshape(rows, CELL_PIXELS, columns * CELL_PIXELS).sum(axis=1)
    summed: Array = of_columns.reshape(rows, columns, CELL_PIXELS).sum(axis=2)
    return summed
