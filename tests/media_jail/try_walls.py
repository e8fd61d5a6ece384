"""``python -m tests.media_jail.try_walls [UID] [no-filters|unconfined]``: which probes get out, one a line.

A process of its own, because walls stay for ever and pytest must not be forked. With a UID it becomes that user first
(it needs root). ``no-filters``: the kernel takes no system call filter. ``unconfined``: without any wall.
"""

import ctypes
import errno
import os
import signal
import struct
import sys

from app.media.jail import probes
from app.media.jail.confine import ConfinementFailed, confine
from app.media.jail.decoder import Decoder, JailUnavailable
from app.media.jail.limits import DecodeLimits
from tests.media_jail.more_probes import ANSWER, INPUT, MAY_CRASH, MORE

_PRCTL, _PR_SET_SECCOMP, _PR_SET_NO_NEW_PRIVS = 157, 22, 38


def refuse_filters() -> None:
    """From here on this process and its children are refused new filters, as an old kernel would."""
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    program = b"".join(
        struct.pack("=HBBI", *parts)
        for parts in (
            (0x20, 0, 0, 0),  # The call's number
            (0x15, 0, 3, _PRCTL),
            (0x20, 0, 0, 16),  # Its first argument
            (0x15, 0, 1, _PR_SET_SECCOMP),
            (0x06, 0, 0, 0x00050000 | errno.EINVAL),
            (0x06, 0, 0, 0x7FFF0000),
        )
    )
    buffer = ctypes.create_string_buffer(program, len(program))
    header = ctypes.create_string_buffer(struct.pack("HxxxxxxQ", len(program) // 8, ctypes.addressof(buffer)))
    if libc.prctl(_PR_SET_SECCOMP, 2, header, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl")


ATTEMPTS = {**probes.PROBES, **MORE}
NEW_TASKS = ("fork", "fork into namespaces", "run a program", "make a namespace")


def attempt(name: str, *, is_confined: bool, with_threads: bool = False) -> bool:
    """Whether the probe gets out of a child of this process."""
    parent = os.getpid()
    pid = os.fork()
    if pid == 0:
        try:
            if is_confined:
                confine(*files(), parent, 20, DecodeLimits(), with_threads=with_threads)
            else:
                place_files(*files())
            os._exit(0 if not probes.gets_out(ATTEMPTS[name]) else 1)
        except (ConfinementFailed, OSError):
            os._exit(99)
    ended = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    return ended not in (0, -signal.SIGSYS) and not (name in MAY_CRASH and ended == -signal.SIGSEGV)


def files() -> tuple[int, int]:
    """A file to read, and a pipe to answer by, as the worker makes them."""
    return os.open("/proc/self/exe", os.O_RDONLY), os.pipe()[1]


def place_files(file: int, pipe: int) -> None:
    os.dup2(file, INPUT)
    os.dup2(pipe, ANSWER)


def main(arguments: list[str]) -> None:
    if arguments and arguments[0].isdecimal():
        user = int(arguments.pop(0))
        os.setgroups([])
        os.setgid(user)
        os.setuid(user)
    match arguments:
        case ["unconfined"]:
            escapes = [name for name in ATTEMPTS if attempt(name, is_confined=False)]
        case ["no-filters"]:
            refuse_filters()
            try:
                with Decoder() as strict:
                    print(f"strict: {strict.examine().escapes}")
            except JailUnavailable as error:
                print(f"strict: {error}")
            with Decoder(mode="degraded") as degraded:
                escapes = list(degraded.examine().escapes)
        case _:
            escapes = [name for name in ATTEMPTS if attempt(name, is_confined=True)]
            # A HEIC's decoder may start a thread, and nothing else.
            threads = [name for name in NEW_TASKS if attempt(name, is_confined=True, with_threads=True)]
            escapes += [f"{name}, with threads" for name in threads]
    print("\n".join(escapes))


if __name__ == "__main__":
    main(sys.argv[1:])
