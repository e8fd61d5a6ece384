"""Under which views a picture is searched with: as it is, turned, mirrored, and without what was put around it. Pure.

A view's name is a symmetry (``mirror``), of an area of the picture (``trimmed.mirror``); without a prefix the area is
the whole picture. An area may be a part of it, and so may be what a set of points is of (:class:`Part`). Only the
query's side is turned; areas and parts are looked at on both sides.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from app.fingerprints.algorithms.algorithm import Algorithm, Hash, Pixels, Reduced
from app.fingerprints.algorithms.pdq import PDQ
from app.fingerprints.areas import Area, Box, areas_in

Array = np.ndarray[Any, Any]

VIEWS_RULE = "views/5"
"""By which views are taken of a picture or a frame; what was fingerprinted before it has fewer: ``views/1`` had no
parts, ``views/2`` none of what was left without what is around it, and no points that are spread, ``views/3`` no folded
tones, ``views/4`` no hashes of parts."""

IDENTITY: Final = "identity"
"""With it the name of a view of what is searched ends; the others are there to search with."""
MIRROR: Final = "mirror"

WHOLE: Final = "whole"
TRIMMED: Final = "trimmed"
"""Without borders of one colour, bars with a caption, or the picture's own blurred sides."""
FRAMED: Final = "framed"
"""The picture that was found inside a screenshot."""
AREAS = (WHOLE, TRIMMED, FRAMED)
FOLDED: Final = "folded"
"""No area: the whole picture with its tones folded (:func:`hashes_of_folded`), compared with its like alone."""

SYMMETRIES: dict[str, Callable[[Array], Array]] = {
    IDENTITY: lambda picture: picture,
    "rotate_90": lambda picture: np.rot90(picture, -1),
    "rotate_180": lambda picture: np.rot90(picture, 2),
    "rotate_270": lambda picture: np.rot90(picture, 1),
    MIRROR: lambda picture: picture[:, ::-1],
    "flip": lambda picture: picture[::-1],
    "transpose": lambda picture: np.swapaxes(picture, 0, 1),
    "transverse": lambda picture: np.swapaxes(np.rot90(picture, 2), 0, 1),
}
"""What is done to the picture, by name; turns are clockwise, in degrees."""


PART: Final = "part"
MOST_PARTS = 12
"""Of a picture."""
MOST_PARTS_OF_A_FRAME = 3
"""Of a recording, the surest: there are many frames, and each part is looked up and laid upon others like a frame."""
SETS_OF_A_PICTURE = 2 + MOST_PARTS + 1
"""Of points, at most: as it is and mirrored, of its parts, and those that are spread over it."""
SETS_OF_A_FRAME = 2 + MOST_PARTS_OF_A_FRAME


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a picture of which points and hashes were taken by themselves: an inset, a cell of a collage.

    Pixels of the picture that points are found in (``local_features.SIDE_PIXELS``); ``side`` is the longer side of the
    part as its own points were found in it.
    """

    left: int
    top: int
    width: int
    height: int
    side: int

    @property
    def view(self) -> str:
        """The view's name, as it is stored."""
        return f"{PART}.{self.left}.{self.top}.{self.width}.{self.height}.{self.side}"

    @property
    def scale(self) -> float:
        """How many pixels of the whole one of the part's is."""
        return max(self.width, self.height) / self.side

    @property
    def box(self) -> Box:
        """Where it lies in a picture as points are found in it; a working picture is as large."""
        return Box(self.left, self.top, self.left + self.width, self.top + self.height)

    def of_picture(self, pixels: Array) -> Array:
        """The part of a picture as points are found in it."""
        return self.box.of(pixels)

    @classmethod
    def of(cls, view: str) -> "Part | None":
        """None: the view, or area, is none of a part."""
        name, *numbers = view.split(".")
        return cls(*map(int, numbers)) if name == PART else None


def view_of(area: str, symmetry: str) -> str:
    """The view's name, as it is stored."""
    return symmetry if area == WHOLE else f"{area}.{symmetry}"


_INVERSE = {**{name: name for name in SYMMETRIES}, "rotate_90": "rotate_270", "rotate_270": "rotate_90"}
INVERSE = {
    view_of(area, name): view_of(area, inverse) for area in (*AREAS, FOLDED) for name, inverse in _INVERSE.items()
}


def area_of(view: str) -> str:
    """``whole``, ``trimmed``, ``framed``, ``folded``, or a part's name."""
    return view.rpartition(".")[0] or WHOLE


def symmetry_of(view: str) -> str:
    """Of whatever area: ``identity``, ``mirror``, ``rotate_90`` …"""
    return view.rpartition(".")[2]


def are_comparable(one: str, other: str) -> bool:
    """Whether what these views show may be one picture: of folded tones both or neither; of parts one, for what two
    pages share may be a picture of its own there."""
    if is_part(one) and is_part(other):
        return False
    return (area_of(one) == FOLDED) == (area_of(other) == FOLDED)


def is_part(view: str) -> bool:
    return view.startswith(f"{PART}.")


def in_symmetries(value: bytes) -> Mapping[str, bytes]:
    """The PDQ hashes of the picture that has this one, turned and mirrored, by the symmetry; a few bits off."""
    found = PDQ.of_values_in_symmetries(np.frombuffer(value, np.uint8).reshape(1, -1))
    return {symmetry: turned.tobytes() for symmetry, turned in found.items()}


def boxes_of(rgb: Pixels, picture: Reduced) -> Mapping[str, Box]:
    """Where each area lies that may be what the picture shows, besides the whole; ``picture`` is the same, reduced."""
    return named(areas_in(rgb, picture))


def named(areas: Sequence[Area]) -> Mapping[str, Box]:
    """The first and the last of the areas of a picture by their names: one may be ``framed`` in a ``trimmed`` one or
    the other way about."""
    found: dict[str, Box] = {}
    for area in (*areas[:1], *areas[1:][-1:]):
        name = FRAMED if area.is_framed else TRIMMED
        if name in found:
            name = TRIMMED if area.is_framed else FRAMED
        found[name] = area.box
    return found


def hashes_in_views(algorithm: Algorithm, picture: Pixels | Reduced) -> list[tuple[str, Hash]]:
    """The picture's hash by this algorithm, first as it is; by PDQ in all eight views, reduced to luma only once."""
    if algorithm.version != PDQ.version:
        return [(IDENTITY, algorithm.compute(picture))]
    return list(PDQ.of_luma_in_symmetries(PDQ.luma_of(picture)).items())


def hashes_of_areas(rgb: Pixels, areas: Mapping[str, Box]) -> list[tuple[str, Hash]]:
    """The PDQ hashes of these areas (:func:`boxes_of`, or parts by their names), in all eight views each; none of one
    that says too little."""
    return [
        (view_of(area, symmetry), found)
        for area, box in areas.items()
        for symmetry, found in PDQ.of_luma_in_symmetries(PDQ.luma_of(np.ascontiguousarray(box.of(rgb)))).items()
        if (found.quality or 0) >= PDQ.minimum_quality
    ]


def hashes_of_folded(picture: Pixels | Reduced) -> list[tuple[str, Hash]]:
    """The PDQ hashes of a picture whose tones were folded (``reducing.folded_tones``), in all eight views; none where
    it says too little. A negative, and a picture that was solarised from whatever tone on, have the same ones."""
    found = PDQ.of_luma_in_symmetries(PDQ.luma_of(picture))
    return [
        (view_of(FOLDED, symmetry), one) for symmetry, one in found.items() if (one.quality or 0) >= PDQ.minimum_quality
    ]
