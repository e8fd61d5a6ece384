"""What can be wrong with an erasure."""

from app.kernel.errors import Conflict, Forbidden, Invalid, constraint_errors


class FieldNotSealed(Invalid):
    code = "field_not_sealed"
    title = "The entry seals no such field"


class AlreadyErased(Conflict):
    code = "already_erased"
    title = "It was erased before"
    advice = "Nothing is left to do: the value is gone."


class EntryNotErasable(Conflict):
    code = "entry_not_erasable"
    title = "This entry's body is never erased"
    advice = "Erase the entry's sealed fields instead: its body stays, so that the log can be checked."


class ErasureAlreadyRequested(Conflict):
    code = "erasure_already_requested"
    title = "Somebody asked for this erasure already"
    advice = "Make no second request: another custodian of the case decides the one that is open."


class ErasureAlreadyDecided(Conflict):
    code = "erasure_already_decided"
    title = "This request was decided before"
    advice = "Nothing is left to do: the request was approved or refused before. After a refusal make a new request."


class SecondPersonNeeded(Forbidden):
    code = "second_person_needed"
    title = "Who asked does not approve"
    advice = "Ask another custodian of the case to approve it. No role lets the one who asked do so."


class AccountStillActive(Conflict):
    code = "account_still_active"
    title = "The account is in use"
    advice = "Deactivate the account, then erase."


ALREADY_REQUESTED = ErasureAlreadyRequested("A request for this entry is open. Decide that one.")
SECOND_PERSON = SecondPersonNeeded("You asked for this erasure: another custodian of the case approves it, or refuses.")

constraint_errors["uq_erasure_requests_open"] = ALREADY_REQUESTED
constraint_errors["ck_erasure_requests_second_person"] = SECOND_PERSON
