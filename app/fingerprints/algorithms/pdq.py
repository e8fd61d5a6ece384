"""PDQ, the 256-bit perceptual hash for photographs, in numpy.

Source: "The TMK+PDQF Video-Hashing Algorithm and the PDQ Image-Hashing Algorithm", Facebook, 2019, and the behaviour of
its reference implementation, which an interop test compares on the same pixels.

Luma → Jarosz filter (two passes of a box filter along each axis, the window 1/128 of the side) → 64 × 64 samples →
16 × 16 coefficients of the DCT, the constant terms left out → one bit each: above the median or not. Filter and
sampling are linear and separable, so they are two small matrices a picture size, made once; a hash is then a few matrix
products. Each sample looks at few lines of the picture, so the matrices are bands, and only these are multiplied; that
rounds otherwise in the last of 53 bits, and where so little decides (in drawn pictures), all is multiplied as ever.

The rule ``pdq/1``: of the reduced picture (longer side at most 512 pixels); luma is ITU-R 601 in floating point,
unrounded.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from app.fingerprints.algorithms.algorithm import Hash, Pixels, Reduced, reduced

SAMPLES = 64
COEFFICIENTS = 16
SMALLEST_SIDE_PIXELS = 5
"""Smaller pictures have nothing to hash; they get quality 0."""

Matrix = np.ndarray[tuple[int, int], np.dtype[np.float64]]

Bits = np.ndarray[tuple[int, int], np.dtype[np.uint8]]

Bands = tuple[tuple[int, int, Matrix], ...]

_LUMA = np.array([0.299, 0.587, 0.114])
_QUALITY_DIVISOR = 90
ROUNDING = 1e-9
"""Far more than the order of a sum changes: 1e-13 of samples up to 255, 1e-11 of coefficients."""

_BAND = 8
"""Rows of a sampling matrix that are multiplied at once: they look at neighbouring lines of the picture."""

_ROWS_AT_ONCE = 32
"""Few enough that they stay in the processor's cache."""


@dataclass(frozen=True, slots=True)
class Pdq:
    """PDQ as an :class:`~app.fingerprints.algorithms.algorithm.Algorithm`."""

    name: str = "pdq"
    version: str = "pdq/1"
    bits: int = 256
    applies_to_images: bool = True
    applies_to_frames: bool = True
    finds_matches: bool = True
    threshold_bits: int = 31
    minimum_quality: int = 50

    def compute(self, picture: Pixels | Reduced) -> Hash:
        return self.of_luma(self.luma_of(picture))

    def luma_of(self, picture: Pixels | Reduced) -> Matrix:
        """The reduced picture's luma, of which the hash is made. A symmetry may be applied to it as to the picture."""
        return _luma(reduced(picture))

    def of_luma(self, luma: Matrix) -> Hash:
        if min(luma.shape) < SMALLEST_SIDE_PIXELS:
            return Hash(bytes(32), 0)
        height, width = luma.shape
        found = _hash_of(_through(_through(luma, _bands(height)).T, _bands(width)).T)
        if found is None:
            samples = _sampling_matrix(height) @ luma @ _sampling_matrix(width).T
            found = Hash(_bits_of(_coefficients(samples)), _quality(samples))
        return found

    def of_values_in_symmetries(self, values: Bits) -> Mapping[str, Bits]:
        """The hashes (n × 32 bytes) of the same pictures turned and mirrored, from their hashes alone.

        Of a mirrored picture every other coefficient has the other sign, of a transposed one rows and columns change
        places. Transposed they are exact. Else some bits are wrong, for two reasons: the rule's samples do not lie
        evenly about the middle (by 1.5 pixels of 512, where the filter's window is even), and the median that decides
        each bit is near zero, not zero. The first is the greater part, and no stored median would mend it. Measured on
        photographs and frames: 8 to 20 of 256 bits, the median 16, of few pictures 52.
        """
        bits = np.unpackbits(values.reshape(-1, 32), axis=1)
        return {
            name: np.packbits(bits[:, places] ^ signs, axis=1) for name, (places, signs) in _BITS_IN_SYMMETRIES.items()
        }

    def of_luma_in_symmetries(self, luma: Matrix) -> Mapping[str, Hash]:
        """The hashes of the picture turned and mirrored, by the symmetry's name (see ``views``); hardly dearer.

        The picture is filtered once, by rows that look at it from either end: mirroring the filter is mirroring the
        picture, and a transposed picture has transposed samples. So each hash is that of the turned picture itself.
        """
        if min(luma.shape) < SMALLEST_SIDE_PIXELS:
            return dict.fromkeys(TURNS, Hash(bytes(32), 0))
        height, width = luma.shape
        rows, columns = _bands_from_both_ends(height), _bands_from_both_ends(width)
        found = _in_turns(_through(_through(luma, rows).T, columns).T, is_checked=True)
        return found or _in_turns(_from_both_ends(height) @ luma @ _from_both_ends(width).T) or {}


