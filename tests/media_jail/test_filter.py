"""The system call filter's program, run by a machine of our own for every number there is, on both processors."""

import errno
import struct
from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.media.jail.seccomp import CALLS, compile_filter

OWN_PID = 4321
ARCHITECTURES = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
OTHER_ARCHITECTURES = {"i386": 0x40000003, "arm": 0x40000028, "riscv64": 0xC00000F3, "none": 0}
KILL, ALLOW, REFUSE = 0x80000000, 0x7FFF0000, 0x00050000

# Frozen: whoever changes what may be asked of a kernel changes these lists, and says why in the commit.
NUMBERS_X86_64 = {
    "read": 0, "write": 1, "open": 2, "close": 3, "stat": 4, "fstat": 5, "lstat": 6, "poll": 7, "lseek": 8, "mmap": 9,
    "mprotect": 10, "munmap": 11, "brk": 12, "rt_sigaction": 13, "rt_sigprocmask": 14, "rt_sigreturn": 15, "ioctl": 16,
    "pread64": 17, "readv": 19, "writev": 20, "access": 21, "sched_yield": 24, "mremap": 25, "madvise": 28,
    "getpid": 39, "clone": 56, "exit": 60, "uname": 63, "fcntl": 72, "readlink": 89, "gettimeofday": 96,
    "getrusage": 98, "sysinfo": 99, "sigaltstack": 131, "prctl": 157, "gettid": 186, "futex": 202,
    "sched_getaffinity": 204, "restart_syscall": 219, "clock_gettime": 228, "clock_nanosleep": 230, "exit_group": 231,
    "tgkill": 234, "openat": 257, "newfstatat": 262, "readlinkat": 267, "faccessat": 269, "ppoll": 271,
    "set_robust_list": 273, "prlimit64": 302, "getrandom": 318, "membarrier": 324, "statx": 332, "rseq": 334,
    "clone3": 435,
}  # fmt: skip
NUMBERS_AARCH64 = {
    "fcntl": 25, "ioctl": 29, "faccessat": 48, "openat": 56, "close": 57, "lseek": 62, "read": 63, "write": 64,
    "readv": 65, "writev": 66, "pread64": 67, "ppoll": 73, "readlinkat": 78, "newfstatat": 79, "fstat": 80, "exit": 93,
    "exit_group": 94, "futex": 98, "set_robust_list": 99, "clock_gettime": 113, "clock_nanosleep": 115,
    "sched_getaffinity": 123, "sched_yield": 124, "restart_syscall": 128, "tgkill": 131, "sigaltstack": 132,
    "rt_sigaction": 134, "rt_sigprocmask": 135, "rt_sigreturn": 139, "uname": 160, "getrusage": 165, "prctl": 167,
    "gettimeofday": 169, "getpid": 172, "gettid": 178, "sysinfo": 179, "brk": 214, "munmap": 215, "mremap": 216,
    "clone": 220, "mmap": 222, "mprotect": 226, "madvise": 233, "prlimit64": 261, "getrandom": 278, "membarrier": 283,
    "statx": 291, "rseq": 293, "clone3": 435,
}  # fmt: skip
FROZEN: Mapping[str, Mapping[str, int]] = {"x86_64": NUMBERS_X86_64, "aarch64": NUMBERS_AARCH64}


def answer(program: bytes, architecture: int, number: int, *arguments: int) -> int:
    """What the kernel would answer: classic BPF over ``struct seccomp_data`` (seccomp(2))."""
    given_ = [*arguments, *[0] * (6 - len(arguments))]
    data = struct.pack("=IIQ6Q", number, architecture, 0, *given_)
    steps, at, register = list(struct.iter_unpack("=HBBI", program)), 0, 0
    while True:
        code, if_true, if_false, value = steps[at]
        at += 1
        match code:
            case 0x20:
                (register,) = struct.unpack_from("=I", data, value)
            case 0x15:
                at += if_true if register == value else if_false
            case 0x35:
                at += if_true if register >= value else if_false
            case 0x45:
                at += if_true if register & value else if_false
            case 0x06:
                return int(value)
            case _:
                raise AssertionError(f"an instruction that is not used here: {code:#x}")


