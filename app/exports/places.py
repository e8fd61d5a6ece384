"""Where what exports seal lies besides; ``app.kernel.places``."""

from app.kernel.places import Places

PLACES: Places = {
    ("export.created", "reason"): (),
    ("export.approved", "reason"): (),
    ("export.refused", "reason"): (),
    ("export.released", "reason"): (),
    # Kept nowhere else: to whom a package went is read from the entry.
    ("export.transferred", "counterparty"): (),
    ("export.transferred", "note"): (),
    ("export.transfer_revoked", "reason"): (),
}