TURNS = {
    "identity": (False, False, False),
    "rotate_90": (True, False, True),
    "rotate_180": (True, True, False),
    "rotate_270": (False, True, True),
    "mirror": (False, True, False),
    "flip": (True, False, False),
    "transpose": (False, False, True),
    "transverse": (True, True, True),
}
"""Whether the rows are looked at from below, the columns from the right, and whether they change places after that."""

_NAMES = {turn: name for name, turn in TURNS.items()}


def _luma(picture: Reduced) -> Matrix:
    """Height × width, 0 to 255."""
    luma = np.empty(picture.planes[0].shape)
    for top in range(0, len(luma), _ROWS_AT_ONCE):
        rows = slice(top, top + _ROWS_AT_ONCE)
        red, green, blue = (plane[rows] for plane in picture.planes)
        of_rows = np.multiply(red, _LUMA[0], out=luma[rows])
        of_rows += green * _LUMA[1]
        of_rows += blue * _LUMA[2]
    return luma


def _in_turns(samples: Matrix, *, is_checked: bool = False) -> dict[str, Hash] | None:
    """Of 128 × 128 samples, from both ends of both axes. With ``is_checked`` None where rounding would decide."""
    found: dict[str, Hash] = {}
    for name, (is_flipped, is_mirrored, is_transposed) in TURNS.items():
        quadrant = samples[is_flipped * SAMPLES :, is_mirrored * SAMPLES :][:SAMPLES, :SAMPLES]
        # Quality counts rows and columns alike, so that its transposed twin has it already.
        twin = found.get(_NAMES[is_flipped, is_mirrored, not is_transposed])
        coefficients = _coefficients(quadrant.T if is_transposed else quadrant)
        if is_checked and not (_are_apart(coefficients) and (twin is not None or _are_steps_apart(quadrant))):
            return None
        found[name] = Hash(_bits_of(coefficients), _quality(quadrant) if twin is None else twin.quality)
    return found


def _hash_of(samples: Matrix) -> Hash | None:
    """Of 64 × 64 samples of the filtered luma; None where rounding would decide."""
    coefficients = _coefficients(samples)
    if not (_are_apart(coefficients) and _are_steps_apart(samples)):
        return None
    return Hash(_bits_of(coefficients), _quality(samples))


def _are_apart(coefficients: Matrix) -> bool:
    """Whether no coefficient but the median itself is as near to it as rounding may move it."""
    flat = coefficients.reshape(-1)
    middle = flat.size // 2 - 1
    lower, median, upper = np.partition(flat, (middle - 1, middle, middle + 1))[middle - 1 : middle + 2]
    return bool(median - lower > ROUNDING and upper - median > ROUNDING)


def _are_steps_apart(samples: Matrix) -> bool:
    """Whether no step between samples is so near to a whole number of hundredths."""
    for axis in (0, 1):
        steps = np.diff(samples, axis=axis)
        steps *= 100.0 / 255.0
        whole = np.rint(steps)
        if (np.abs(steps - whole)[whole != 0] <= ROUNDING).any():
            return False
    return True


def _coefficients(samples: Matrix) -> Matrix:
    """16 × 16 of the DCT."""
    coefficients: Matrix = _DCT @ samples @ _DCT.T
    return coefficients


def _through(lines: Matrix, bands: Bands) -> Matrix:
    """The product of the matrix that was cut into these bands and the picture."""
    product = np.empty((len(bands) * _BAND, lines.shape[1]))
    for place, (start, stop, band) in enumerate(bands):
        np.matmul(band, lines[start:stop], out=product[place * _BAND : (place + 1) * _BAND])
    return product


@lru_cache(maxsize=256)
def _bands(length: int) -> Bands:
    return _cut(_sampling_matrix(length))


