"""What can be wrong with an erasure."""

from app.kernel.errors import Conflict, Forbidden, Invalid, constraint_errors


class FieldNotSealed(Invalid):
    code = "field_not_sealed"
    title = "The entry seals no such field"


class AlreadyErased(Conflict):
    code = "already_erased"
    title = "It was erased before"


class EntryNotErasable(Conflict):
    code = "entry_not_erasable"
    title = "This entry's body is never erased"


class ErasureAlreadyRequested(Conflict):
    code = "erasure_already_requested"
    title = "Somebody asked for this erasure already"


class ErasureAlreadyDecided(Conflict):
    code = "erasure_already_decided"
    title = "This request was decided before"


class SecondPersonNeeded(Forbidden):
    code = "second_person_needed"
    title = "Who asked does not approve"


class AccountStillActive(Conflict):
    code = "account_still_active"
    title = "The account is in use"


ALREADY_REQUESTED = ErasureAlreadyRequested("A request for this entry is open. Decide that one.")
SECOND_PERSON = SecondPersonNeeded("You asked for this erasure: another custodian of the case approves it, or refuses.")

constraint_errors["uq_erasure_requests_open"] = ALREADY_REQUESTED
constraint_errors["ck_erasure_requests_second_person"] = SECOND_PERSON
