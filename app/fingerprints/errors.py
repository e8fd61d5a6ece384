"""What can be wrong with a decision about a match, or with asking for another decoding."""

from app.kernel.errors import Conflict, Invalid, constraint_errors


class SubjectNotInMatch(Invalid):
    code = "subject_not_in_match"
    title = "The item is none of the two that match"


class SubjectNeeded(Invalid):
    code = "subject_needed"
    title = "This relation has a direction"


class NotAnExactCopy(Invalid):
    code = "not_an_exact_copy"
    title = "The items do not have the same bytes"


class SameBytes(Invalid):
    code = "same_bytes"
    title = "Items with the same bytes are exact copies"


class DecidedMeanwhile(Conflict):
    code = "decided_meanwhile"
    title = "Somebody else decided this match just now"
    advice = (
        "Read the match again and see the other person's decision. Decide again if you do not agree: both stay on "
        "record."
    )


class DecodingUnderWay(Conflict):
    code = "decoding_under_way"
    title = "The item's bytes are to be decoded already"
    advice = "Wait until the item's fingerprint_status is no longer 'pending', and read what came of it."


constraint_errors["uq_relations_number"] = DecidedMeanwhile("Read the match again, then decide.")
