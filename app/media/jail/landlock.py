"""Landlock (landlock(7)): no path can be opened, no port bound or connected, whatever else is let through."""

import ctypes
import os
import struct

_CREATE_RULESET, _RESTRICT_SELF = 444, 446
_VERSION = 1

_libc = ctypes.CDLL(None, use_errno=True)


class NoLandlock(Exception):
    """The kernel has no Landlock, or refused the rules."""


def kernel_version() -> int:
    """The kernel's Landlock version, from 1; 0 when it has none or it is switched off."""
    return max(0, int(_libc.syscall(_CREATE_RULESET, None, 0, _VERSION)))


def restrict() -> None:
    """Takes every right that this kernel's Landlock knows from this process, for ever; needs no_new_privs.

    Raises NoLandlock.
    """
    version = kernel_version()
    if version == 0:
        raise NoLandlock("the kernel has no Landlock, or it is switched off")
    rules = struct.pack("=QQQ", *_handled(version))
    ruleset = _libc.syscall(_CREATE_RULESET, rules, _size_bytes(version), 0)
    if ruleset < 0:
        raise NoLandlock(f"landlock_create_ruleset: {os.strerror(ctypes.get_errno())}")
    try:
        if _libc.syscall(_RESTRICT_SELF, ruleset, 0) != 0:
            raise NoLandlock(f"landlock_restrict_self: {os.strerror(ctypes.get_errno())}")
    finally:
        os.close(ruleset)


def _handled(version: int) -> tuple[int, int, int]:
    """All rights on files, on the network, and towards other processes that this version can take away."""
    files = 0x1FFF
    if version >= 2:
        files |= 1 << 13  # Linking and renaming across directories.
    if version >= 3:
        files |= 1 << 14  # Truncating.
    if version >= 5:
        files |= 1 << 15  # ioctl on devices.
    return files, 0b11 if version >= 4 else 0, 0b11 if version >= 6 else 0


def _size_bytes(version: int) -> int:
    if version >= 6:
        return 24
    return 16 if version >= 4 else 8
