"""What can be wrong with an incident or its links."""

from app.kernel.errors import Conflict, constraint_errors


class IncidentCodeTaken(Conflict):
    code = "incident_code_taken"
    title = "Another incident of this case has this code"


class AlreadyLinked(Conflict):
    code = "already_linked"
    title = "The item is linked to this incident already"


class AlreadyUnlinked(Conflict):
    code = "already_unlinked"
    title = "This link was ended before"


class OtherCase(Conflict):
    code = "other_case"
    title = "Item and incident belong to different cases"


class NotLinkable(Conflict):
    code = "not_linkable"
    title = "Only a preserved item can be linked"


CODE_TAKEN = IncidentCodeTaken("Choose a code that no other incident of this case has.")
ALREADY_LINKED = AlreadyLinked("The item is linked to this incident. End that link first to state it anew.")

constraint_errors["uq_incidents_code"] = CODE_TAKEN
constraint_errors["uq_incident_evidence_live"] = ALREADY_LINKED
constraint_errors["exhibit_unlink_once"] = AlreadyUnlinked("A link is ended once; link the item again if it belongs.")
