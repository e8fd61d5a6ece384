"""What can stop a verification: each guard of the state machine by its own code, in the service and in the database."""

from app.kernel.errors import Conflict, Forbidden, Invalid, NotFound, WrongState, constraint_errors


class LeaseTaken(Conflict):
    code = "lease_taken"
    title = "Another person holds the lease"
    advice = "Wait until the lease's 'expires_at', or ask its holder to give it back or a coordinator to end it."


class LeaseNotHeld(Conflict):
    code = "lease_not_held"
    title = "You do not hold the item's lease"
    advice = (
        "Look at the item's 'lease'. If nobody holds it, or it has run out, take it: POST /v1/evidence/{id}/lease. "
        "If another person holds it, wait until 'expires_at', or ask them to give it back or a coordinator to end "
        "it."
    )


class LeaseAtLongest(Conflict):
    code = "lease_at_longest"
    title = "The lease cannot be made longer"
    advice = (
        "Finish by 'expires_at', or give the item back. Once the lease has run out, anybody may take the item, you too."
    )


class LeasesAtLimit(Conflict):
    code = "leases_at_limit"
    title = "You hold as many items as the case's policy allows at once"
    advice = (
        "Finish one of the items that you hold, or give one back: DELETE /v1/evidence/{id}/lease. A coordinator sets "
        "'leases_per_person' in the case's policy."
    )


class AssignedToAnother(Conflict):
    code = "assigned_to_another"
    title = "A coordinator gave this item to another person"
    advice = "Take another item from GET /v1/queue, or ask a coordinator to end the assignment."


class NotAssigned(Conflict):
    code = "not_assigned"
    title = "The item is assigned to nobody"
    advice = "Nothing is left to do: who may do the item's present work takes it from GET /v1/queue."


class CannotBeAssigned(Invalid):
    code = "cannot_be_assigned"
    title = "This person may not do the item's present work"
    advice = (
        "Name a member who may do what the item's state awaits: verify or review (verifier, researcher), adjudicate or "
        "sign off (researcher), and who is no author of it, nor, for the last two, a reviewer of this round."
    )


class CannotHoldLease(Invalid):
    code = "cannot_hold_lease"
    title = "This person may not verify in this case"


class AsOfInFuture(Invalid):
    code = "as_of_in_future"
    title = "Figures of a moment that has not come cannot be given"
    advice = "Leave 'as_of' out for the figures of now; the answer says its own 'as_of', with which they come again."


class PrecisionDoesNotFit(Invalid):
    code = "precision_does_not_fit"
    title = "The precision does not fit the dimension"


class MethodsMissing(Invalid):
    code = "methods_missing"
    title = "The finding names no method"


class ReferenceNotFound(Invalid):
    code = "reference_not_found"
    title = "The case has no such item to refer to"
    advice = "Refer to other items of the same case by their ids, and to anything else by the kind of source it is."


class AnswerDoesNotFit(Invalid):
    code = "answer_does_not_fit"
    title = "The answer about an earlier appearance does not fit"


class NoSuchQuestion(Invalid):
    code = "no_such_question"
    title = "This match opens no question"
    advice = "Answer the matches that GET /v1/evidence/{id}/recycled lists."


class RecycledUnanswered(Conflict):
    code = "recycled_unanswered"
    title = "The same pictures are known from before the event"
    advice = (
        "Look at GET /v1/evidence/{id}/recycled, and record a finding on 'provenance' whose 'recycled' answers each "
        "match in 'unanswered'; then submit."
    )


class NoDraft(NotFound):
    code = "no_draft"
    title = "You have no draft on this dimension"
    advice = "Nothing is missing: drafts are seen by their author alone, and end when they become findings."


class DraftsIncomplete(Conflict):
    code = "drafts_incomplete"
    title = "A draft lacks something that a finding needs"
    advice = (
        "Complete each draft in 'incomplete_drafts' (PUT /v1/evidence/{id}/drafts/{dimension}), or discard it "
        "(DELETE), then submit."
    )


class DraftsOpen(Conflict):
    code = "drafts_open"
    title = "You have drafts on this item"
    advice = (
        "A signature covers findings that are on record. Record your drafts (POST /v1/evidence/{id}/findings), or "
        "discard them, then prepare the statement."
    )


class FindingsMissing(Conflict):
    code = "findings_missing"
    title = "Required findings are missing"
    advice = "Record a finding on each dimension in 'missing_dimensions', then submit with the item's new ETag."


class FingerprintsPending(Conflict):
    code = "fingerprints_pending"
    title = "The file is not compared with the others yet"
    advice = (
        "Wait until the item's fingerprint_status is no longer 'pending', read the item, and submit with its new "
        "ETag. If it stays so for long, tell the operator."
    )


