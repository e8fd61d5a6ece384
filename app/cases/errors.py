"""What can be wrong with a case or its members."""

from app.kernel.errors import Conflict, Invalid


class CaseClosedToChanges(Conflict):
    code = "case_closed"
    title = "The case is closed"
    advice = (
        "Nothing in a closed case changes, and waiting does not help. Reading goes on; go on working in another case."
    )


class LastCoordinator(Conflict):
    code = "last_coordinator"
    title = "A case needs a coordinator"
    advice = "Give another member the coordinator's role first."


class NotAMember(Invalid):
    code = "not_a_member"
    title = "The person has no such role in this case"


class UnknownAccount(Invalid):
    code = "unknown_account"
    title = "There is no such active account"
