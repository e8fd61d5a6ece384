"""What can stop a verification: each guard of the state machine by its own code, in the service and in the database."""

from app.kernel.errors import Conflict, Forbidden, Invalid, NotFound, WrongState, constraint_errors


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


class EnvelopeMalformed(Invalid):
    code = "envelope_malformed"
    title = "The envelope is not one DSSE envelope in its canonical spelling"


class SignatureInvalid(Invalid):
    code = "signature_invalid"
    title = "The signature does not verify"


class StatementDiffers(Invalid):
    code = "statement_differs"
    title = "The signed statement is not what would be recorded"


class StatementTimeImplausible(Invalid):
    code = "statement_time_implausible"
    title = "The signed statement is not of these days"


class EnvelopeNotKept(NotFound):
    code = "envelope_not_kept"
    title = "There is no signed envelope of this verdict"


class ReviewerKeyWeak(Invalid):
    code = "reviewer_key_weak"
    title = "Under this key a signature would bind nobody"


class ReviewerKeyTaken(Conflict):
    code = "reviewer_key_taken"
    title = "Another person signs with this key"


class ReviewerKeyKnown(Conflict):
    code = "reviewer_key_known"
    title = "The key was brought into this case before"


class ReviewerKeyNotBound(Conflict):
    code = "reviewer_key_not_bound"
    title = "The key is not bound to a person in this case"


class ReviewerKeyBound(Conflict):
    code = "reviewer_key_bound"
    title = "The key is bound already"


class ReviewerKeyRevoked(Conflict):
    code = "reviewer_key_revoked"
    title = "The key was revoked"


class NotTheKeysHolder(Forbidden):
    code = "not_the_keys_holder"
    title = "The key is another person's"


class OwnKeyChecked(Forbidden):
    code = "own_key_checked"
    title = "Nobody vouches for their own key"


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
constraint_errors["exhibit_reviewer_key_revoked"] = ReviewerKeyRevoked("Bind another key in this case.")
constraint_errors["exhibit_signed_by_bound_key"] = ReviewerKeyNotBound("Another person must have checked whose it is.")
constraint_errors["exhibit_signed_by_holder"] = NotTheKeysHolder("A verdict is signed with its author's own key.")
constraint_errors["ck_reviewer_key_bindings_checked_by_another"] = OwnKeyChecked("Another person must check it.")
constraint_errors["fk_reviewer_keys_public_key_holder_id_reviewer_key_holders"] = ReviewerKeyTaken("Use your own key.")
constraint_errors["uq_reviewer_keys_keyid"] = ReviewerKeyKnown("A key is bound once in a case.")
constraint_errors["pk_reviewer_key_bindings"] = ReviewerKeyBound("It is bound already.")
constraint_errors["pk_reviewer_key_revocations"] = ReviewerKeyRevoked("It is revoked already.")
