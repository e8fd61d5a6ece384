"""Why a search is refused."""

from app.kernel.errors import Conflict, Invalid


class NothingToSearch(Invalid):
    code = "nothing_to_search"
    title = "The text to search for has no word, or too many"
    advice = (
        "'q' takes 1 to 16 words, in any script; signs and blanks part words. A word that ends in '*' stands for all "
        "words that begin so, with two letters or digits before it."
    )


class FilterNotCombined(Invalid):
    code = "filter_not_combined"
    title = "These filters cannot be combined"
    advice = (
        "Words, places, facts and resemblance are found as they stand now, among what no withdrawn consent closes. "
        "Leave 'as_of' or 'withdrawn' away, or what 'detail' names; figures as of a time are in /v1/statistics."
    )


class SimilarSearchPending(Conflict):
    code = "similar_search_pending"
    title = "The search by a file is not over yet"
    advice = "Ask GET /v1/similar/{id} until its 'status' is 'done', then list again."


class SimilarSearchFailed(Conflict):
    code = "similar_search_failed"
    title = "The search by a file found nothing out"
    advice = "GET /v1/similar/{id} says why. Send the file again to POST /v1/similar."


class NotOfThisCase(Invalid):
    code = "not_of_this_case"
    title = "What is to be compared with is not of this case"
    advice = (
        "'similar_to' names an item of the case whose list this is, 'similar_search' a search that covered the case, "
        "'incident' an incident of it."
    )
