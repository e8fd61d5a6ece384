"""More ways out than a worker tries at its start; each must be refused, too. None does harm where it gets out."""

import ctypes
import errno
import mmap
import os
import platform
from collections.abc import Callable, Mapping

_libc = ctypes.CDLL(None, use_errno=True)
_IS_X86 = platform.machine() == "x86_64"
INPUT, ANSWER = 3, 4
_NUMBERS: Mapping[str, tuple[int, int]] = {
    # name: on x86_64, on aarch64
    "add_key": (248, 217), "bpf": (321, 280), "capset": (126, 91), "clone": (56, 220), "dup": (32, 23),
    "epoll_create1": (291, 20), "eventfd2": (290, 19), "fanotify_init": (300, 262), "fcntl": (72, 25),
    "futex": (202, 98), "inotify_init1": (294, 26), "io_uring_enter": (426, 426),
    "kcmp": (312, 272), "landlock_create_ruleset": (444, 444), "memfd_secret": (447, 447),
    "mount_setattr": (442, 442), "move_pages": (279, 239), "mq_open": (240, 180),
    "name_to_handle_at": (303, 264), "open_by_handle_at": (304, 265), "open_tree": (428, 428),
    "personality": (135, 92), "pidfd_getfd": (438, 438), "pidfd_send_signal": (424, 424),
    "pkey_mprotect": (329, 288), "prctl": (157, 167), "prlimit64": (302, 261), "process_madvise": (440, 440),
    "process_vm_writev": (311, 271), "pwrite64": (18, 68), "quotactl": (179, 60), "request_key": (249, 218),
    "rt_sigqueueinfo": (129, 138), "rt_tgsigqueueinfo": (297, 240), "sched_setaffinity": (203, 122),
    "sched_setscheduler": (144, 119), "seccomp": (317, 277), "sendfile": (40, 71), "sendmsg": (46, 211),
    "setpriority": (141, 140), "shmget": (29, 194), "splice": (275, 76), "tee": (276, 77), "tgkill": (234, 131),
    "timer_create": (222, 107), "timerfd_create": (283, 85), "tkill": (200, 130), "vmsplice": (278, 75),
    "waitid": (247, 95),
}  # fmt: skip


def _number(name: str) -> int:
    return _NUMBERS[name][0 if _IS_X86 else 1]


def _asks(name: str, *arguments: object) -> Callable[[], None]:
    """An attempt that is one system call; an argument that can be called is asked then, as the child's own pid is."""

    def attempt() -> None:
        now = [argument() if callable(argument) else argument for argument in arguments]
        if _libc.syscall(_number(name), *now) < 0:
            raise OSError(ctypes.get_errno(), name)

    return attempt


def _to_parent(name: str, *arguments: object) -> Callable[[], None]:
    """A system call whose first argument is the zygote."""
    return _asks(name, os.getppid, *arguments)


def _room(size: int) -> "ctypes.Array[ctypes.c_char]":
    return ctypes.create_string_buffer(size)


