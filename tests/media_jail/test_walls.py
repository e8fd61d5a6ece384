"""The walls round the decoder: what it may ask of the kernel, and that nothing else is granted."""

import errno
import os
import subprocess
import sys

import pytest

from app.media.jail import seccomp
from app.media.jail.decoder import Decoder
from app.media.jail.probes import PROBES
from app.media.jail.seccomp import CALLS, NoFilter, compile_filter

ALLOWED = {
    *("read", "readv", "pread64", "lseek", "write", "writev", "close", "fstat", "poll", "ppoll"),
    *("munmap", "mremap", "brk", "sched_yield", "sched_getaffinity", "getpid", "gettid"),
    *("clock_gettime", "clock_nanosleep", "gettimeofday", "getrandom", "getrusage", "sysinfo", "uname"),
    *("rt_sigaction", "rt_sigprocmask", "rt_sigreturn", "sigaltstack", "restart_syscall", "set_robust_list"),
    *("rseq", "membarrier", "exit", "exit_group"),
}
NARROWED = {
    "fcntl": ("equals", 1, (seccomp.F_GETFD, seccomp.F_GETFL), errno.EPERM),
    "mmap": ("no_bit", 2, (seccomp.PROT_EXEC,), errno.EPERM),
    "mprotect": ("no_bit", 2, (seccomp.PROT_EXEC,), errno.EPERM),
    "prlimit64": ("equals", 2, (0,), errno.EPERM),
    "prctl": ("equals", 0, (seccomp.PR_SET_NAME,), errno.EPERM),
    "madvise": ("equals", 2, seccomp.ADVICES, errno.EINVAL),
    "futex": ("equals", 1, seccomp.FUTEX_OPERATIONS, errno.ENOSYS),
    "tgkill": ("own_pid", 0, (), None),
}
REFUSED = {
    **dict.fromkeys(("open", "openat", "stat", "lstat", "newfstatat", "statx"), errno.EACCES),
    **dict.fromkeys(("access", "faccessat", "readlink", "readlinkat"), errno.EACCES),
    "ioctl": errno.ENOTTY,
    "clone": errno.EPERM,
    "clone3": errno.ENOSYS,
}


def test_system_calls_when_listed_then_they_are_these_and_no_other() -> None:
    """Whoever adds a call changes this list too, and says why in the commit."""
    assert {name for name, (_, _, rule) in CALLS.items() if rule.test == "always"} == ALLOWED
    narrowed = {n: (r.test, r.argument, r.values, r.refused) for n, (_, _, r) in CALLS.items() if n in NARROWED}
    assert narrowed == NARROWED
    assert {name: rule.refused for name, (_, _, rule) in CALLS.items() if rule.test == "never"} == REFUSED
    assert set(CALLS) == ALLOWED | set(NARROWED) | set(REFUSED)


@pytest.mark.parametrize("machine", ["x86_64", "aarch64"])
def test_filter_when_compiled_then_it_is_short_enough_for_the_kernel(machine: str) -> None:
    program = compile_filter(machine, 1234)
    assert len(program) % 8 == 0
    assert len(program) // 8 < 4096
    assert program[-8:] == bytes.fromhex("0600000000000080")  # Whatever is left: kill the process.


def test_filter_when_the_processor_is_unknown_then_there_is_none() -> None:
    with pytest.raises(NoFilter, match="riscv64"):
        compile_filter("riscv64", 1)


def escapes(*arguments: str) -> list[str]:
    command = [sys.executable, "-W", "error", "-m", "tests.media_jail.try_walls", *arguments]
    run = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    return run.stdout.split("\n")[:-1]


def test_probes_when_nothing_confines_them_then_they_get_out() -> None:
    """What a probe tries would work without the walls: a refusal is the walls' doing."""
    assert {
        *("open a file", "write a file", "list a directory", "look at a file", "make memory executable", "fork"),
        *("open an internet socket", "open a local socket", "make a socket pair", "make a file in memory"),
        *("change its limits", "change directory", "trace a process", "hold another process", "run a program"),
        *("remove a file", "signal the parent", "load a kernel program"),
        *("outlive the zygote", "become dumpable", "signal another's thread", "send the file"),
        *("own the pipe's signals", "resize the pipe", "copy a descriptor", "watch a file", "make a counter"),
        *("set a timer", "choose its processors", "change its priority", "read another's limits", "tee the pipe"),
        *("have executable data", "make a poll", "share memory", "splice the file into the pipe", "open a queue"),
    } <= set(escapes("unconfined"))


@pytest.mark.thorough
@pytest.mark.parametrize("user", [[], ["65534"]], ids=["as oneself", "as an ordinary user"])
def test_probes_when_confined_then_every_one_is_refused(user: list[str]) -> None:
    if user and os.geteuid() != 0:
        user = []  # Whoever runs the tests is an ordinary user already.
    assert escapes(*user) == [""]


def test_decoder_when_examined_then_it_names_its_walls_and_nothing_got_out(decoder: Decoder) -> None:
    report = decoder.examine()
    assert (report.mode, report.escapes, report.is_sound) == ("strict", (), True)
    assert {"system call filter", "resource limits", "no new privileges"} <= set(report.walls)
    assert {"pillow", "av", "libavcodec"} <= set(report.versions)
    assert len(PROBES) >= 19


@pytest.mark.thorough
def test_decoder_when_the_kernel_takes_no_filter_then_strict_refuses_and_degraded_says_what_gets_out() -> None:
    strict, *degraded = escapes("no-filters")
    assert strict == "strict: a decoding process could not be confined"
    assert {"fork", "make a socket pair", "make memory executable"} <= set(degraded)
    assert "write the input" not in degraded


_NAMES_ITS_DESCRIPTORS = """
import os, sys
from app.media.jail import confine
kept = os.dup(1)
for _ in range(40):
    os.open(os.devnull, os.O_RDONLY)
far = os.dup2(kept, 900)
if sys.argv[1] == "one by one":
    confine._close_range = None
confine._keep_two_descriptors(os.open(os.devnull, os.O_RDONLY), kept)
def is_open(fd):
    try:
        os.fstat(fd)
    except OSError:
        return False
    return True
os.write(confine.OUTPUT_FD, " ".join(str(fd) for fd in range(1024) if is_open(fd)).encode())
"""


@pytest.mark.parametrize("how", ["by one call", "one by one"])
def test_process_when_all_but_two_descriptors_are_taken_then_none_is_left_whichever_way_the_kernel_knows(
    how: str,
) -> None:
    answer = subprocess.run([sys.executable, "-c", _NAMES_ITS_DESCRIPTORS, how], capture_output=True, check=True)
    assert answer.stdout == b"0 1 2 3 4"
