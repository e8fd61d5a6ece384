"""What can be wrong with a grading, a standard of proof or a classification."""

from app.kernel.errors import Conflict, Invalid, constraint_errors


class SourcesMissing(Conflict):
    """Copies of one recording are one source."""

    code = "sources_missing"
    title = "The grade claims more independent sources than there are"
    advice = (
        "Link and sign off footage of another origin, decide the open matches that keep the count low "
        "(GET /v1/incidents/{id}/origins), name sources beyond the evidence in 'other_sources', or grade otherwise."
    )


class BasisUnfit(Conflict):
    code = "basis_unfit"
    title = "It cannot rest on this item"
    advice = (
        "Rest on items that are linked to the incident now and signed off; leave 'evidence_ids' out to rest on all."
    )


class TooManyBases(Conflict):
    code = "too_many_bases"
    title = "More items are signed off than one grading can name"
    advice = "Name in 'evidence_ids' those that it rests on: 200 at the most."


class AnotherStands(Conflict):
    """Somebody else stated one meanwhile, or this one was superseded before."""

    code = "another_stands"
    title = "What you supersede is not what stands"
    advice = "Read the list again: 'supersedes' names the one that stands now, or is null where there is none."


class NothingToWithdraw(Conflict):
    code = "nothing_to_withdraw"
    title = "There is nothing that could be withdrawn"
    advice = "A withdrawal names in 'supersedes' what stands and states something. A withdrawn one is stated anew."


class WithdrawalStatesSomething(Invalid):
    code = "withdrawal_states_something"
    title = "A withdrawal states nothing in the place of what it withdraws"
    advice = "Give its rationale and what it supersedes, and nothing else; or state something instead of withdrawing."


class UnknownTerm(Invalid):
    code = "unknown_term"
    title = "The vocabulary has no such code"
    advice = "Use codes exactly as GET /v1/vocabularies/{name} lists them; 'unknown' says which are not there."


class AdjudicationIncomplete(Invalid):
    code = "adjudication_incomplete"
    title = "Qualifier, provisions and decision do not fit together"
    advice = "Each classification names provisions; 'adjudicated', and only that, names the decision that did it."


ANOTHER_STANDS = AnotherStands("Another one was stated since you read; read again what stands now.")

for _table in ("gradings", "standards_of_proof", "classifications"):
    constraint_errors[f"uq_{_table}_supersedes"] = ANOTHER_STANDS
    constraint_errors[f"uq_{_table}_number"] = ANOTHER_STANDS
