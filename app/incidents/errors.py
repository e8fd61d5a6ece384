"""What can be wrong with an incident or its links."""

from app.kernel.errors import Conflict, constraint_errors


class IncidentCodeTaken(Conflict):
    code = "incident_code_taken"
    title = "Another incident of this case has this code"
    advice = "Choose another code for the incident."


class ReferenceTaken(Conflict):
    code = "external_reference_taken"
    title = "Another record of this kind has this external reference"
    advice = "An external reference names one incident, or one fact of a kind, in a case."


class AlreadyLinked(Conflict):
    code = "already_linked"
    title = "The item is linked to this incident already"
    advice = "Nothing is left to do. To state the link anew, end it first, then link again."


class AlreadyUnlinked(Conflict):
    code = "already_unlinked"
    title = "This link was ended before"
    advice = "Nothing is left to do. If the item does belong to the incident, link it again."


class OtherCase(Conflict):
    code = "other_case"
    title = "Item and incident belong to different cases"
    advice = "Choose an incident of the item's own case. Neither moves to another case."


class NotLinkable(Conflict):
    code = "not_linkable"
    title = "Only a preserved item can be linked"
    advice = (
        "Link the item once it is preserved, which a job does by itself after its file has come. A declined or "
        "quarantined one is not linked."
    )


CODE_TAKEN = IncidentCodeTaken("Choose a code that no other incident of this case has.")
REFERENCE_TAKEN = ReferenceTaken("Choose another one, or change the record that has it.")
ALREADY_LINKED = AlreadyLinked("The item is linked to this incident. End that link first to state it anew.")

constraint_errors["uq_incidents_external_reference"] = REFERENCE_TAKEN
constraint_errors["uq_incidents_code"] = CODE_TAKEN
constraint_errors["uq_incident_evidence_live"] = ALREADY_LINKED
constraint_errors["exhibit_unlink_once"] = AlreadyUnlinked("A link is ended once; link the item again if it belongs.")
