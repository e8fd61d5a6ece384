"""A decoding process that a file has taken over: confined as ever, it says and does what an attacker wants."""

import json
import os
import signal
import struct
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from app.media import sniff
from app.media.jail import conversation as conversation_module
from app.media.jail import wire
from app.media.jail.conversation import Conversation
from app.media.jail.decoder import Decoder, JailUnavailable
from app.media.jail.limits import DecodeLimits
from app.media.jail.result import MAX_CLAIMS, DecodeOutcome, DecodeResult, VideoFrame
from tests.media_jail.conftest import decode_bytes
from tests.media_jail.hostile_files import small
from tests.media_jail.hostile_zygote import NAME_AT
from tests.media_jail.test_hostile import children_of, wait_until, zygote_of
from tests.support.examples import examples

LIMITS = replace(DecodeLimits(), image_cpu_s=1, image_wall_s=3.0)


class TakenOver(Decoder):
    """Its children do what their file's text says."""

    zygote_module = "tests.media_jail.hostile_zygote"


@pytest.fixture(scope="module")
def taken_over() -> Iterator[Decoder]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(conversation_module, "LAST_WORD_TIMEOUT_S", 0.3)
        with TakenOver(LIMITS) as made:
            yield made


def act(decoder: Decoder, what: str, place: Path) -> DecodeResult:
    return decode_bytes(decoder, b"\xff\xd8\xff".ljust(NAME_AT, b"\0") + what.encode(), place)[0]


VIOLATION, UNDECODABLE = DecodeOutcome.POLICY_VIOLATION, DecodeOutcome.UNDECODABLE


@pytest.mark.thorough
@pytest.mark.parametrize(
    ("what", "outcome", "words"),
    [
        ("run on in silence", VIOLATION, "closed its answer"),
        ("claim without end", VIOLATION, "claims of one file are too many"),
        ("claim the same without end", VIOLATION, "claims of one file are too many"),
        ("connect", VIOLATION, "no decoder needs"),
        ("signal the zygote", VIOLATION, "no decoder needs"),
        ("crash", UNDECODABLE, "SIGSEGV"),
        ("crash in the middle", UNDECODABLE, "SIGSEGV"),
        ("end in the middle", VIOLATION, "in the middle of a message"),
    ],
)
def test_child_when_it_breaks_the_rules_then_its_file_pays_and_the_next_zygote_lies_elsewhere(
    taken_over: Decoder, tmp_path: Path, what: str, outcome: DecodeOutcome, words: str
) -> None:
    taken_over.versions()
    zygote = zygote_of(taken_over)
    result = act(taken_over, what, tmp_path)
    assert result.outcome is outcome
    assert words in (result.reason or "")
    assert result.picture is None
    assert taken_over._zygote is None
    assert not Path(f"/proc/{zygote}").exists()


@pytest.mark.parametrize(
    ("what", "outcome", "words"),
    [
        ("stay in the middle", DecodeOutcome.LIMIT_TIME, "longer than"),
        ("start a thread", UNDECODABLE, "no thread"),
        ("fork", UNDECODABLE, "exit code 1"),
        ("send after the end", UNDECODABLE, "the end"),
        ("say it was not confined", UNDECODABLE, "exit code 70"),
        ("say nothing", UNDECODABLE, "without an answer"),
    ],
)
def test_child_when_it_wastes_what_it_has_then_that_is_all(
    taken_over: Decoder, tmp_path: Path, what: str, outcome: DecodeOutcome, words: str
) -> None:
    taken_over.versions()
    zygote = zygote_of(taken_over)
    result = act(taken_over, what, tmp_path)
    assert result.outcome is outcome
    assert words in (result.reason or "")
    assert zygote_of(taken_over) == zygote
    wait_until(lambda: children_of(zygote) == [])


@pytest.mark.thorough
def test_child_when_it_ignores_the_warning_then_the_limit_of_processor_time_is_named(
    tmp_path: Path,
) -> None:
    with TakenOver(replace(LIMITS, image_wall_s=60.0)) as patient:
        result = act(patient, "burn", tmp_path)
    assert result.outcome is DecodeOutcome.LIMIT_TIME
    assert "processor time" in (result.reason or "")


