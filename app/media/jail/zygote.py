"""The warm processes that fork one confined child a file. Started by the worker; they never read a file themselves.

There are two: one for pictures, and its child for recordings and HEIC, which alone has FFmpeg (``films.py``). Each is
single-threaded, has its decoders loaded, no key, no database, no path to any blob. For each request on its control
socket it gets three descriptors: the file (read-only), the pipe for the answer, and a status socket; for a picture a
fourth, the memory for its pixels, which is mapped into the child before its walls are raised. On the status socket it
writes how the child ended; when the worker closes that socket, the child is killed. When the control sockets close, the
worker is gone: the zygotes exit, and their children die with them (PDEATHSIG).
"""

import ctypes
import gc
import importlib
import json
import os
import re
import selectors
import signal
import socket
import sys
import threading
from contextlib import suppress
from dataclasses import dataclass
from importlib import metadata
from types import ModuleType

from PIL import UnidentifiedImageError

from app.media.jail import confine as confining
from app.media.jail import damaged, images, landlock, probes, seccomp, sequences, tags, wire
from app.media.jail.canvas import Canvas
from app.media.jail.confine import INPUT_FD, OUTPUT_FD, confine, leave_namespaces
from app.media.jail.request import EXIT_ESCAPED, EXIT_NOT_CONFINED, MAX_REQUEST_BYTES, Request

FILE_BUFFER_BYTES = {"image": 8 * 1024, "video": 256 * 1024}
"""Pillow asks for 64 KiB at a time, which with a small buffer go straight to it: a large one is 64 fresh pages."""
DECODERS_WITH_THREADS = frozenset({"HEIF"})
"""libde265 decodes in a thread that it starts, even when it is told to use none. All others must do without."""


FILMS_NAME = b"films"
"""Of the zygote for films and of its children, as the system lists them."""
_films: ModuleType | None = None
"""What decodes with FFmpeg; None in the zygote for pictures and in its children."""

_libc = ctypes.PyDLL(None, use_errno=True)
"""For a fork without what ``os.fork`` does in the child for programs with threads (it makes every lock anew), which
touches two hundred pages: each has to be copied then. Sound, because the zygote makes sure that it has one thread."""
_fork_process, _set_signal = _libc.fork, _libc.signal


@dataclass(slots=True)
class _Child:
    pid: int
    pid_fd: int
    status: socket.socket
    is_over: bool = False
    """Both its events may come in one batch; after the first there is nothing to kill or to tell."""


def decode_here(request: Request, input_fd: int, output_fd: int, canvas: Canvas | None = None) -> None:
    """Decodes the file behind ``input_fd`` in this, confined, process and sends all that comes of it."""

    def emit(header: dict[str, object], payload: memoryview | wire.Stream) -> None:
        wire.send(output_fd, header, payload)

    shortfall: str | None = None
    wire.send(output_fd, {"type": "confined"})
    # The place in the file is shared with whoever had this descriptor before: a child that died, or the worker.
    os.lseek(input_fd, 0, os.SEEK_SET)
    try:
        with open(input_fd, "rb", buffering=FILE_BUFFER_BYTES[request.kind], closefd=False) as file:
            if _films is not None:
                shortfall = _films.decode(file, request, emit, canvas)
            else:
                shortfall = images.decode_image(
                    file, request.decoder, request.limits, emit, canvas, claims_only=request.claims_only
                )
    except MemoryError:
        end = {"outcome": "limit_memory", "reason": "decoding needed more memory than a file may have"}
    except images.TooManyPixels as error:
        end = {"outcome": "limit_pixels", "reason": str(error)}
    except damaged.NothingThere as error:
        end = {"outcome": "undecodable", "reason": str(error)}
    except UnidentifiedImageError:
        end = {"outcome": "undecodable", "reason": f"not a readable {request.decoder} file"}
    except Exception as error:  # noqa: BLE001 - Pillow and FFmpeg raise whatever comes to hand on a broken file
        end = {"outcome": "undecodable", "reason": words_of(error)}
    else:
        end = {"outcome": "decoded", "reason": shortfall or ""}
    wire.send(output_fd, {"type": "end", "is_complete": shortfall is None, **end})


def words_of(error: Exception) -> str:
    """FFmpeg puts the file's name behind its words, which here is a descriptor's number."""
    return re.sub(r": '\d+'$", "", f"{type(error).__name__}: {error}")[:300]


def _fork(request: Request, input_fd: int, output_fd: int, memory_fd: int | None) -> int:
    zygote_pid = os.getpid()
    pid = int(_fork_process())
    if pid < 0:
        raise OSError(ctypes.get_errno(), "fork")
    if pid:
        return pid
    exit_code = EXIT_NOT_CONFINED
    try:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGPIPE):
            _set_signal(int(number), None)  # The default; not by Python, whose enumerations are many fresh pages.
        canvas = None if memory_fd is None else Canvas.of_descriptor(memory_fd)
        cpu_s = request.limits.cpu_s(request.kind)
        with_threads = request.decoder in DECODERS_WITH_THREADS
        confine(
            input_fd,
            output_fd,
            zygote_pid,
            cpu_s,
            request.limits,
            is_strict=request.is_strict,
            with_threads=with_threads,
        )
        exit_code = 1
        if request.kind == "probe":
            exit_code = EXIT_ESCAPED if probes.has_escaped(request.decoder) else 0
        else:
            decode_here(request, INPUT_FD, OUTPUT_FD, canvas)
            exit_code = 0
    finally:
        # Also after an exception: the child must not run on in the zygote's loop. The code tells how far it came.
        os._exit(exit_code)


