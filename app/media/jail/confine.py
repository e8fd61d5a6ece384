"""Takes away from the decoding process what it does not need, before it sees the first byte of a file.

Each step only narrows, none can be undone by the process itself, and the order matters: what needs a descriptor or a
system call comes before the step that takes that away. Any step that fails ends the process: no jail, no decoding. Only
in degraded mode, which an operator must ask for, may the walls that the kernel gives (Landlock, seccomp) be missing.
"""

import ctypes
import errno
import fcntl
import os
import resource
import signal
import struct

from app.media.jail import landlock, seccomp
from app.media.jail.limits import DecodeLimits

INPUT_FD = 3
OUTPUT_FD = 4
_ABOVE_ALL_KEPT = 10

_PR_SET_PDEATHSIG = 1
_PR_SET_DUMPABLE = 4
_PR_SET_NAME = 15
_PR_SET_NO_NEW_PRIVS = 38
_CAPABILITY_VERSION_3 = 0x20080522
_CLONE_NEWUTS, _CLONE_NEWIPC, _CLONE_NEWUSER, _CLONE_NEWNET = 0x04000000, 0x08000000, 0x10000000, 0x40000000

_libc = ctypes.CDLL(None, use_errno=True)
_capset, _set_option = _libc.capset, _libc.prctl  # Looked up here and not by every child.
_close_range = getattr(_libc, "close_range", None)
_LAST_FD = 2**32 - 1
_NO_CAPABILITIES = struct.pack("=Ii", _CAPABILITY_VERSION_3, 0)


class ConfinementFailed(Exception):
    """A wall could not be raised; nothing may be decoded behind the missing one."""


def leave_namespaces() -> bool:
    """Gives the calling process, and all that it forks, a network and a user table of its own, with nothing in them.

    False where the system does not allow it (many containers do not): the other walls do not stand on this one.
    """
    return bool(_libc.unshare(_CLONE_NEWUSER | _CLONE_NEWNET | _CLONE_NEWIPC | _CLONE_NEWUTS) == 0)


def confine(
    input_fd: int,
    output_fd: int,
    zygote_pid: int,
    cpu_s: int,
    limits: DecodeLimits,
    *,
    is_strict: bool = True,
    with_threads: bool = False,
) -> None:
    """Confines the calling process, which has one thread; afterwards only INPUT_FD and OUTPUT_FD lead anywhere.

    Raises ConfinementFailed or OSError: the caller must exit without reading the file.
    """
    _offer_to_the_oom_killer()
    _drop_capabilities()
    die_with(zygote_pid)
    _prctl(_PR_SET_DUMPABLE, 0)
    _keep_two_descriptors(input_fd, output_fd)
    _limit_resources(cpu_s, limits)
    _prctl(_PR_SET_NO_NEW_PRIVS, 1)
    _raise_kernel_walls(is_strict, with_threads)


def die_with(parent_pid: int) -> None:
    """Ends the calling process when its parent does. Raises ConfinementFailed when that is gone already."""
    _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent_pid:  # It died before the line above took hold.
        raise ConfinementFailed("the zygote is gone")


def name_process(name: bytes) -> None:
    """At most 15 bytes."""
    _set_option(_PR_SET_NAME, name, 0, 0, 0)


def _offer_to_the_oom_killer() -> None:
    """When the machine's memory runs out, this process goes first, and not the worker or the database."""
    try:
        fd = os.open("/proc/self/oom_score_adj", os.O_WRONLY)
    except OSError:
        return  # A read-only /proc. It is no wall: the limits below hold all the same.
    try:
        os.write(fd, b"1000")
    except OSError:
        pass  # As above.
    finally:
        os.close(fd)


def _drop_capabilities() -> None:
    """Takes what root, or the first process of a user namespace, may do; an ordinary user has none to lose."""
    if _capset(_NO_CAPABILITIES, bytes(24)) != 0:
        raise ConfinementFailed(f"capset: {os.strerror(ctypes.get_errno())}")


def _raise_kernel_walls(is_strict: bool, with_threads: bool) -> None:
    try:
        landlock.restrict()
    except landlock.NoLandlock:
        pass  # A second wall, which old kernels lack: what it holds off, the filter refuses too. The report names it.
    try:
        seccomp.install(with_threads=with_threads)
    except seccomp.NoFilter as error:
        if is_strict:
            raise ConfinementFailed(str(error)) from error


def _keep_two_descriptors(input_fd: int, output_fd: int) -> None:
    """0, 1 and 2 become /dev/null, because libraries print; 3 and 4 are the file and the answer; all else closes."""
    # High copies first, so that neither is overwritten while the other is moved.
    high_input = fcntl.fcntl(input_fd, fcntl.F_DUPFD, _ABOVE_ALL_KEPT)
    high_output = fcntl.fcntl(output_fd, fcntl.F_DUPFD, _ABOVE_ALL_KEPT)
    nowhere = os.open(os.devnull, os.O_RDWR)
    for standard in (0, 1, 2):
        os.dup2(nowhere, standard)
    os.dup2(high_input, INPUT_FD)
    os.dup2(high_output, OUTPUT_FD)
    if not _close_all_above(OUTPUT_FD):
        for name in os.listdir("/proc/self/fd"):
            if int(name) > OUTPUT_FD:
                _close_if_open(int(name))


def _close_all_above(fd: int) -> bool:
    """By one call, close_range(2); False where the C library or the kernel (before Linux 5.9) does not know it."""
    return _close_range is not None and _close_range(ctypes.c_uint(fd + 1), ctypes.c_uint(_LAST_FD), 0) == 0


def _close_if_open(fd: int) -> None:
    """Closes a descriptor that was listed; the listing's own is among them, and closed by now."""
    try:
        os.close(fd)
    except OSError as error:
        if error.errno != errno.EBADF:
            raise


def _limit_resources(cpu_s: int, limits: DecodeLimits) -> None:
    for what, soft, hard in (
        (resource.RLIMIT_AS, limits.memory_bytes, limits.memory_bytes),
        (resource.RLIMIT_CPU, cpu_s, cpu_s + 1),  # SIGXCPU first: it tells this limit from other kills.
        (resource.RLIMIT_FSIZE, 0, 0),
        (resource.RLIMIT_NOFILE, limits.open_files, limits.open_files),
        (resource.RLIMIT_CORE, 0, 0),
    ):
        resource.setrlimit(what, (soft, hard))


def _prctl(option: int, value: int) -> None:
    if _set_option(option, ctypes.c_ulong(value), 0, 0, 0) != 0:
        raise ConfinementFailed(f"prctl {option}: {os.strerror(ctypes.get_errno())}")
