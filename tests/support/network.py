"""No test talks to another machine: a connection that would leave this one fails at once."""

import ipaddress
import sys
from typing import Any

_installed = False


class LeavesThisMachine(RuntimeError):
    """A test tried to reach another host."""


def refuse_other_hosts() -> None:
    """Refuse ``connect`` and ``sendto`` to anything but loopback and local sockets, for the rest of the process.

    An audit hook sees every Python socket, whoever opened it, and cannot be taken off again by a test.
    """
    global _installed
    if not _installed:
        sys.addaudithook(_check)
        _installed = True


def _check(event: str, arguments: tuple[Any, ...]) -> None:
    if event not in {"socket.connect", "socket.sendto", "socket.getaddrinfo"}:
        return
    host = arguments[0] if event == "socket.getaddrinfo" else _host(arguments[1])
    if host is not None and not _is_local(host):
        raise LeavesThisMachine(f"{event} to {host!r}: tests stay on this machine")


def _host(address: Any) -> str | None:
    """The host of an address; ``None`` for a socket in the file system."""
    return str(address[0]) if isinstance(address, tuple) else None


def _is_local(host: str | bytes) -> bool:
    name = host.decode() if isinstance(host, bytes) else host
    if name in {"", "localhost"}:
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False
