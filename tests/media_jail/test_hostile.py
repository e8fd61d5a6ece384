"""Files that mean harm, and deaths at bad moments: nothing is reached, nothing is lost, no parent dies."""

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import av
import pytest

from app.media.jail.decoder import Decoder
from app.media.jail.limits import DecodeLimits
from app.media.jail.result import DecodeOutcome, VideoFrame
from app.media.jail.zygote import words_of
from tests import media_samples
from tests.media_jail.conftest import Decode, decode_bytes

MIB = 1024 * 1024
PHOTOGRAPH = media_samples.PHOTOGRAPHS[0]


@pytest.fixture
def canary() -> Iterator[tuple[int, list[object]]]:
    """A listener on the loopback address, and whoever came."""
    visitors: list[object] = []
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.05)
        over = threading.Event()

        def listen() -> None:
            while not over.is_set():
                try:
                    connection, address = server.accept()
                except TimeoutError:
                    continue
                connection.close()
                visitors.append(address)

        thread = threading.Thread(target=listen)
        thread.start()
        yield server.getsockname()[1], visitors
        over.set()
        thread.join()


def hostile_files(port: int, local_video: Path) -> dict[str, bytes]:
    url = f"http://127.0.0.1:{port}/x.ts"
    playlist = media_samples.hls_playlist(url)
    transport_head = media_samples.excerpt(8, 8.5, container="mpegts")[: 188 * 5]
    return {
        "playlist to the network": playlist,
        "playlist to a file": media_samples.hls_playlist(f"file://{local_video}"),
        "concat": media_samples.concat_script(str(local_video)),
        "concat to the network": media_samples.concat_script(url),
        "session description": media_samples.sdp_session(port),
        "playlist behind packets": transport_head + playlist,
        "playlist in a box": b"\0\0\0\x18ftypisom\0\0\0\0isommp42" + playlist,
        "playlist as matroska": b"\x1a\x45\xdf\xa3" + playlist,
        "data reference to a file": media_samples.mov_with_data_reference(str(local_video)),
        "data reference to the network": media_samples.mov_with_data_reference(url),
        "vector picture": f'<svg><image href="{url}"/></svg>'.encode(),
    }


def test_decode_when_a_file_names_other_files_then_nothing_is_reached(
    decode: Decode, canary: tuple[int, list[object]]
) -> None:
    port, visitors = canary
    for name, body in hostile_files(port, media_samples.VIDEO).items():
        result, frames = decode(body)
        # Frames of the phone's own recording may come; the other file is 33 s long and has another shape.
        assert all(frame.time_ms < 2000 for frame in frames), name
        if not name.startswith("data reference"):
            assert (result.outcome, frames) == (DecodeOutcome.UNDECODABLE, []), name
            assert result.reason, name
    time.sleep(0.1)
    assert visitors == []


def test_decode_when_a_jpeg_is_cut_off_within_its_head_then_it_is_undecodable_with_a_reason(decode: Decode) -> None:
    result, _ = decode(media_samples.truncated_jpeg(PHOTOGRAPH, 0.0))
    assert (result.outcome, result.picture) == (DecodeOutcome.UNDECODABLE, None)
    assert result.reason
    assert "/" not in result.reason


def test_reason_when_ffmpeg_names_the_descriptor_then_it_is_left_out(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"no recording" * 40)
    fd = os.open(tmp_path / "file", os.O_RDONLY)
    with open(fd, "rb") as file, pytest.raises(av.error.InvalidDataError) as raised:
        av.open(file, format="mov")
    assert str(raised.value).endswith(f": '{fd}'")
    assert words_of(raised.value).endswith("Invalid data found when processing input")


def test_decode_when_it_is_text_then_it_is_undecodable(decode: Decode) -> None:
    result, _ = decode(media_samples.text_named_jpg())
    assert result.outcome is DecodeOutcome.UNDECODABLE
    assert result.sniffed is None
    result, _ = decode(b"")
    assert result.outcome is DecodeOutcome.UNDECODABLE


