"""``exhibit vault rotate-key``: change the key that wraps the keys of sealed identities."""

import argparse
import sys

from app.kernel.database import session_factory
from app.kernel.errors import Misconfigured
from app.kernel.private_files import read_or_create_secret, read_secret, write_secret
from app.kernel.settings import Settings
from app.ledger_operations import as_owner
from app.unit_of_work import unit_of_work
from app.vault import rotation
from app.vault.sealing import NotSealedHere, VaultKey

KEY_NAME = "vault-key"
NEXT_KEY_NAME = "vault-key.next"


def rotate_vault_key(settings: Settings, _: argparse.Namespace) -> int:
    """Make a new key, wrap every record's own key by it, and put it in the place of the present one. Repeat it when it
    was cut off."""
    directory = settings.data / "secrets"
    present = read_secret(directory / KEY_NAME)
    if present is None:
        raise Misconfigured(f"{directory / KEY_NAME} is missing: run this where the API's key lies, as its user.")
    key = VaultKey(bytes.fromhex(present))
    following = VaultKey(bytes.fromhex(read_or_create_secret(directory / NEXT_KEY_NAME)))
    if following.id == key.id:  # An earlier run was cut off at its very end.
        (directory / NEXT_KEY_NAME).unlink()
        sys.stdout.write(f"The key {key.id} was put in place before. Start the API's processes anew.\n")
        return 0
    with as_owner(settings) as engine:
        sessions = session_factory(engine)
        with unit_of_work(sessions) as uow:
            rotation.begin(uow, key, following)
            uow.commit()
        done = 0
        while True:
            with unit_of_work(sessions) as uow:
                try:
                    some = rotation.rewrap_some(uow, key, following)
                except NotSealedHere as error:
                    raise Misconfigured(
                        "A record is wrapped by another key than secrets/vault-key: put that one back first."
                    ) from error
                if some == 0:
                    rotation.finish(uow, key, following)
                uow.commit()
            done += some
            if some == 0:
                break
    # The entries first: cut off here, nothing is left to wrap, and the command is repeated. The former key is not kept:
    # with a database dump of before it opens every identity.
    write_secret(directory / KEY_NAME, following.secret.hex())
    (directory / NEXT_KEY_NAME).unlink()
    sys.stdout.write(f"{done} records are wrapped by the new key {following.id}. Start the API's processes anew;\n")
    sys.stdout.write("those on other machines need this secrets/vault-key first. Keep a copy of it, apart.\n")
    return 0
