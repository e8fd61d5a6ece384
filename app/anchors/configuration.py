"""Whom this installation asks: the witness policy and the time-stamping authorities, read from the files it names."""

from app.anchors.authorities import Authority, is_web_address, read_authorities
from app.kernel.errors import Misconfigured
from app.kernel.settings import Settings
from app.ledger.policy import Policy, PolicyInvalid, parse_policy


def read_policy(settings: Settings) -> Policy | None:
    """The witness policy; None without one. Raises Misconfigured when it cannot be used."""
    path = settings.witness_policy
    if path is None:
        return None
    try:
        policy = parse_policy(path.read_bytes())
    except (OSError, PolicyInvalid) as error:
        raise Misconfigured(f"EXHIBIT_WITNESS_POLICY: {path}: {error}") from error
    for witness in policy.witnesses:
        if witness.url is not None and not is_web_address(witness.url):
            raise Misconfigured(f"EXHIBIT_WITNESS_POLICY: {path}: {witness.name}: no plain http(s) address")
    return policy


def configured_authorities(settings: Settings) -> tuple[Authority, ...]:
    """Raises Misconfigured when the file, or one of its certificates, cannot be used."""
    return () if settings.tsa_file is None else read_authorities(settings.tsa_file)