@lru_cache(maxsize=256)
def _bands_from_both_ends(length: int) -> Bands:
    return _cut(_from_both_ends(length))


def _cut(matrix: Matrix) -> Bands:
    """Of each eight rows the columns that are not all zero: from, to, and a copy of them."""
    bands = []
    for top in range(0, len(matrix), _BAND):
        covered = np.flatnonzero(matrix[top : top + _BAND].any(axis=0))
        start, stop = int(covered[0]), int(covered[-1]) + 1
        band: Matrix = np.ascontiguousarray(matrix[top : top + _BAND, start:stop])
        band.setflags(write=False)
        bands.append((start, stop, band))
    return tuple(bands)


@lru_cache(maxsize=256)
def _from_both_ends(length: int) -> Matrix:
    """128 × length: the sampling matrix, and below it the one for a picture whose axis runs the other way."""
    straight = _sampling_matrix(length)
    matrix: Matrix = np.concatenate([straight, straight[:, ::-1]])
    matrix.setflags(write=False)
    return matrix


@lru_cache(maxsize=256)
def _sampling_matrix(length: int) -> Matrix:
    """64 × length: what two passes of the box filter and the picking of 64 places do to one axis."""
    window = (length + 2 * SAMPLES - 1) // (2 * SAMPLES)
    box = _box_matrix(length, window)
    places = ((np.arange(SAMPLES) + 0.5) * length / SAMPLES).astype(int)
    matrix: Matrix = box[places] @ box
    matrix.setflags(write=False)
    return matrix


def _box_matrix(length: int, window: int) -> Matrix:
    """length × length: the mean over a window, cut off at the edges. For even windows it reaches further right."""
    half = (window + 2) // 2
    places = np.arange(length)
    offsets = places[np.newaxis, :] - places[:, np.newaxis]
    covered = (offsets >= half - window) & (offsets <= half - 1)
    weights: Matrix = covered / covered.sum(axis=1, keepdims=True)
    return weights


def _dct_matrix() -> Matrix:
    """16 × 64: rows 1 to 16 of the DCT-II; the constant row 0 is left out."""
    rows = np.arange(1, COEFFICIENTS + 1)[:, np.newaxis]
    columns = np.arange(SAMPLES)[np.newaxis, :]
    matrix: Matrix = np.sqrt(2.0 / SAMPLES) * np.cos(np.pi / (2 * SAMPLES) * rows * (2 * columns + 1))
    return matrix


_DCT = _dct_matrix()


def _bits_of(coefficients: Matrix) -> bytes:
    """256 bits. The reference writes coefficient (15, 15) first and (0, 0) last; so do we, to exchange values."""
    flat = coefficients.reshape(-1)
    median = np.partition(flat, flat.size // 2 - 1)[flat.size // 2 - 1]  # The lower of the two in the middle.
    return np.packbits((flat > median)[::-1]).tobytes()


def _quality(samples: Matrix) -> int:
    """How much there is to hash: the sum of steps between neighbours in whole hundredths of the range."""
    steps = 0
    for axis in (0, 1):
        # Truncated toward zero one by one, as the reference does: faint noise does not add up to quality.
        steps += int(np.abs(np.trunc(np.diff(samples, axis=axis) * (100.0 / 255.0))).sum())
    return min(100, steps // _QUALITY_DIVISOR)


def _bits_in_symmetry(
    is_flipped: bool, is_mirrored: bool, is_transposed: bool
) -> tuple[np.ndarray[tuple[int], np.dtype[np.int64]], np.ndarray[tuple[int], np.dtype[np.uint8]]]:
    """From which place each bit of a turned picture's hash comes, and whether it is the opposite there."""
    places = np.arange(COEFFICIENTS**2).reshape(COEFFICIENTS, COEFFICIENTS)
    is_odd = np.arange(COEFFICIENTS) % 2 == 0  # Row 0 is the wave of half a period: odd about the middle.
    is_opposite = (is_flipped & is_odd)[:, np.newaxis] ^ (is_mirrored & is_odd)[np.newaxis, :]
    if is_transposed:
        places, is_opposite = places.T, is_opposite.T
    return 255 - places.reshape(-1)[::-1], is_opposite.reshape(-1)[::-1].astype(np.uint8)


_BITS_IN_SYMMETRIES = {name: _bits_in_symmetry(*turn) for name, turn in TURNS.items()}


PDQ = Pdq()