class MatchesUndecided(Conflict):
    code = "matches_undecided"
    title = "Matches are not decided yet"
    advice = (
        "Decide each match in 'undecided_matches', or defer it with a reason (POST /v1/matches/{id}/decision), "
        "then submit."
    )


class IncidentNotLinked(Conflict):
    code = "incident_not_linked"
    title = "The item is not linked to this incident"
    advice = "Link the item to the incident first, or name no incident in the verdict."


class NotTheAuthor(Forbidden):
    code = "not_the_author"
    title = "Only the verdict's author may do this"
    advice = "Only who submitted the verdict withdraws it. No role changes that: a reviewer requests changes instead."


class SelfReviewNotAllowed(Conflict):
    code = "self_review_not_allowed"
    title = "A verdict cannot be declared self-reviewed here"
    advice = (
        "Submit it without 'self_review': another person reviews it. Where one person alone may verify in a case, an "
        "operator may allow it (EXHIBIT_SELF_REVIEW), and the verdict says so for ever."
    )


class SelfReview(Forbidden):
    code = "self_review"
    title = "Nobody reviews their own work"
    advice = (
        "Somebody must do this who wrote no finding and no verdict of this item, in any round. No role and no "
        "repetition changes that."
    )


class ThirdPersonRequired(Forbidden):
    code = "third_person_required"
    title = "A third person must do this"
    advice = (
        "Somebody must do this who neither wrote findings or verdicts of this item nor reviewed it in this round. "
        "No role changes that."
    )


class IntegrityMismatch(Conflict):
    code = "integrity_mismatch"
    title = "The stored bytes are not those that were received"
    advice = (
        "Do not repeat it. Tell the case's custodian and the operator: the stored file is not what was received. "
        "The failed check is on record."
    )


class IntegrityNotVerifiable(Conflict):
    code = "integrity_not_verifiable"
    title = "The stored bytes cannot be read just now"
    advice = (
        "Tell the operator that the storage cannot be read, and repeat it when it can. This says nothing against "
        "the bytes."
    )


class IntegrityUnchecked(Conflict):
    code = "integrity_unchecked"
    title = "The bytes were not checked for this act"
    advice = (
        "Read the item again. When it has bytes, repeat the sign-off with the new ETag: the bytes are checked anew."
    )


class NotShownYet(Forbidden):
    """Two persons verify the item, and neither sees the other's work until both have submitted."""

    code = "blind_verification_pending"
    title = "This is shown when both verifiers have submitted"
    advice = (
        "The item's 'blind' is 'pending': until it is 'complete', what somebody wrote in this round is shown to nobody "
        "else. Have the second verification done, or read what is not of this round."
    )


class SecondComesFirst(Conflict):
    code = "second_verification_missing"
    title = "A second person verifies this item first"
    advice = (
        "Take the item's lease (POST /v1/evidence/{id}/lease), record findings of your own and submit your verdict "
        "(POST /v1/evidence/{id}/second-verdicts). Then the first ones are shown, and you concur or dissent."
    )


class NotTheSecond(Forbidden):
    code = "not_the_second"
    title = "Who verified it second concludes"
    advice = (
        "The author of the second verdict concurs or dissents. If they cannot, request changes: the next version is "
        "reviewed by anybody who is no author."
    )


class OutcomesDiffer(Conflict):
    code = "outcomes_differ"
    title = "Two blind verdicts of different outcomes are a dispute"
    advice = "Dissent, with a comment. A third person reads both views and adjudicates."


class SecondNotBlind(Forbidden):
    code = "second_not_blind"
    title = "You have seen the first's work"
    advice = (
        "You took a file of the custody log in this round, in which the first's findings stand. Somebody else must be "
        "the second. No role and no repetition changes that."
    )


class VerifiedTwice(Conflict):
    code = "verified_twice"
    title = "A second verdict stands beside this one"
    advice = "Nothing is taken back once both are shown. The second verifier concurs, dissents or requests changes."


class EnvelopeMalformed(Invalid):
    code = "envelope_malformed"
    title = "The envelope is not one DSSE envelope in its canonical spelling"


class SignatureInvalid(Invalid):
    code = "signature_invalid"
    title = "The signature does not verify"


class StatementDiffers(Invalid):
    code = "statement_differs"
    title = "The signed statement is not what would be recorded"
    advice = "Prepare the statement anew, sign exactly the bytes that you are given, and send it with the same fields."


class StatementTimeImplausible(Invalid):
    code = "statement_time_implausible"
    title = "The signed statement is not of these days"
    advice = "Prepare the statement anew and sign it now. Check the clock of the machine that signs."


