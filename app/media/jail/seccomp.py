"""The system calls that a decoder may make, as a seccomp filter (seccomp(2), classic BPF). Frozen by a test.

It is the wall: Landlock and the limits narrow what is left. What is not listed kills the process (SIGSYS), which its
file's outcome names ``policy_violation``. A few calls that libraries try and can do without answer with an error.
"""

import ctypes
import errno
import os
import platform
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Literal

PROT_EXEC = 0x4
PTHREAD_FLAGS = (0x3D0F00, 0x7D0F00)
"""The flags with which glibc and musl start a thread of this process: no child, no namespace, no tracing."""

FUTEX_OPERATIONS = (0, 1, 128, 129, 137, 138, 265, 393)
"""Wait and wake, private or not, by a bit set or not. None of those that lend priorities: holes were in these."""

ADVICES = (0, 1, 2, 3, 4, 8, 14, 15, 16, 17)
"""What a process may say of its own memory. None that poisons or takes pages from the machine."""

F_GETFD, F_GETFL = 1, 3
PR_SET_NAME = 15

_PR_SET_SECCOMP = 22
_SECCOMP_MODE_FILTER = 2
_RETURN_ALLOW = 0x7FFF0000
_RETURN_ERRNO = 0x00050000
_RETURN_KILL_PROCESS = 0x80000000
_AUDIT_ARCH = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
_X32_BIT = 0x40000000

_LOAD_WORD, _JUMP_EQUAL, _JUMP_GREATER_EQUAL, _JUMP_ANY_BIT, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_OFFSET_NUMBER, _OFFSET_ARCH, _OFFSET_ARGUMENTS = 0, 4, 16

_libc = ctypes.CDLL(None, use_errno=True)
_set_option = _libc.prctl  # Looked up here and not by every child.
_MACHINE = platform.machine()
_IS_OWN_PID = b"the process's own number"
"""Stands for one instruction, which only the process itself can write."""


Test = Literal["always", "never", "no_bit", "equals", "own_pid"]


class NoFilter(Exception):
    """The filter cannot be built for this processor, or the kernel does not take it."""


@dataclass(frozen=True, slots=True)
class Rule:
    """What a call answers: it is allowed, or only when its ``argument`` passes the ``test``, or never."""

    refused: int | None = None
    """The errno of a refusal; None: killed."""
    test: Test = "always"
    argument: int = 0
    """Which one is tested, from 0."""
    values: tuple[int, ...] = ()
    """``no_bit``: bits that must not be set · ``equals``: one of these · ``own_pid``: none."""
    also: "Rule | None" = None
    """After ``equals`` this one, too, must let the call through."""


ALLOW = Rule()
_MISSING = Rule(errno.ENOSYS, "never")
_FORBIDDEN = Rule(errno.EACCES, "never")

CALLS: Mapping[str, tuple[int | None, int | None, Rule]] = {
    # name: number on x86_64, on aarch64 (None: the processor has no such call), rule
    "read": (0, 63, ALLOW),
    "readv": (19, 65, ALLOW),
    "pread64": (17, 67, ALLOW),
    "lseek": (8, 62, ALLOW),
    "write": (1, 64, ALLOW),
    "writev": (20, 66, ALLOW),
    "close": (3, 57, ALLOW),
    "fstat": (5, 80, ALLOW),
    "fcntl": (72, 25, Rule(errno.EPERM, "equals", 1, (F_GETFD, F_GETFL))),
    "poll": (7, None, ALLOW),
    "ppoll": (271, 73, ALLOW),
    "mmap": (9, 222, Rule(errno.EPERM, "no_bit", 2, (PROT_EXEC,))),
    "mprotect": (10, 226, Rule(errno.EPERM, "no_bit", 2, (PROT_EXEC,))),
    "munmap": (11, 215, ALLOW),
    "mremap": (25, 216, ALLOW),
    "madvise": (28, 233, Rule(errno.EINVAL, "equals", 2, ADVICES)),
    "brk": (12, 214, ALLOW),
    "futex": (202, 98, Rule(errno.ENOSYS, "equals", 1, FUTEX_OPERATIONS)),
    "sched_yield": (24, 124, ALLOW),
    "sched_getaffinity": (204, 123, ALLOW),
    "getpid": (39, 172, ALLOW),
    "gettid": (186, 178, ALLOW),
    "clock_gettime": (228, 113, ALLOW),
    "clock_nanosleep": (230, 115, ALLOW),
    "gettimeofday": (96, 169, ALLOW),
    "getrandom": (318, 278, ALLOW),
    "getrusage": (98, 165, ALLOW),
    "sysinfo": (99, 179, ALLOW),
    "uname": (63, 160, ALLOW),
    "rt_sigaction": (13, 134, ALLOW),
    "rt_sigprocmask": (14, 135, ALLOW),
    "rt_sigreturn": (15, 139, ALLOW),
    "sigaltstack": (131, 132, ALLOW),
    "restart_syscall": (219, 128, ALLOW),
    "set_robust_list": (273, 99, ALLOW),
    "rseq": (334, 293, ALLOW),
    "membarrier": (324, 283, ALLOW),
    "exit": (60, 93, ALLOW),
    "exit_group": (231, 94, ALLOW),
    # abort() sends itself a signal; no other process may get one.
    "tgkill": (234, 131, Rule(None, "own_pid")),
    # Nothing starts a thread, unless THREADS is put in its place. clone3's flags lie in memory, where a filter
    # cannot look.
    "clone": (56, 220, Rule(errno.EPERM, "never")),
    "clone3": (435, 435, _MISSING),
    # Reading its own limits, not setting them: the new limit's address must be null.
    "prlimit64": (302, 261, Rule(errno.EPERM, "equals", 2, (0,), also=Rule(errno.EPERM, "equals", 0, (0,)))),
    # A thread's name and no other option.
    "prctl": (157, 167, Rule(errno.EPERM, "equals", 0, (PR_SET_NAME,))),
    # Tried by libraries that look for processors, time zones and terminals, and can do without.
    "ioctl": (16, 29, Rule(errno.ENOTTY, "never")),
    "open": (2, None, _FORBIDDEN),
    "openat": (257, 56, _FORBIDDEN),
    "stat": (4, None, _FORBIDDEN),
    "lstat": (6, None, _FORBIDDEN),
    "newfstatat": (262, 79, _FORBIDDEN),
    "statx": (332, 291, _FORBIDDEN),
    "access": (21, None, _FORBIDDEN),
    "faccessat": (269, 48, _FORBIDDEN),
    "readlink": (89, None, _FORBIDDEN),
    "readlinkat": (267, 78, _FORBIDDEN),
}