# The 32-bit door: ``mov eax, 20; int 0x80; ret`` is getpid there. The page is made before the walls are raised.
_CODE = b"\xb8\x14\x00\x00\x00\xcd\x80\xc3"
_page = mmap.mmap(-1, mmap.PAGESIZE, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
_page.write(_CODE)


def _by_the_32_bit_door() -> None:
    if not _IS_X86:
        raise OSError(errno.ENOSYS, "there is no such door")
    ctypes.CFUNCTYPE(ctypes.c_int)(ctypes.addressof(ctypes.c_char.from_buffer(_page)))()


def _by_x32_numbers() -> None:
    if _libc.syscall(0x40000000 | _number("dup"), INPUT) < 0:
        raise OSError(ctypes.get_errno(), "x32")


MORE: Mapping[str, Callable[[], object]] = {
    "enter by the 32-bit door": _by_the_32_bit_door,
    "use x32 numbers": _by_x32_numbers,
    "write another's memory": _to_parent("process_vm_writev", None, 0, None, 0, 0),
    "take another's descriptor": _asks("pidfd_getfd", INPUT, 0, 0),
    "signal by a descriptor": _asks("pidfd_send_signal", INPUT, 0, None, 0),
    "signal a thread": _to_parent("tkill", 0),
    "signal another's thread": _asks("tgkill", os.getppid, os.getppid, 0),
    "queue a signal": _to_parent("rt_sigqueueinfo", 10, _room(128)),
    "queue a signal to a thread": _asks("rt_tgsigqueueinfo", os.getppid, os.getppid, 10, _room(128)),
    "become dumpable": _asks("prctl", 4, 1, 0, 0, 0),
    "put on a filter by prctl": _asks("prctl", 22, 2, None, 0, 0),
    "put on a filter": _asks("seccomp", 0, 0, None),
    "move its memory's bounds": _asks("prctl", 35, 0, 0, 0, 0),
    "name who may trace it": _asks("prctl", 0x59616D61, -1, 0, 0, 0),
    "read another's limits": _to_parent("prlimit64", 7, None, _room(16)),
    "set another's limits": _to_parent("prlimit64", 7, _room(16), None),
    "have executable data": _asks("personality", 0xFFFFFFFF),
    "compare processes": _asks("kcmp", os.getppid, os.getpid, 0, 0, 0),
    "name a file by a handle": _asks("name_to_handle_at", -100, b"/", _room(256), _room(8), 0),
    "open a file by a handle": _asks("open_by_handle_at", INPUT, _room(256), 0),
    "watch all files": _asks("fanotify_init", 0, 0),
    "watch a file": _asks("inotify_init1", 0),
    "take a tree of files": _asks("open_tree", -100, b"/", 0),
    "change a mount": _asks("mount_setattr", -100, b"/no-such-file", 0, None, 0),
    "have secret memory": _asks("memfd_secret", 0),
    "choose its processors": _asks("sched_setaffinity", 0, 8, b"\xff" * 8),
    "choose its scheduler": _asks("sched_setscheduler", 0, 3, _room(8)),
    "change its priority": _asks("setpriority", 0, 0, 19),
    "set a timer": _asks("timer_create", 1, None, _room(8)),
    "make a timer's descriptor": _asks("timerfd_create", 1, 0),
    "make a counter": _asks("eventfd2", 0, 0),
    "make a poll": _asks("epoll_create1", 0),
    "send a descriptor": _asks("sendmsg", ANSWER, _room(56), 0),
    "lend pages to the pipe": _asks("vmsplice", ANSWER, None, 0, 0),
    "splice the file into the pipe": _asks("splice", INPUT, None, ANSWER, None, 1, 0),
    "tee the pipe": _asks("tee", ANSWER, ANSWER, 1, 0),
    "send the file": _asks("sendfile", ANSWER, INPUT, None, 1),
    "write at a place of the input": _asks("pwrite64", INPUT, b"x", 1, 0),
    "own the pipe's signals": _asks("fcntl", ANSWER, 8, os.getpid),
    "resize the pipe": _asks("fcntl", ANSWER, 1031, 4096),
    "copy a descriptor": _asks("dup", INPUT),
    "copy a descriptor by fcntl": _asks("fcntl", INPUT, 0, 20),
    "share memory": _asks("shmget", 0x7F7F7F7F, 4096, 0),
    "open a queue": _asks("mq_open", b"no-such-queue", 0, 0, None),
    "add a key": _asks("add_key", b"user", b"probe", b"x", 1, -1),
    "ask for a key": _asks("request_key", b"user", b"probe", None, 0),
    "take back capabilities": _asks("capset", b"\x22\x05\x08\x20\0\0\0\0", b"\xff" * 24),
    "fork into namespaces": _asks("clone", 0x7E020000 | 17, 0, 0, 0, 0),
    "make memory executable by a key": _asks("pkey_mprotect", None, 0, 4, -1),
    "advise another process": _asks("process_madvise", INPUT, None, 0, 4, 0),
    "move pages": _to_parent("move_pages", 0, None, None, None, 0),
    "lend a priority": _asks("futex", _room(4), 6, 0, None, None, 0),
    "enter io_uring": _asks("io_uring_enter", INPUT, 0, 0, 0, None),
    "make new rules": _asks("landlock_create_ruleset", None, 0, 1),
    "set quotas": _asks("quotactl", 0x80000700, None, 0, None),
    "wait for others": _asks("waitid", 0, 0, None, 1, None),
}
MAY_CRASH = frozenset({"enter by the 32-bit door"})
"""A kernel without that door ends the process with SIGSEGV."""
