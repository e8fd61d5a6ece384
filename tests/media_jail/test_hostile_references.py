"""Files that name other files and addresses: playlists, scripts, sessions, references. Nothing of it is reached."""

import socket
import struct
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.media.jail.result import DecodeOutcome
from tests import media_samples
from tests.media_jail.conftest import Decode
from tests.media_jail.hostile_files import EBML_HEAD, FTYP, SEGMENT, box, clip, ebml, small, with_box
from tests.support.canaries import Canaries, canaries


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Canaries]:
    """The file is a recording that any decoder here would take."""
    path = tmp_path_factory.mktemp("canary") / "canary.mp4"
    path.write_bytes(clip("mp4"))
    with canaries(path) as made:
        yield made


def test_canaries_when_somebody_comes_then_they_sing(watched: Canaries) -> None:
    socket.create_connection(("127.0.0.1", watched.port)).close()
    with socket.socket(type=socket.SOCK_DGRAM) as packets:
        packets.sendto(b"x", ("127.0.0.1", watched.port))
    watched.file.read_bytes()
    time.sleep(0.2)
    assert len(watched.heard()) == 3
    assert watched.heard() == []


def dash(url: str) -> bytes:
    return (
        '<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static"><Period><AdaptationSet>'
        f'<Representation id="1"><BaseURL>{url}</BaseURL></Representation></AdaptationSet></Period></MPD>'
    ).encode()


def reference_movie(url: str) -> bytes:
    """QuickTime's way to say: the recording is elsewhere."""
    name = url.encode() + b"\0"
    reference = box(b"rdrf", struct.pack(">I4sI", 0, b"url ", len(name)) + name)
    return FTYP + box(b"moov", box(b"rmra", box(b"rmda", reference)))


def alias(path: str) -> bytes:
    """A data reference in the form of an old Macintosh's alias, the one that FFmpeg follows."""
    name = path.encode("ascii")
    record = bytes(10) + b"\1v".ljust(28, b"\0") + bytes(12) + bytes((min(len(name), 63),)) + name[:63].ljust(63, b"\0")
    record += bytes(16) + struct.pack(">HH", 1, 1) + bytes(16) + struct.pack(">HH", 2, len(name)) + name
    record += bytes(len(name) % 2) + struct.pack(">hH", -1, 0)
    entry = struct.pack(">I4sI", 12 + len(record), b"alis", 0) + record
    return with_box(clip("mp4"), b"dinf", lambda _: box(b"dref", struct.pack(">II", 0, 1) + entry))


def linked_segment(name: str) -> bytes:
    """Matroska's next and previous file."""
    return EBML_HEAD + ebml(SEGMENT, ebml(b"\x15\x49\xa9\x66", ebml(b"\x3e\x83\xbb", name.encode())))


def references(port: int, file: Path) -> dict[str, bytes]:
    found: dict[str, bytes] = {}
    web, local = f"http://127.0.0.1:{port}/x.ts", f"file://{file}"
    for kind, url in {
        "web": web,
        "file": local,
        "path": str(file),
        "parts": f"concat:{file}|{file}",
        "inner file": f"subfile,,start,0,end,0,,:{file}",
        "secret": f"crypto:{file}",
        "udp": f"udp://127.0.0.1:{port}",
        "rtmp": f"rtmp://127.0.0.1:{port}/x",
        "gopher": f"gopher://127.0.0.1:{port}/x",
    }.items():
        found |= {
            f"playlist to {kind}": media_samples.hls_playlist(url),
            f"concat to {kind}": media_samples.concat_script(url),
            f"dash to {kind}": dash(url),
            f"reference movie to {kind}": reference_movie(url),
            f"alias to {kind}": alias(url),
        }
    playlist = media_samples.hls_playlist(web)
    heads = {
        "mp4": FTYP,
        "quicktime": b"\0\0\0\x08wide",
        "matroska": EBML_HEAD,
        "avi": b"RIFF\xff\xff\0\0AVI ",
        "webp": b"RIFF\xff\xff\0\0WEBP",
        "gif": b"GIF89a",
        "tiff": b"II*\0\x08\0\0\0",
        "ts": clip("ts")[:564],
        "jpeg": small("JPEG")[:200],
        "png": small("PNG")[:60],
        "bmp": small("BMP")[:60],
        "heic": small("HEIF")[:40],
        "avif": small("AVIF")[:40],
    }
    for name, head in heads.items():
        found[f"playlist behind the head of {name}"] = head + playlist
    return found | {
        "session description": media_samples.sdp_session(port),
        "linked segments": linked_segment(str(file)),
        "ffmetadata": f";FFMETADATA1\ntitle={file}\n[CHAPTER]\nTIMEBASE=1/1\nSTART=0\nEND=1\n".encode(),
        "subtitles": f"WEBVTT\n\n00:00.000 --> 00:01.000\n<img src={web}>\n".encode(),
        "pictures by pattern": f"{file.parent}/%03d.jpg\n".encode(),
        "vector picture": f'<svg xmlns="http://www.w3.org/2000/svg"><image href="{web}"/></svg>'.encode(),
        "outer entity": f'<?xml version="1.0"?><!DOCTYPE s [<!ENTITY x SYSTEM "{local}">]><svg>&x;</svg>'.encode(),
        "postscript": f"%!PS\n({file}) (r) file\n".encode(),
        "magick script": f"<image><read filename='{web}'/></image>".encode(),
    }


def test_decode_when_a_file_names_others_then_no_canary_sings(decode: Decode, watched: Canaries) -> None:
    watched.heard()
    for name, body in references(watched.port, watched.file).items():
        result, frames = decode(body)
        assert watched.heard() == [], name
        assert result.outcome in (DecodeOutcome.UNDECODABLE, DecodeOutcome.LIMIT_PIXELS), (name, result)
        assert (result.picture, frames) == (None, []), name
    time.sleep(0.2)
    assert watched.heard() == []