THREADS = Rule(errno.EPERM, "equals", 0, PTHREAD_FLAGS)
"""``clone`` for a decoder that cannot do without threads (libde265 starts one for each picture of a HEIC)."""


def install(*, with_threads: bool = False) -> None:
    """Puts the filter on this process, for ever; needs no_new_privs. Raises NoFilter."""
    program = compile_filter(_MACHINE, os.getpid(), with_threads=with_threads)
    buffer = ctypes.create_string_buffer(program, len(program))
    address = ctypes.addressof(buffer)
    header = ctypes.create_string_buffer(struct.pack("HxxxxxxQ", len(program) // 8, address))
    if _set_option(_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, header, 0, 0) != 0:
        raise NoFilter(f"seccomp: {os.strerror(ctypes.get_errno())}")


def prepare() -> None:
    """Compiles the filters, but for the process's own number, so that no child has to. Raises NoFilter."""
    for with_threads in (False, True):
        _pieces(_MACHINE, with_threads)


def compile_filter(machine: str, own_pid: int, *, with_threads: bool = False) -> bytes:
    """The filter's program as an array of ``struct sock_filter``. Raises NoFilter for another processor."""
    return _instruction(_JUMP_EQUAL, own_pid, if_true=1).join(_pieces(machine, with_threads))


@cache
def _pieces(machine: str, with_threads: bool) -> tuple[bytes, ...]:
    """The program, cut wherever the process's own number is compared."""
    if machine not in _AUDIT_ARCH:
        raise NoFilter(f"there is no list of system calls for {machine}")
    program = [
        _instruction(_LOAD_WORD, _OFFSET_ARCH),
        _instruction(_JUMP_EQUAL, _AUDIT_ARCH[machine], if_true=1),
        _instruction(_RETURN, _RETURN_KILL_PROCESS),
        _instruction(_LOAD_WORD, _OFFSET_NUMBER),
    ]
    if machine == "x86_64":  # The same calls under other numbers, with 32-bit pointers.
        program += [
            _instruction(_JUMP_GREATER_EQUAL, _X32_BIT, if_false=1),
            _instruction(_RETURN, _RETURN_KILL_PROCESS),
        ]
    for name, numbers in CALLS.items():
        number = numbers[0] if machine == "x86_64" else numbers[1]
        if number is not None:
            answer = _answer(THREADS if with_threads and name == "clone" else numbers[2])
            program += [_instruction(_JUMP_EQUAL, number, if_false=len(answer)), *answer]
    program.append(_instruction(_RETURN, _RETURN_KILL_PROCESS))
    pieces: list[list[bytes]] = [[]]
    for instruction in program:
        if instruction is _IS_OWN_PID:
            pieces.append([])
        else:
            pieces[-1].append(instruction)
    return tuple(b"".join(piece) for piece in pieces)


def _answer(rule: Rule) -> list[bytes]:
    """The instructions behind one call's number: they end in a return on every path."""
    refuse = _instruction(_RETURN, _RETURN_KILL_PROCESS if rule.refused is None else _RETURN_ERRNO | rule.refused)
    allow = _instruction(_RETURN, _RETURN_ALLOW)
    low = _OFFSET_ARGUMENTS + 8 * rule.argument
    load_low, load_high = _instruction(_LOAD_WORD, low), _instruction(_LOAD_WORD, low + 4)
    match rule.test:
        case "always":
            return [allow]
        case "never":
            return [refuse]
        case "no_bit":
            return [load_low, _instruction(_JUMP_ANY_BIT, rule.values[0], if_false=1), refuse, allow]
        case "own_pid":
            return [load_low, _IS_OWN_PID, refuse, allow]
        case "equals":
            tests = [
                _instruction(_JUMP_EQUAL, value, if_true=len(rule.values) - place)
                for place, value in enumerate(rule.values)
            ]
            passed = [allow] if rule.also is None else _answer(rule.also)
            # The upper half must be zero, so that no address or number passes for its lower half.
            return [load_high, _instruction(_JUMP_EQUAL, 0, if_false=1 + len(tests)), load_low, *tests, refuse, *passed]


def _instruction(code: int, value: int, *, if_true: int = 0, if_false: int = 0) -> bytes:
    return struct.pack("=HBBI", code, if_true, if_false, value)
