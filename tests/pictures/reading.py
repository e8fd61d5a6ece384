"""Reads a picture back: of an SVG its named parts, of a PNG its pixels and what it says of itself."""

import io
import re
from dataclasses import dataclass
from xml.etree import ElementTree

import numpy as np
from PIL import Image

SVG = "{http://www.w3.org/2000/svg}"
_NUMBER = re.compile(r"-?\d+(?:\.\d+)?")


@dataclass(frozen=True)
class Extent:
    """In points of the picture, from its upper left corner."""

    left: float
    top: float
    right: float
    bottom: float

    @property
    def width(self) -> float:
        return self.right - self.left

    @property
    def height(self) -> float:
        return self.bottom - self.top

    @property
    def middle(self) -> tuple[float, float]:
        return (self.left + self.right) / 2, (self.top + self.bottom) / 2


class Svg:
    def __init__(self, content: bytes) -> None:
        self.root = ElementTree.fromstring(content)
        assert self.root.tag == f"{SVG}svg"
        self.parts = {part.get("id", ""): part for part in self.root.iter(f"{SVG}g")}

    @property
    def title(self) -> str:
        return self.root.findtext(f"{SVG}title") or ""

    @property
    def description(self) -> str:
        return self.root.findtext(f"{SVG}desc") or ""

    @property
    def texts(self) -> list[str]:
        return ["".join(text.itertext()) for text in self.root.iter(f"{SVG}text")]

    def named(self, begin: str) -> list[str]:
        return sorted(name for name in self.parts if name.startswith(begin))

    def extent(self, name: str) -> Extent:
        """Of the part's path; of a mark the place where it is."""
        part = self.parts[name]
        used = part.find(f".//{SVG}use")
        if used is not None:
            x, y = float(used.get("x", "")), float(used.get("y", ""))
            return Extent(x, y, x, y)
        path = part.find(f"{SVG}path")
        assert path is not None
        numbers = [float(each) for each in _NUMBER.findall(path.get("d", ""))]
        return Extent(min(numbers[::2]), min(numbers[1::2]), max(numbers[::2]), max(numbers[1::2]))


def pixels(png: bytes) -> np.ndarray[tuple[int, int], np.dtype[np.uint8]]:
    """The grey values, rows by columns; fails on a colour that is none, and on transparency."""
    with Image.open(io.BytesIO(png)) as opened:
        whole = np.asarray(opened.convert("RGBA"))
    assert (whole[..., 3] == 255).all()
    assert (whole[..., :1] == whole[..., :3]).all()
    return whole[..., 0]


def told(png: bytes) -> dict[str, str]:
    with Image.open(io.BytesIO(png)) as opened:
        opened.load()
        return dict(opened.text)  # type: ignore[attr-defined]  # Of PNG files.
