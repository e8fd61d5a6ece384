"""What goes from the vault when the entry of a sealing goes as a whole; ``app.kernel.places``."""

from app.kernel.places import Place, Places

IDENTITY = "identity"
"""The name by which a custodian erases an identity, of the entry that says that it was sealed."""
SEALING_TYPES = ("evidence.identity_sealed", "incident.identity_sealed")

FACTS: Places = {
    (sealed, IDENTITY): (Place("vault_secrets", (), {"identity_id": IDENTITY}),) for sealed in SEALING_TYPES
}
