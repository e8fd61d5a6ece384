"""``python -m tests.media_jail.hostile_zygote FD``: a real zygote whose children, confined as ever, are taken over.

It stands for a file whose exploit has succeeded: what follows the file's first twelve bytes is the name of what the
attacker's code does with the process that it owns.
"""

import ctypes
import fcntl
import mmap
import os
import signal
import threading
import time
from collections.abc import Callable, Mapping

from app.media.jail import images, videos, wire, zygote
from app.media.jail.canvas import Canvas
from app.media.jail.request import EXIT_NOT_CONFINED, Request

NAME_AT = 12
_libc = ctypes.CDLL(None)


def _run_on_in_silence() -> None:
    os.close(4)
    time.sleep(600)


def _begin_a_message() -> None:
    os.write(4, b"\x10\0\0\0\0\0\0\0{")


def _stay_in_the_middle_of_a_message() -> None:
    _begin_a_message()
    time.sleep(600)


def _crash_in_the_middle_of_a_message() -> None:
    _begin_a_message()
    _libc.memset(0, 1, 1)


def _end_in_the_middle_of_a_message() -> None:
    _begin_a_message()
    os._exit(0)


def _claim_without_end() -> None:
    number = 0
    while True:
        wire.send(4, {"type": "claims", **{f"c{number + at}": "x" * 600 for at in range(90)}})
        number += 90


def _claim_the_same_without_end() -> None:
    while True:
        wire.send(4, {"type": "claims", "width": 1})


def _burn_and_ignore_the_warning() -> None:
    signal.signal(signal.SIGXCPU, signal.SIG_IGN)
    while True:
        pass


def _start_a_thread() -> None:
    try:
        threading.Thread(target=time.sleep, args=(600,)).start()
    except RuntimeError:
        _end("no thread")


def _end(reason: str) -> None:
    wire.send(4, {"type": "end", "outcome": "undecodable", "reason": reason})


def _send_frames_after_the_end() -> None:
    _end("the end")
    while True:
        wire.send(4, {"type": "frame", "time_ms": 0, "width": 1, "height": 1}, b"abc")


def _move_in_the_file() -> None:
    os.lseek(3, 5, os.SEEK_SET)
    _end("moved")


def _call_itself_another_type() -> None:
    wire.send(4, {"type": "claims", "container": "text/html"})
    _end("")


def _look_for_inheritance() -> None:
    """Which descriptors answer, and what the environment holds."""
    living = []
    for number in range(1024):
        try:
            fcntl.fcntl(number, fcntl.F_GETFD)
        except OSError:
            continue
        living.append(number)
    _end(f"descriptors {living} environment {sorted(os.environ)}")


def _show(width: int, height: int, payload: bytes = b"") -> None:
    wire.send(4, {"type": "picture", "width": width, "height": height, "in_memory": True}, payload)


def _show_what_is_there(memory: mmap.mmap) -> None:
    _show(1024, 1024)
    wire.send(4, {"type": "end", "outcome": "decoded", "reason": "", "is_complete": True})


def _paint_all_of_it(memory: mmap.mmap) -> None:
    memory[:] = b"\xab" * len(memory)
    _show_what_is_there(memory)


def _paint_again_when_it_was_shown(memory: mmap.mmap) -> None:
    memory[:] = b"\x01" * len(memory)
    _show(1024, 1024)
    time.sleep(0.2)
    memory[:] = b"\x02" * len(memory)
    wire.send(4, {"type": "end", "outcome": "decoded", "reason": "", "is_complete": True})


def _take_pages_from_it(memory: mmap.mmap) -> None:
    try:
        memory.madvise(mmap.MADV_REMOVE)
    except OSError as error:
        _end(f"pages: {error.errno}")


def _make_it_executable(memory: mmap.mmap) -> None:
    address = ctypes.addressof(ctypes.c_char.from_buffer(memory))
    failed = _libc.mprotect(ctypes.c_void_p(address), 4096, mmap.PROT_READ | mmap.PROT_EXEC)
    _end(f"executable: {failed}")


WITH_MEMORY: Mapping[str, Callable[[mmap.mmap], object]] = {
    "show what is there": _show_what_is_there,
    "paint all of it": _paint_all_of_it,
    "paint again": _paint_again_when_it_was_shown,
    "take its pages": _take_pages_from_it,
    "make it executable": _make_it_executable,
    "show more than there is": lambda _: _show(1025, 1),
    "show and send": lambda _: _show(1, 1, b"abc"),
}

ACTS: Mapping[str, Callable[[], object]] = {
    "run on in silence": _run_on_in_silence,
    "stay in the middle": _stay_in_the_middle_of_a_message,
    "crash in the middle": _crash_in_the_middle_of_a_message,
    "end in the middle": _end_in_the_middle_of_a_message,
    "claim without end": _claim_without_end,
    "claim the same without end": _claim_the_same_without_end,
    "burn": _burn_and_ignore_the_warning,
    "start a thread": _start_a_thread,
    "fork": os.fork,
    "send after the end": _send_frames_after_the_end,
    "move in the file": _move_in_the_file,
    "say it was not confined": lambda: os._exit(EXIT_NOT_CONFINED),
    "call itself another type": _call_itself_another_type,
    "say nothing": lambda: os._exit(0),
    "crash": lambda: _libc.memset(0, 1, 1),
    "connect": lambda: _libc.socket(2, 1, 0),
    "look": _look_for_inheritance,
    "signal the zygote": lambda: _libc.syscall(234, os.getppid(), os.getppid(), 0),
}


def act_here(request: Request, input_fd: int, output_fd: int, canvas: Canvas | None = None) -> None:
    """Takes the place of ``zygote.decode_here``."""
    assert request.is_strict
    wire.send(output_fd, {"type": "confined"})
    name = os.pread(input_fd, 200, NAME_AT).decode("ascii")
    if name in WITH_MEMORY:
        assert canvas is not None
        assert isinstance(canvas._memory, mmap.mmap)
        WITH_MEMORY[name](canvas._memory)
    else:
        ACTS[name]()


def main() -> None:
    """The zygote's own loop, fork and confinement; only what runs inside is the attacker's."""
    for module in (images, videos):
        module.prepare = lambda: None  # type: ignore[attr-defined]
    zygote.decode_here = act_here
    zygote.main()


if __name__ == "__main__":
    main()
