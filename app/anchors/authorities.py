"""The time-stamping authorities of this installation: a TOML file with a name, an address and pinned roots for each.

[[authority]]
name = "hub"                              # a-z, 0-9, hyphen: it stands in addresses and entries for ever
url = "https://tsa.example.org/tsr"
roots = "hub-roots.pem"                   # one or more certificates; relative to this file
"""

import re
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from cryptography import x509

from app.kernel.errors import Misconfigured

NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,39}")
AUTHORITIES_LIMIT = 16
_FIELDS = {"name", "url", "roots"}


@dataclass(frozen=True)
class Authority:
    """``roots`` is trusted: what a response brings along is only believed when it leads to one of them."""

    name: str
    url: str
    roots: tuple[x509.Certificate, ...]


def is_web_address(url: str) -> bool:
    """An http(s) address with a host, without credentials, query or fragment."""
    try:
        parts = urlsplit(url)
        has_host, has_more = bool(parts.hostname), bool(parts.username or parts.password or parts.query)
        _ = parts.port
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and has_host and not has_more and "#" not in url


def read_authorities(path: Path) -> tuple[Authority, ...]:
    """Raises Misconfigured when the file, or one of the certificates, cannot be used."""
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise Misconfigured(f"EXHIBIT_TSA_FILE: {path} cannot be read: {error}") from error
    listed = document.get("authority")
    if document.keys() != {"authority"} or not isinstance(listed, list) or len(listed) > AUTHORITIES_LIMIT:
        raise Misconfigured(f"EXHIBIT_TSA_FILE: {path} holds 1 to {AUTHORITIES_LIMIT} [[authority]] and nothing else")
    authorities = tuple(_authority(path, each) for each in listed)
    if len({authority.name for authority in authorities}) < len(authorities):
        raise Misconfigured(f"EXHIBIT_TSA_FILE: two authorities of {path} have one name")
    return authorities


def _authority(path: Path, given: Any) -> Authority:
    if not isinstance(given, dict) or given.keys() != _FIELDS or not all(isinstance(v, str) for v in given.values()):
        raise Misconfigured(f"EXHIBIT_TSA_FILE: an authority of {path} has exactly name, url and roots, each a text")
    if not NAME.fullmatch(given["name"]):
        raise Misconfigured(f"EXHIBIT_TSA_FILE: {given['name']!r} is no name: a-z, 0-9 and hyphens, 40 at most")
    if not is_web_address(given["url"]):
        raise Misconfigured(f"EXHIBIT_TSA_FILE: {given['name']}: url is no plain http(s) address")
    return Authority(given["name"], given["url"], _certificates(path.parent / given["roots"], given["name"]))


def _certificates(path: Path, name: str) -> tuple[x509.Certificate, ...]:
    try:
        return tuple(x509.load_pem_x509_certificates(path.read_bytes()))
    except (OSError, ValueError) as error:
        raise Misconfigured(f"EXHIBIT_TSA_FILE: {name}: {path} holds no certificate in PEM: {error}") from error
