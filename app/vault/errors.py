"""What can be wrong with sealing an identity, or with opening one."""

from app.kernel.errors import AppError, Conflict, Forbidden, NotFound, constraint_errors


class IdentityNotSealed(NotFound):
    """Nobody has sealed who the source is."""

    code = "identity_not_sealed"
    title = "No identity is sealed here"
    advice = "Whoever received the item, or a coordinator, seals it with `PUT …/source`."


class IdentityDestroyed(Conflict):
    code = "identity_destroyed"
    title = "The identity was erased"
    advice = "Nothing opens it: its key and its ciphertext are gone. That it was sealed stays in the custody log."


class OpeningAlreadyRequested(Conflict):
    code = "opening_already_requested"
    title = "You asked for this identity already"
    advice = "Make no second request: another person decides the one that is open."


class OpeningAlreadyDecided(Conflict):
    code = "opening_already_decided"
    title = "This request was decided before"
    advice = "Nothing is left to do: ask anew, if the identity is still needed."


class OpeningNotApproved(Conflict):
    code = "opening_not_approved"
    title = "No second person has approved this"
    advice = "Ask a coordinator or a custodian of the case, who is not you, to approve the request."


class OpeningUsed(Conflict):
    code = "opening_used"
    title = "An approval opens an identity once, and soon"
    advice = "It was opened before, or its time is over. Ask anew: each opening has its own two persons and entries."


class OpeningOfAnother(Forbidden):
    code = "opening_of_another"
    title = "Who asked opens it, and nobody else"
    advice = "Make a request of your own; the one who approved this may not open by it either."


class AnotherIdentityStands(Conflict):
    code = "another_identity_stands"
    title = "Somebody sealed another identity meanwhile"
    advice = "Read again what is sealed, then supersede that."


class OpeningNeedsAnother(Forbidden):
    """Who asked may refuse their own request, to take it back, and never approve it."""

    code = "opening_needs_another"
    title = "Who asked does not approve"
    advice = "Ask another coordinator or custodian of the case. No role lets the one who asked do so."


class VaultKeyMissing(AppError):
    """The data directory has another vault key than the one that sealed: nothing is opened, nor sealed, by it."""

    code = "vault_key_missing"
    status = 503
    title = "The vault's key is not here"
    advice = "An operator puts `secrets/vault-key` back from its backup; no request can help itself here."


constraint_errors["exhibit_vault_key_changed"] = VaultKeyMissing("The vault's key was changed.")
SECOND_PERSON = OpeningNeedsAnother("You asked for this identity: another person approves it, or refuses.")
ALREADY_REQUESTED = OpeningAlreadyRequested("Your request for this identity is open.")

constraint_errors["ck_vault_openings_second_person"] = SECOND_PERSON
constraint_errors["uq_vault_openings_open"] = ALREADY_REQUESTED
constraint_errors["exhibit_opening_decided_once"] = OpeningAlreadyDecided("Nothing was changed by you.")
constraint_errors["exhibit_opening_used"] = OpeningUsed("Nothing was opened.")