class Zygote:
    """The loop over the control socket, the children's ends and the status sockets."""

    def __init__(self, control: socket.socket, ends_with_fd: int | None = None) -> None:
        """``ends_with_fd``: of a process whose end is the end of this one, too."""
        self._control = control
        self._ends_with_fd = ends_with_fd
        self._selector = selectors.DefaultSelector()
        self._selector.register(control, selectors.EVENT_READ, None)
        if ends_with_fd is not None:
            self._selector.register(ends_with_fd, selectors.EVENT_READ, None)

    def run(self) -> None:
        """Serves until the worker closes the control socket, or the other zygote ends."""
        while True:
            for key, _ in self._selector.select():
                if key.data is None:
                    if key.fd == self._ends_with_fd or not self._start_one():
                        return
                elif key.data.is_over:
                    continue
                elif key.fileobj == key.data.pid_fd:
                    self._report(key.data)
                else:
                    # The worker closed its end: it wants no more of this file. The child's end is reported above.
                    self._selector.unregister(key.data.status)
                    signal.pidfd_send_signal(key.data.pid_fd, signal.SIGKILL)

    def _start_one(self) -> bool:
        text, descriptors, _, _ = socket.recv_fds(self._control, MAX_REQUEST_BYTES, 4)
        if not text:
            return False
        input_fd, output_fd, status_fd, *memory = descriptors
        status = socket.socket(fileno=status_fd)
        try:
            pid = _fork(Request.from_bytes(text), input_fd, output_fd, memory[0] if memory else None)
        except OSError:  # No process or no memory to be had: that is about the machine, not about the file.
            _tell(status, EXIT_NOT_CONFINED, 0)
            return True
        finally:
            for fd in (input_fd, output_fd, *memory):
                os.close(fd)
        child = _Child(pid, os.pidfd_open(pid), status)
        self._selector.register(child.pid_fd, selectors.EVENT_READ, child)
        self._selector.register(child.status, selectors.EVENT_READ, child)
        return True

    def _report(self, child: _Child) -> None:
        child.is_over = True
        _, status, usage = os.wait4(child.pid, 0)
        self._selector.unregister(child.pid_fd)
        os.close(child.pid_fd)
        if child.status in self._selector.get_map():
            self._selector.unregister(child.status)
        _tell(child.status, os.waitstatus_to_exitcode(status), int(usage.ru_utime + usage.ru_stime))


def _tell(status: socket.socket, exit_code: int, cpu_s: int) -> None:
    """Says how the child ended, and closes the socket."""
    with status:
        try:
            status.send(f"{exit_code} {cpu_s}\n".encode("ascii"))
        except (BrokenPipeError, ConnectionResetError):
            pass  # The worker gave this file up and asks for no status.


def versions() -> dict[str, str]:
    """What decodes here, and OpenCV, which the worker finds points with: kept with every fingerprint."""
    found = {
        name: metadata.version(name) for name in ("pillow", "pillow-heif", "av", "numpy", "opencv-python-headless")
    }
    # How pixels become the picture and the frames that are compared is part of what decodes; so is what is read beside.
    pictures = (images.PICTURE_RULE, damaged.DAMAGED_RULE, sequences.SEQUENCE_RULE)
    found |= dict(rule.split("/") for rule in (*pictures, tags.CLAIMS_RULE))
    return found if _films is None else found | _films.versions()


def walls() -> list[str]:
    """Raises the wall that stands around the zygote and all its children, and names all that a child will have."""
    names = ["one input, one output", "resource limits", "no new privileges", "system call filter"]
    if landlock.kernel_version():
        names.append(f"landlock {landlock.kernel_version()}")
    if leave_namespaces():
        names.append("namespaces")
    return names


def main() -> None:
    """``python -m app.media.jail.zygote PICTURES FILMS``: the two control sockets, as numbers.

    The zygote for films is forked from the one for pictures before FFmpeg is loaded. Each has its walls and its own
    children; neither outlives the other.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C goes to the whole group; the worker tells us when to end.
    of_pictures, of_films = (socket.socket(fileno=int(number)) for number in sys.argv[1:3])
    images.prepare()
    with suppress(seccomp.NoFilter):  # Each child says so for itself, and degraded mode does without.
        seccomp.prepare()
    _require_one_thread()
    pictures_pid = os.getpid()
    films_pid = os.fork()
    if films_pid == 0:
        of_pictures.close()
        confining.die_with(pictures_pid)
        _load_films()
        _serve(of_films)
    else:
        of_films.close()
        _serve(of_pictures, os.pidfd_open(films_pid))


def _load_films() -> None:
    global _films
    films = importlib.import_module("app.media.jail.films")  # By name: the zygote for pictures must not have it.
    films.prepare()
    confining.name_process(FILMS_NAME)
    _films = films


def _serve(control: socket.socket, ends_with_fd: int | None = None) -> None:
    _require_one_thread()
    gc.collect()
    gc.freeze()
    control.send(json.dumps({"versions": versions(), "walls": walls()}).encode("ascii"))
    Zygote(control, ends_with_fd).run()


def _require_one_thread() -> None:
    if threading.active_count() != 1 or len(os.listdir("/proc/self/task")) != 1:
        raise SystemExit("the zygote has threads: forking it would be unsafe")


if __name__ == "__main__":
    main()
