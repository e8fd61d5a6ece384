"""Attempts to get out of the jail, each made in a confined child at the worker's start: every one must be refused.

A probe has escaped when it comes back from what it tried, or when the kernel looked at it at all and found another
fault than a missing right. None does harm where it gets out: degraded mode runs them all the same.
"""

import ctypes
import errno
import mmap
import os
import platform
import resource
import socket
from collections.abc import Callable, Mapping

_PTRACE_TRACEME = 0
_PR_SET_PDEATHSIG = 1
_THREAD_FLAGS = 0x3D0F00
_CLONE_NEWNS = 0x20000
_REFUSALS = frozenset({errno.EPERM, errno.EACCES, errno.ENOSYS, errno.EBADF})
"""EBADF: of a descriptor that is open for reading only."""

_libc = ctypes.CDLL(None, use_errno=True)

_NUMBERS: Mapping[str, tuple[int, int]] = {
    # name: on x86_64, on aarch64
    "ptrace": (101, 117),
    "process_vm_readv": (310, 270),
    "memfd_create": (319, 279),
    "io_uring_setup": (425, 425),
    "bpf": (321, 280),
    "unshare": (272, 97),
    "setns": (308, 268),
    "fsopen": (430, 430),
    "perf_event_open": (298, 241),
    "userfaultfd": (323, 282),
    "keyctl": (250, 219),
    "pidfd_open": (434, 434),
    "clone": (56, 220),
    "prctl": (157, 167),
}


def _call(name: str, *arguments: object) -> None:
    """The system call itself, so that no library's own check stands in the way. Raises OSError when it fails."""
    number = _NUMBERS[name][0 if platform.machine() == "x86_64" else 1]
    if _libc.syscall(number, *arguments) < 0:
        raise OSError(ctypes.get_errno(), name)


def _map_executable() -> None:
    mmap.mmap(-1, mmap.PAGESIZE, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)


def _raise_limits() -> None:
    resource.setrlimit(resource.RLIMIT_FSIZE, (1024, 1024))


def _lower_limits() -> None:
    resource.setrlimit(resource.RLIMIT_CPU, (1, 1))


def _connect(family: socket.AddressFamily) -> Callable[[], None]:
    def connect() -> None:
        socket.socket(family, socket.SOCK_STREAM).close()

    return connect


PROBES: Mapping[str, Callable[[], object]] = {
    "open a file": lambda: os.open("/etc/passwd", os.O_RDONLY),
    "write a file": lambda: os.open("/tmp", os.O_WRONLY | os.O_TMPFILE),  # noqa: S108 - it never has a name
    "list a directory": lambda: os.listdir("/"),
    "look at a file": lambda: os.stat("/etc/passwd"),
    "remove a file": lambda: os.unlink("/proc/self/no-such-file"),
    "signal the parent": lambda: os.kill(os.getppid(), 0),
    "signal another process": lambda: os.kill(1, 0),
    "trace a process": lambda: _call("ptrace", _PTRACE_TRACEME, 0, None, None),
    "read another's memory": lambda: _call("process_vm_readv", os.getpid(), None, 0, None, 0, 0),
    "make memory executable": _map_executable,
    "run a program": lambda: os.execv("/bin/false", ["false"]),  # noqa: S606 - refused
    "fork": os.fork,
    "open an internet socket": _connect(socket.AF_INET),
    "open a local socket": _connect(socket.AF_UNIX),
    "make a socket pair": socket.socketpair,
    "make a file in memory": lambda: _call("memfd_create", b"probe", 0),
    "set up io_uring": lambda: _call("io_uring_setup", 1, ctypes.create_string_buffer(256)),
    "load a kernel program": lambda: _call("bpf", 0, ctypes.create_string_buffer(128), 128),
    "make a namespace": lambda: _call("unshare", _CLONE_NEWNS),
    "enter a namespace": lambda: _call("setns", 3, 0),
    "prepare a mount": lambda: _call("fsopen", b"tmpfs", 0),
    "watch performance": lambda: _call("perf_event_open", ctypes.create_string_buffer(128), 0, -1, -1, 0),
    "handle page faults": lambda: _call("userfaultfd", 0),
    "use the key ring": lambda: _call("keyctl", 0, -3, 0),
    "hold another process": lambda: _call("pidfd_open", os.getppid(), 0),
    "raise its limits": _raise_limits,
    "change its limits": _lower_limits,
    "write the input": lambda: os.write(3, b"x"),
    "change its user": lambda: os.setuid(65534),
    "change directory": lambda: os.chdir("/"),
    "start a thread": lambda: _call("clone", _THREAD_FLAGS, 0, 0, 0, 0),
    "outlive the zygote": lambda: _call("prctl", _PR_SET_PDEATHSIG, 0, 0, 0, 0),
}


def has_escaped(name: str) -> bool:
    """Makes the attempt in this, confined, process."""
    return gets_out(PROBES[name])


def gets_out(attempt: Callable[[], object]) -> bool:
    """Whether anything but a refusal comes of it."""
    try:
        attempt()
    except OSError as error:
        return error.errno not in _REFUSALS
    except ValueError:
        return False  # What setrlimit says of a limit that it may not change.
    return True
