"""Where what a case's entries seal lies besides; ``app.kernel.places``."""

from app.kernel.places import Place, Places

PLACES: Places = {
    **{
        (f"case.{done}", field): (Place("cases", (field,), {"id": "stream"}, is_restated=True),)
        for done in ("created", "updated")
        for field in ("title", "description")
    },
    ("case.closed", "reason"): (),
    # The account's own record has the name too; it goes with the account's name, which an administrator erases.
    ("case.member_granted", "name"): (),
}