@pytest.fixture(params=list(ARCHITECTURES))
def machine(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def ask(machine: str, name: str, *arguments: int, with_threads: bool = False) -> int:
    program = compile_filter(machine, OWN_PID, with_threads=with_threads)
    return answer(program, ARCHITECTURES[machine], FROZEN[machine][name], *arguments)


def test_numbers_when_listed_then_they_are_these_on_each_processor(machine: str) -> None:
    place = 0 if machine == "x86_64" else 1
    assert {name: call[place] for name, call in CALLS.items() if call[place] is not None} == FROZEN[machine]


def test_filter_when_asked_for_any_other_number_then_it_kills(machine: str) -> None:
    program, known = compile_filter(machine, OWN_PID), set(FROZEN[machine].values())
    for number in [*range(1024), 2**31, 2**32 - 1]:
        is_killed = answer(program, ARCHITECTURES[machine], number) == KILL
        assert is_killed or number in known, number


def test_filter_when_asked_through_another_door_then_it_kills(machine: str) -> None:
    """The 32-bit entry (int 0x80), another processor's numbers, and x86's x32 numbers: all of them, listed or not."""
    program = compile_filter(machine, OWN_PID)
    others = {**OTHER_ARCHITECTURES, **ARCHITECTURES}
    del others[machine]
    for number in range(1024):
        for architecture in others.values():
            assert answer(program, architecture, number) == KILL
        assert answer(program, ARCHITECTURES[machine], number | 0x40000000) == KILL


HIGH = 1 << 32
LARGE = st.integers(0, 2**64 - 1)


@given(LARGE, LARGE)
def test_memory_when_asked_to_be_executable_then_it_is_refused(rights: int, other: int) -> None:
    for machine in ARCHITECTURES:
        for name in ("mmap", "mprotect"):
            expected = REFUSE | errno.EPERM if rights & 4 else ALLOW
            assert ask(machine, name, other, other, rights, other) == expected


@given(LARGE)
def test_clone_when_asked_for_anything_then_only_a_plain_thread_is_given_and_only_where_one_is_needed(
    flags: int,
) -> None:
    for machine in ARCHITECTURES:
        assert ask(machine, "clone", flags) == REFUSE | errno.EPERM
        for one in (flags, 0x3D0F00, 0x3D0F00 | HIGH, 0x3D0F00 | 0x10000000, 17, 0x10000):
            expected = ALLOW if one in (0x3D0F00, 0x7D0F00) else REFUSE | errno.EPERM
            assert ask(machine, "clone", one, with_threads=True) == expected


def test_calls_when_their_arguments_reach_beyond_the_process_then_they_are_refused(machine: str) -> None:
    refused = REFUSE | errno.EPERM
    assert ask(machine, "tgkill", OWN_PID, 1, 6) == ALLOW
    for other in (0, 1, OWN_PID - 1, 2**32 - 1, 2**32 - OWN_PID):  # -1 and -pid: all processes, and a group.
        assert ask(machine, "tgkill", other, other, 9) == KILL
    assert ask(machine, "prlimit64", 0, 7, 0, 99) == ALLOW
    assert ask(machine, "prlimit64", 1, 7, 0, 99) == refused
    assert ask(machine, "prlimit64", HIGH, 7, 0, 99) == refused
    assert ask(machine, "prlimit64", 0, 7, 99, 0) == ask(machine, "prlimit64", 0, 7, HIGH, 0) == refused
    for command in (0, 2, 4, 5, 6, 8, 10, 1024, 1025, 1030, 1031, 1033, HIGH | 1):  # Copies, flags, owners, leases.
        assert ask(machine, "fcntl", 4, command) == refused
    assert ask(machine, "fcntl", 4, 1) == ask(machine, "fcntl", 4, 3) == ALLOW
    for option in (1, 4, 8, 22, 23, 24, 28, 35, 36, 38, 47, 62, 0x59616D61, HIGH | 15):  # PDEATHSIG, MM, SECCOMP …
        assert ask(machine, "prctl", option, 1) == refused
    for advice in (9, 12, 13, 18, 21, 100, 101, 2**32 - 1, HIGH | 4):  # Poison, share with others, page out.
        assert ask(machine, "madvise", 4096, 4096, advice) == REFUSE | errno.EINVAL
    for operation in (3, 4, 5, 6, 7, 8, 11, 12, 13, 134, 139):  # Requeue, lend priorities.
        assert ask(machine, "futex", 4096, operation) == REFUSE | errno.ENOSYS
    assert ask(machine, "ioctl", 0, 0x5412) == REFUSE | errno.ENOTTY  # TIOCSTI: type into a terminal.
