"""Where what accounts and tokens seal lies besides; ``app.kernel.places``."""

from app.kernel.places import Place, Places

PLACES: Places = {
    ("system.account_created", "name"): (Place("accounts", ("name",), {"id": "account"}),),
    ("system.account_created", "email"): (Place("accounts", ("email",), {"id": "account"}, is_unique=True),),
    ("system.token_created", "name"): (Place("tokens", ("name",), {"id": "token"}),),
    ("system.sign_in_failed", "email"): (),
}
