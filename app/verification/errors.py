"""What can stop a verification: each guard of the state machine by its own code, in the service and in the database."""

from app.kernel.errors import Conflict, Forbidden, Invalid, WrongState, constraint_errors


class LabelsMissing(Conflict):
    code = "labels_missing"
    title = "Set the sensitivity labels first"


class LeaseTaken(Conflict):
    code = "lease_taken"
    title = "Another person holds the lease"


class LeaseNotHeld(Conflict):
    code = "lease_not_held"
    title = "You do not hold the item's lease"


class CannotHoldLease(Invalid):
    code = "cannot_hold_lease"
    title = "This person may not verify in this case"


class PrecisionDoesNotFit(Invalid):
    code = "precision_does_not_fit"
    title = "The precision does not fit the dimension"


class FindingsMissing(Conflict):
    code = "findings_missing"
    title = "Required findings are missing"


class FingerprintsPending(Conflict):
    code = "fingerprints_pending"
    title = "The file is not compared with the others yet"


class MatchesUndecided(Conflict):
    code = "matches_undecided"
    title = "Matches are not decided yet"


class IncidentNotLinked(Conflict):
    code = "incident_not_linked"
    title = "The item is not linked to this incident"


class NotTheAuthor(Forbidden):
    code = "not_the_author"
    title = "Only the verdict's author may do this"


class SelfReview(Forbidden):
    code = "self_review"
    title = "Nobody reviews their own work"


class ThirdPersonRequired(Forbidden):
    code = "third_person_required"
    title = "A third person must do this"


class IntegrityMismatch(Conflict):
    code = "integrity_mismatch"
    title = "The stored bytes are not those that were received"


class IntegrityNotVerifiable(Conflict):
    code = "integrity_not_verifiable"
    title = "The stored bytes cannot be read just now"


class IntegrityUnchecked(Conflict):
    code = "integrity_unchecked"
    title = "The bytes were not checked for this act"


_OVERTAKEN = WrongState("The item has moved on. Read it again.")

constraint_errors["exhibit_written_in_verification"] = _OVERTAKEN
constraint_errors["exhibit_review_awaited"] = _OVERTAKEN
constraint_errors["exhibit_move_has_cause"] = _OVERTAKEN
constraint_errors["exhibit_verdict_supersedes_newest"] = _OVERTAKEN
constraint_errors["uq_reviews_once"] = _OVERTAKEN
constraint_errors["uq_reviews_one_peer"] = _OVERTAKEN
constraint_errors["uq_reviews_one_decision"] = _OVERTAKEN
constraint_errors["exhibit_written_by_lease_holder"] = LeaseNotHeld("Somebody else holds the item's lease.")
constraint_errors["exhibit_withdrawn_by_author"] = NotTheAuthor("A verdict is withdrawn by its author, unreviewed.")
constraint_errors["exhibit_no_self_review"] = SelfReview("You wrote a finding or verdict of this item.")
constraint_errors["exhibit_third_person"] = ThirdPersonRequired("You reviewed this item in this round.")
constraint_errors["exhibit_sign_off_checked"] = IntegrityUnchecked("The check was of other bytes than the item's.")
constraint_errors["exhibit_verdict_incident_linked"] = IncidentNotLinked("Link the item to the incident first.")