def test_child_when_it_names_another_type_then_ours_stays(taken_over: Decoder, tmp_path: Path) -> None:
    assert act(taken_over, "call itself another type", tmp_path).claims == {"container": "image/jpeg"}


def test_child_when_it_looks_around_then_it_inherited_two_descriptors_and_an_empty_environment(
    taken_over: Decoder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EXHIBIT_SECRET", "secret")
    allowed = ["LANG", "LC_CTYPE", "OPENBLAS_NUM_THREADS", "PYTHONPATH"]
    reason = act(taken_over, "look", tmp_path).reason or ""
    found, environment = reason.split(" environment ")
    assert found == "descriptors [0, 1, 2, 3, 4]"
    assert set(json.loads(environment.replace("'", '"'))) <= set(allowed)


def test_child_when_it_runs_on_then_other_files_under_way_are_not_disturbed(
    taken_over: Decoder, tmp_path: Path
) -> None:
    """Two at once on one zygote: one breaks the rules, the other waits until its own time is over."""
    results: list[DecodeResult] = []
    (tmp_path / "other").mkdir()
    other = threading.Thread(target=lambda: results.append(act(taken_over, "stay in the middle", tmp_path / "other")))
    taken_over.versions()
    zygote = zygote_of(taken_over)
    other.start()
    wait_until(lambda: len(children_of(zygote)) == 1)
    assert act(taken_over, "crash", tmp_path).outcome is UNDECODABLE
    assert len(children_of(zygote)) == 1
    other.join()
    assert [result.outcome for result in results] == [DecodeOutcome.LIMIT_TIME]
    wait_until(lambda: not Path(f"/proc/{zygote}").exists())


def test_decode_when_the_file_was_read_before_then_it_is_read_from_its_start(decoder: Decoder, tmp_path: Path) -> None:
    """The place in the file belongs to all who have the descriptor: a child that died before may have moved it."""
    path = tmp_path / "file"
    path.write_bytes(small("WEBP"))
    fd = os.open(path, os.O_RDONLY)
    os.lseek(fd, 0, os.SEEK_END)
    result = decoder.decode(fd)
    os.close(fd)
    assert (result.outcome, result.reason) == (DecodeOutcome.DECODED, None)


class Poor(Decoder):
    """Its zygote may start no process more."""

    zygote_module = "tests.media_jail.poor_zygote"


@pytest.mark.thorough
def test_decode_when_no_process_can_be_forked_then_that_is_not_the_files_fault(tmp_path: Path) -> None:
    with Poor() as poor:
        poor.versions()
        zygote = zygote_of(poor)
        with pytest.raises(JailUnavailable):
            act(poor, "", tmp_path)
        assert zygote_of(poor) == zygote


# What comes through the pipe, without a process behind it: bytes are bytes.


def listen(
    sent: bytes, type_: sniff.SniffedType = sniff.JPEG, limits: DecodeLimits = LIMITS
) -> tuple[Conversation, list[VideoFrame]]:
    """What a conversation makes of these bytes, followed by the pipe's end."""
    frames: list[VideoFrame] = []
    zygote: object = None  # Listening needs none.
    conversation = Conversation(zygote, type_, limits, frames.append, None)  # type: ignore[arg-type]
    reader, writer = os.pipe()

    def write() -> None:
        try:
            view = memoryview(sent)
            while view:
                view = view[os.write(writer, view) :]
        except BrokenPipeError:
            pass
        finally:
            os.close(writer)

    thread = threading.Thread(target=write)
    thread.start()
    try:
        conversation._listen(wire.Channel(reader, time.monotonic() + 20))
    finally:
        os.close(reader)
        thread.join()
    return conversation, frames


def message(header: object, payload: bytes = b"", *, header_bytes: int | None = None) -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<II", len(text) if header_bytes is None else header_bytes, len(payload)) + text + payload


FRAME = {"type": "frame", "time_ms": 0, "width": 1, "height": 1}
PICTURE = {"type": "picture", "width": 1, "height": 1}
LIES = {
    "header of gigabytes": struct.pack("<II", 2**32 - 1, 0),
    "payload of gigabytes": struct.pack("<II", 2, 2**32 - 1) + b"{}",
    "one byte more than a payload may have": struct.pack("<II", 2, wire.MAX_PAYLOAD_BYTES + 1) + b"{}",
    "a list": message([]),
    "nothing": message(b""),
    "no utf-8": message(b'{"a":"\xff"}'),
    "nan": message(b'{"type":"claims","a":NaN}'),
    "a float": message({"type": "claims", "a": 0.5}),
    "a float beyond floats": message(b'{"type":"claims","a":1e999}'),
    "a number of 60,000 digits": message(b'{"type":"claims","a":' + b"9" * 60_000 + b"}"),
    "a null": message({"type": "claims", "a": None}),
    "a list of claims": message({"type": "claims", "a": [1]}),
    "doubled keys": message(b'{"type":"claims","a":1,"a":2}'),
    "deep lists": message(b"[" * 65_000),
    "deep objects": message(b'{"a":' * 10_000 + b"1" + b"}" * 10_000),
    "deep claims": message({"type": "claims", "a": {"b": {"c": {"d": 1}}}}),
    "a name with a slash": message({"type": "claims", "a/b": 1}),
    "a name without end": message({"type": "claims", "a" * 65: 1}),
    "too many at once": message({"type": "claims", **{f"c{at}": 1 for at in range(MAX_CLAIMS + 1)}}),
    "another kind": message({"type": "exec"}),
    "a kind that is a list": message(b'{"type":' + b"[" * 400 + b"]" * 400 + b"}"),
    "a frame in an image": message(FRAME, b"abc"),
    "two pictures": message(PICTURE, b"abc") * 2,
    "a picture of another size": message(PICTURE, b"abcd"),
    "a picture without pixels": message({**PICTURE, "width": 0}, b""),
    "a picture that is too wide": message({**PICTURE, "width": 1025}, b"abc" * 1025),
    "a width that is true": message({**PICTURE, "width": True}, b"abc"),
    "a width below zero": message({**PICTURE, "width": -1, "height": -1}, b"abc"),
    "pixels in a memory that it was not given": message({**PICTURE, "in_memory": True}),
    "an outcome of the parent's": message({"type": "end", "outcome": "policy_violation", "reason": ""}),
    "an outcome that is a list": message({"type": "end", "outcome": [], "reason": ""}),
    "no reason": message({"type": "end", "outcome": "undecodable"}),
}


CUT = {
    "half a length": b"\x01\0\0",
    "half a header": message({"type": "claims"})[:-3],
    "half a payload": message(PICTURE, b"abc")[:-1],
}


@pytest.mark.parametrize("name", CUT)
def test_message_when_it_is_cut_then_only_how_its_sender_ended_says_why(name: str) -> None:
    conversation, _ = listen(CUT[name])
    assert conversation._received.outcome is None
    assert not conversation.is_suspect
    assert "in the middle of a message" in (conversation._cut or "")


@pytest.mark.parametrize("name", LIES)
def test_message_when_it_is_a_lie_then_it_is_a_policy_violation(name: str) -> None:
    conversation, _ = listen(LIES[name])
    assert conversation._received.outcome is VIOLATION
    assert conversation.is_suspect
    assert len(conversation._received.reason) < 300


@pytest.mark.parametrize("times", [(0, 0), (5, 4), (0, 2**40 + 1), (-1,)])
def test_frames_when_their_times_go_back_or_beyond_the_years_then_it_is_a_policy_violation(times: list[int]) -> None:
    sent = b"".join(message({**FRAME, "time_ms": time_ms}, b"abc") for time_ms in times)
    conversation, frames = listen(sent, sniff.MP4)
    assert conversation._received.outcome is VIOLATION
    assert len(frames) == len(times) - 1


def test_frames_when_there_are_more_than_are_kept_then_the_limit_is_named() -> None:
    sent = b"".join(message({**FRAME, "time_ms": at}, b"abc") for at in range(9))
    conversation, frames = listen(sent, sniff.MP4, replace(LIMITS, frames=5))
    assert conversation._received.outcome is DecodeOutcome.LIMIT_TIME
    assert not conversation.is_suspect
    assert len(frames) == 5
    assert conversation._result().is_partial


def test_claims_when_their_texts_are_hostile_then_only_what_can_be_printed_is_kept() -> None:
    hostile = "a\0b\x1b[31m\u202e\u2066\ud800\ufeff\u2028" + "c" * 5000
    conversation, _ = listen(message({"type": "claims", "title": hostile}))
    assert conversation._received.claims == {"title": "ab[31m" + "c" * (1000 - 13)}


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
KINDS = st.sampled_from(["claims", "picture", "frame", "end", "confined"])
HEADERS = st.builds(
    lambda kind, fields, known: {"type": kind} | fields | known,
    KINDS,
    st.dictionaries(st.text(max_size=8), JSON, max_size=4),
    st.fixed_dictionaries(
        {}, optional=dict.fromkeys(("width", "height", "time_ms", "outcome", "reason", "is_complete"), JSON)
    ),
)
MESSAGES = st.one_of(
    st.binary(max_size=64),
    st.builds(message, st.binary(max_size=40), st.binary(max_size=9)),
    st.builds(message, HEADERS, st.binary(max_size=9)),
    st.builds(lambda header, length: message(header, header_bytes=length), HEADERS, st.integers(0, 2**32 - 1)),
    st.sampled_from(list(LIES.values())).filter(lambda lie: len(lie) < 2000),
)


@pytest.mark.thorough
@given(st.lists(MESSAGES, max_size=6), st.sampled_from([sniff.JPEG, sniff.MP4]))
@hypothesis_settings(max_examples=examples(150))
def test_messages_when_they_are_anything_then_the_result_is_bounded_and_fit_for_the_database(
    sent: list[bytes], type_: sniff.SniffedType
) -> None:
    conversation, frames = listen(b"".join(sent), type_)
    result = conversation._result()
    assert result.outcome in DecodeOutcome
    assert len(result.claims) <= MAX_CLAIMS + 1
    text = json.dumps(result.claims, allow_nan=False)
    assert "\\u0000" not in text
    text.encode("utf-8")
    assert len(frames) <= len(sent)
    for frame in frames:
        assert max(frame.rgb.shape) <= wire.MAX_SIDE_PIXELS


@given(
    st.binary(max_size=sniff.HEAD_BYTES)
    | st.builds(
        bytes.__add__,
        st.sampled_from(
            [
                b"RIFF\0\0\0\0WEBP",
                b"\0\0\0\x18ftyp",
                b"\xff\xff\xff\xffftypheic",
                b"\x1a\x45\xdf\xa3",
                b"BM",
                b"G" * 200,
            ]
        ),
        st.binary(max_size=300),
    )
)
@hypothesis_settings(max_examples=examples(300))
def test_sniff_when_given_anything_then_it_names_a_type_or_none(head: bytes) -> None:
    found = sniff.sniff(head)
    assert found is None or found in sniff.ALL_TYPES


@pytest.mark.thorough
def test_secret_when_it_is_in_the_workers_memory_then_it_is_not_in_the_zygotes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The zygote is a program started anew: nothing of the worker's memory, environment or descriptors goes along."""
    secret = os.urandom(24).hex()
    monkeypatch.setenv("DATABASE_URL", secret)
    reader, writer = os.pipe()
    os.set_inheritable(writer, False)
    with Decoder() as decoder:
        zygote = zygote_of(decoder)
        assert secret.encode() in memory_of(os.getpid())
        assert secret.encode() not in memory_of(zygote)
        assert b"PYTHONPATH" in memory_of(zygote)
        descriptors = [os.readlink(f"/proc/{zygote}/fd/{name}") for name in os.listdir(f"/proc/{zygote}/fd")]
    own = os.readlink(f"/proc/self/fd/{writer}")
    os.close(reader)
    os.close(writer)
    assert own not in descriptors


def memory_of(pid: int) -> bytes:
    """All that is in a process's writable memory."""
    found = []
    with (
        open(f"/proc/{pid}/maps", encoding="ascii", errors="replace") as maps,
        open(f"/proc/{pid}/mem", "rb", 0) as memory,
    ):
        for line in maps:
            span, rights = line.split()[:2]
            if not rights.startswith("rw") or "[v" in line:
                continue
            start, end = (int(part, 16) for part in span.split("-"))
            try:
                memory.seek(start)
                found.append(memory.read(min(end - start, 64 * 1024 * 1024)))
            except OSError:
                continue
    return b"".join(found)


def test_signals_when_named_then_they_are_this_kernels() -> None:
    assert all(isinstance(number, signal.Signals) for number in conversation_module.CRASHES)
