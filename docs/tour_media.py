"""The README's tour: a photograph, its recompressed and its cropped copy, a video and an excerpt of it."""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from tests.media_samples import cropped, excerpt, recompressed  # noqa: E402 - the repository is no installed package

ASSETS = ROOT / "tests" / "assets"
PHOTOGRAPH = ASSETS / "temple.jpg"
VIDEO = ASSETS / "bunny.mp4"

target = Path(sys.argv[1])
(target / "photograph.jpg").write_bytes(PHOTOGRAPH.read_bytes())
(target / "recompressed.jpg").write_bytes(recompressed(PHOTOGRAPH))
(target / "cropped.jpg").write_bytes(cropped(PHOTOGRAPH))
(target / "video.mp4").write_bytes(VIDEO.read_bytes())
(target / "excerpt.mp4").write_bytes(excerpt(8.0, 20.0, path=VIDEO))