class EnvelopeNotKept(NotFound):
    code = "envelope_not_kept"
    title = "There is no signed envelope of this verdict"
    advice = "Nothing is missing: this verdict was given without its author's signature, or its envelope was erased."


class ReviewerKeyWeak(Invalid):
    code = "reviewer_key_weak"
    title = "Under this key a signature would bind nobody"
    advice = "Make a new key with a program that is known to work: this one is none of a real signer."


class ReviewerKeyTaken(Conflict):
    code = "reviewer_key_taken"
    title = "Another person signs with this key"
    advice = "Make a key of your own: no two persons sign with one."


class ReviewerKeyKnown(Conflict):
    code = "reviewer_key_known"
    title = "The key was brought into this case before"
    advice = "See the case's reviewer keys. If this one was revoked, make a new key: it is never bound again."


class ReviewerKeyNotBound(Conflict):
    code = "reviewer_key_not_bound"
    title = "The key is not bound to a person in this case"
    advice = (
        "Ask a coordinator of the case, who is not its holder, to check whose key it is and bind it; then sign with it."
    )


class ReviewerKeyBound(Conflict):
    code = "reviewer_key_bound"
    title = "The key is bound already"
    advice = "Nothing is left to do: the key is bound and can sign."


class ReviewerKeyRevoked(Conflict):
    code = "reviewer_key_revoked"
    title = "The key was revoked"
    advice = "Do not use this key again: make a new one, and have it bound in this case."


class NotTheKeysHolder(Forbidden):
    code = "not_the_keys_holder"
    title = "The key is another person's"
    advice = "Sign with a key of your own that is bound to you in this case, or give the verdict unsigned."


class OwnKeyChecked(Forbidden):
    code = "own_key_checked"
    title = "Nobody vouches for their own key"
    advice = "Ask another coordinator of the case to check whose key it is. No role lets you vouch for your own."


_OVERTAKEN = WrongState("The item has moved on. Read it again.")

constraint_errors["exhibit_written_in_verification"] = _OVERTAKEN
constraint_errors["exhibit_review_awaited"] = _OVERTAKEN
constraint_errors["exhibit_move_has_cause"] = _OVERTAKEN
constraint_errors["exhibit_verdict_supersedes_newest"] = _OVERTAKEN
constraint_errors["uq_reviews_once"] = _OVERTAKEN
constraint_errors["uq_reviews_one_peer"] = _OVERTAKEN
constraint_errors["uq_reviews_one_decision"] = _OVERTAKEN
constraint_errors["exhibit_verdict_complete"] = FindingsMissing("A dimension that the case requires has no finding.")
constraint_errors["exhibit_cited_within_case"] = ReferenceNotFound("There is no such item in this case.")
constraint_errors["exhibit_draft_by_lease_holder"] = LeaseNotHeld("You do not hold the lease any more.")
constraint_errors["exhibit_second_awaited"] = _OVERTAKEN
constraint_errors["uq_second_verdicts_round"] = _OVERTAKEN
constraint_errors["exhibit_blind_round"] = WrongState("The case's policy was changed just now. Repeat it.")
constraint_errors["exhibit_second_is_blind"] = SecondNotBlind("You took a file of the item's custody log.")
constraint_errors["exhibit_second_complete"] = FindingsMissing("Findings of your own are required.")
constraint_errors["exhibit_first_complete"] = FindingsMissing("Findings of your own are required.")
constraint_errors["exhibit_second_comes_first"] = SecondComesFirst("A second person verifies it first.")
constraint_errors["exhibit_reviewed_by_second"] = NotTheSecond("Who verified it second concurs or dissents.")
constraint_errors["exhibit_outcomes_agree"] = OutcomesDiffer("Dissent: a third person adjudicates.")
constraint_errors["exhibit_verified_twice"] = VerifiedTwice("Both are shown by now: wait for the second.")
constraint_errors["exhibit_written_by_lease_holder"] = LeaseNotHeld("You do not hold the lease any more.")
constraint_errors["exhibit_withdrawn_by_author"] = NotTheAuthor("A verdict is withdrawn by its author, unreviewed.")
constraint_errors["exhibit_lease_held"] = LeaseTaken("Another person works on this item.")
constraint_errors["ck_evidence_leased_as_assigned"] = AssignedToAnother(
    "Another person is to do it. See GET /v1/queue."
)
constraint_errors["exhibit_no_self_review"] = SelfReview("You wrote a finding or verdict of this item.")
constraint_errors["exhibit_self_review_allowed"] = SelfReviewNotAllowed("Another person may review it.")
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
