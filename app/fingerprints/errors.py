"""What can be wrong with a decision about a match, with asking for another decoding, or with a search."""

from app.kernel.errors import AppError, Conflict, Invalid, constraint_errors


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


class MatchOfTwoCases(Conflict):
    """What is decided about two items is part of the record of both, and names them. Cases keep their records apart."""

    code = "match_of_two_cases"
    title = "The items belong to different cases"
    advice = "Receive the file into this case too: then the two items of this case match, and you can decide that."


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


class UnknownAlgorithm(Invalid):
    """A partner's hashes may be of an algorithm, or a version of one, that is not compared here."""

    code = "unknown_algorithm"
    title = "Hashes of this algorithm version are not searched"


class NotAHash(Invalid):
    code = "not_a_hash"
    title = "This is no hash of the algorithm that is named"


class RadiusTooWide(Invalid):
    """Within more than a quarter of its bits, every hash is near thousands of others by chance."""

    code = "radius_too_wide"
    title = "The radius is wider than a search answers"


class NoSuchSearch(AppError):
    """Another person's search, and one whose answer has expired, is this, in the same words."""

    code = "no_such_search"
    status = 404
    title = "There is no such search"
    advice = "Search again: the file is not kept."


class TooManySearches(AppError):
    code = "too_many_searches"
    status = 429
    title = "Too many of your searches wait"
    advice = "Wait until one of them is answered, or end one, then send this one again."

    def __init__(self, detail: str) -> None:
        super().__init__(detail, headers={"Retry-After": "10"})


class IndexNotReady(AppError):
    """The index of the process that was asked is being taken or made anew; nothing need be done about it."""

    code = "index_not_ready"
    status = 503
    title = "The index of hashes is not ready"
    advice = "Ask again in a while. A file can be searched with meanwhile: POST /v1/similar."


class GroupTooLarge(Conflict):
    code = "group_too_large"
    title = "So many items are connected that their group is not computed"
    advice = "Decide what the matches mean that connect them: 'unrelated' and 'same_event_other_camera' part a group."


class NoSuchFrame(Invalid):
    code = "no_such_frame"
    title = "The item has no fingerprint at that time"
    advice = "Take a time from the item's fingerprints: GET /v1/evidence/{id}/fingerprints."


class FrameOnList(Conflict):
    code = "frame_on_list"
    title = "The stop list has this frame already"
    advice = "Decide about the frame that is there: 'frame_id' names it."


class NotFromThisStanding(Conflict):
    code = "not_from_this_standing"
    title = "The frame's standing does not allow this"
    advice = "A proposed frame is stopped or dismissed, a dismissed or released one stopped, a stopped one released."


constraint_errors["uq_stop_list_value"] = FrameOnList("Somebody else put it there just now.")
constraint_errors["uq_relations_number"] = DecidedMeanwhile("Read the match again, then decide.")