@pytest.mark.thorough
def test_decode_when_any_format_is_cut_off_anywhere_then_there_is_an_outcome(decode: Decode) -> None:
    bodies = [make(PHOTOGRAPH) for make in media_samples.IMAGE_FORMATS.values()]
    bodies += [media_samples.excerpt(8, 9, container=name) for name in ("mp4", "matroska", "mpegts", "avi")]
    for body in bodies:
        for cut in (20, 200, len(body) // 3):
            result, frames = decode(body[:cut])
            assert result.outcome in (DecodeOutcome.UNDECODABLE, DecodeOutcome.DECODED)
            # A transport stream has no length to miss: what is there is all there is.
            if result.outcome is DecodeOutcome.DECODED and not result.is_partial:
                assert result.sniffed is not None
                assert result.sniffed.extension in ("ts", "gif", "webp")
                assert frames or result.picture is not None
            else:
                assert result.reason or frames


@pytest.mark.thorough
def test_decode_when_a_png_claims_too_many_pixels_then_the_limit_is_named(decode: Decode) -> None:
    result, _ = decode(media_samples.png_bomb(12_000))
    assert result.outcome is DecodeOutcome.LIMIT_PIXELS
    assert "12000 × 12000" in (result.reason or "")


def test_decode_when_34_bytes_claim_gigabytes_then_the_limit_is_named(decode: Decode) -> None:
    body = media_samples.webp_of_gigabytes()
    assert len(body) == 34
    assert decode(body)[0].outcome is DecodeOutcome.LIMIT_PIXELS


@pytest.mark.thorough
def test_decode_when_memory_runs_out_then_the_limit_is_named(decode: Decode) -> None:
    with Decoder(DecodeLimits(memory_bytes=500 * MIB)) as small:
        result, _ = decode(media_samples.png_bomb(11_000), small)
        assert result.outcome is DecodeOutcome.LIMIT_MEMORY
        assert decode(media_samples.recompressed(PHOTOGRAPH), small)[0].outcome is DecodeOutcome.DECODED


@pytest.mark.thorough
def test_decode_when_processor_time_runs_out_then_what_came_until_then_is_partial(decode: Decode) -> None:
    body = media_samples.repeated(media_samples.PHONE_VIDEO, 10)
    with Decoder(DecodeLimits(video_cpu_s=1)) as hasty:
        result, frames = decode(body, hasty)
    assert result.outcome is DecodeOutcome.LIMIT_TIME
    assert "processor" in (result.reason or "")
    assert result.is_partial
    assert len(frames) == result.frame_count > 0


@pytest.mark.thorough
def test_decode_when_the_clock_runs_out_then_the_child_is_ended(decoder: Decoder, tmp_path: Path) -> None:
    with Decoder(replace(DecodeLimits(), video_wall_s=0.3)) as hasty:
        started = time.monotonic()
        result, _ = decode_bytes(hasty, media_samples.VIDEO.read_bytes(), tmp_path)
        assert result.outcome is DecodeOutcome.LIMIT_TIME
        assert time.monotonic() - started < 5
        wait_until(lambda: children_of(zygote_of(hasty)) == [])


def zygote_of(decoder: Decoder) -> int:
    assert decoder._zygote is not None
    return decoder._zygote._process.pid


def children_of(pid: int) -> list[int]:
    """Those that decode, of the zygote for pictures and of the one for films, which is its child."""
    film = films_zygote_of(pid)
    others = [child for child in _all_children_of(pid) if child != film]
    return others if film is None else others + _all_children_of(film)


def films_zygote_of(pid: int) -> int | None:
    for child in _all_children_of(pid):
        with suppress(FileNotFoundError, ProcessLookupError):
            if Path(f"/proc/{child}/comm").read_text() == "films\n":
                return child
    return None


def _all_children_of(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def wait_until(condition: Callable[[], bool]) -> None:
    deadline_s = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline_s
        time.sleep(0.005)


def decode_while(decoder: Decoder, act: Callable[[], None], place: Path) -> tuple[DecodeOutcome, list[VideoFrame]]:
    """Decodes the long video; ``act`` runs once, when the first frame has come."""
    path = place / "video"
    path.write_bytes(media_samples.VIDEO.read_bytes())
    frames: list[VideoFrame] = []
    acted = False

    def take(frame: VideoFrame) -> None:
        nonlocal acted
        if frame.time_ms == 0:
            frames.clear()
        frames.append(frame)
        if not acted:
            acted = True
            act()

    fd = os.open(path, os.O_RDONLY)
    try:
        return decoder.decode(fd, take).outcome, frames
    finally:
        os.close(fd)


@pytest.mark.thorough
def test_decode_when_the_child_is_killed_then_only_its_file_suffers(decoder: Decoder, tmp_path: Path) -> None:
    def kill_child() -> None:
        (child,) = children_of(zygote_of(decoder))
        os.kill(child, signal.SIGSEGV)

    zygote = zygote_of(decoder)
    outcome, frames = decode_while(decoder, kill_child, tmp_path)
    assert outcome is DecodeOutcome.UNDECODABLE
    assert frames
    assert decode_bytes(decoder, PHOTOGRAPH.read_bytes(), tmp_path)[0].outcome is DecodeOutcome.DECODED
    # A crash may have told how the zygote's memory lies: the next file gets another.
    assert zygote_of(decoder) != zygote
    assert is_over(zygote)


def test_decode_when_a_system_call_was_forbidden_then_it_is_a_policy_violation(
    decoder: Decoder, tmp_path: Path
) -> None:
    outcome, _ = decode_while(decoder, lambda: os.kill(children_of(zygote_of(decoder))[0], signal.SIGSYS), tmp_path)
    assert outcome is DecodeOutcome.POLICY_VIOLATION


@pytest.mark.thorough
def test_decode_when_the_zygote_is_killed_then_the_file_is_decoded_by_the_next(
    decoder: Decoder, tmp_path: Path
) -> None:
    undisturbed, expected = decode_while(decoder, lambda: None, tmp_path)
    zygote = zygote_of(decoder)
    outcome, frames = decode_while(decoder, lambda: os.kill(zygote, signal.SIGKILL), tmp_path)
    assert outcome is undisturbed is DecodeOutcome.DECODED
    assert [frame.time_ms for frame in frames] == [frame.time_ms for frame in expected]
    assert zygote_of(decoder) != zygote


@pytest.mark.thorough
def test_decode_when_the_zygote_died_between_files_then_the_next_file_starts_it_anew(
    decoder: Decoder, tmp_path: Path
) -> None:
    os.kill(zygote_of(decoder), signal.SIGKILL)
    assert decode_bytes(decoder, PHOTOGRAPH.read_bytes(), tmp_path)[0].outcome is DecodeOutcome.DECODED


def test_zygotes_when_one_of_the_two_ends_then_so_does_the_other_and_only_that_of_films_has_ffmpeg(
    tmp_path: Path,
) -> None:
    with Decoder() as decoder:
        for name in ("films", "pictures"):
            assert decode_bytes(decoder, PHOTOGRAPH.read_bytes(), tmp_path)[0].outcome is DecodeOutcome.DECODED
            pictures = zygote_of(decoder)
            films = films_zygote_of(pictures)
            assert films is not None
            assert "libavcodec" not in Path(f"/proc/{pictures}/maps").read_text()
            assert "libavcodec" in Path(f"/proc/{films}/maps").read_text()
            os.kill(films if name == "films" else pictures, signal.SIGKILL)
            wait_until(lambda: is_over(pictures) and is_over(films))  # noqa: B023 - called here


def test_decode_when_the_caller_fails_on_a_frame_then_the_child_is_ended(decoder: Decoder, tmp_path: Path) -> None:
    def refuse() -> None:
        raise RuntimeError("the database is gone")

    with pytest.raises(RuntimeError, match="database"):
        decode_while(decoder, refuse, tmp_path)
    wait_until(lambda: children_of(zygote_of(decoder)) == [])


def test_decode_when_many_threads_decode_then_each_gets_its_own(decoder: Decoder, tmp_path: Path) -> None:
    def decode_one(number: int) -> tuple[int, object]:
        place = tmp_path / str(number)
        place.mkdir()
        path = media_samples.PHOTOGRAPHS[number % len(media_samples.PHOTOGRAPHS)]
        result, _ = decode_bytes(decoder, path.read_bytes(), place)
        return number, (result.claims["width"], result.claims["height"])

    with ThreadPoolExecutor(8) as pool:
        for number, size in pool.map(decode_one, range(40)):
            path = media_samples.PHOTOGRAPHS[number % len(media_samples.PHOTOGRAPHS)]
            assert size == media_samples.upright(path).size


@pytest.mark.thorough
def test_decode_when_used_for_long_then_nothing_piles_up(decode: Decode, decoder: Decoder) -> None:
    bodies = [PHOTOGRAPH.read_bytes(), media_samples.truncated_jpeg(), media_samples.excerpt(8, 9)]
    for body in bodies:
        decode(body)
    zygote = zygote_of(decoder)
    wait_until(lambda: children_of(zygote) == [])

    def open_descriptors() -> tuple[int, int]:
        return len(os.listdir("/proc/self/fd")), len(os.listdir(f"/proc/{zygote}/fd"))

    time.sleep(0.2)
    before = open_descriptors()
    for _ in range(15):
        for body in bodies:
            decode(body)
    assert zygote_of(decoder) == zygote
    wait_until(lambda: children_of(zygote) == [] and open_descriptors() == before)


def descriptors_of(pid: int) -> dict[int, str]:
    """Number → what it leads to."""
    place = Path(f"/proc/{pid}/fd")
    return {int(name): os.readlink(place / name) for name in os.listdir(place)}


def test_child_when_it_decodes_then_it_is_confined(decoder: Decoder, tmp_path: Path) -> None:
    seen: list[tuple[str, str, dict[int, str]]] = []

    def look() -> None:
        (child,) = children_of(zygote_of(decoder))
        place = Path(f"/proc/{child}")
        limits, status = (place / "limits").read_text(), (place / "status").read_text()
        if os.geteuid() == 0:
            seen.append((limits, status, descriptors_of(child)))
            return
        # Not dumpable: not even its own user may look into it.
        with pytest.raises(PermissionError):
            descriptors_of(child)
        seen.append((limits, status, {}))

    decode_while(decoder, look, tmp_path)
    ((limits, status, descriptors),) = seen
    if descriptors:
        assert [descriptors.pop(number) for number in (0, 1, 2)] == ["/dev/null"] * 3
        assert descriptors.pop(3) == str(tmp_path / "video")
        assert descriptors.pop(4).startswith("pipe:")
        assert descriptors == {}
    words = " ".join(limits.split())
    for line in (
        "Max file size 0 0",
        "Max core file size 0 0",
        "Max open files 32 32",
        f"Max address space {2048 * MIB} {2048 * MIB}",
        "Max cpu time 1800 1801",
    ):
        assert line in words
    assert "NoNewPrivs:\t1\n" in status
    assert "Threads:\t1\n" in status


def test_zygote_when_started_then_it_has_nothing_of_the_workers_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://user:secret@host/name")
    with Decoder() as decoder:
        assert b"secret" not in Path(f"/proc/{zygote_of(decoder)}/environ").read_bytes()


def test_decode_when_the_descriptor_may_write_then_it_is_refused(decoder: Decoder, tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"")
    fd = os.open(path, os.O_RDWR)
    with pytest.raises(ValueError, match="read-only"):
        decoder.decode(fd)
    os.close(fd)


def test_worker_when_killed_then_zygote_and_children_end(tmp_path: Path) -> None:
    code = (
        "import os, sys, time\nfrom app.media.jail.decoder import Decoder\n"
        "decoder = Decoder()\ndecoder.versions()\nprint(decoder._zygote._process.pid, flush=True)\ntime.sleep(60)\n"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as worker:
        assert worker.stdout is not None
        zygote = int(worker.stdout.readline())
        worker.kill()
    wait_until(lambda: is_over(zygote))


def is_over(pid: int) -> bool:
    try:
        return "(zombie)" in Path(f"/proc/{pid}/status").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return True
