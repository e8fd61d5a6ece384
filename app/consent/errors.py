"""What can be wrong with recording a consent or its withdrawal."""

from app.kernel.errors import Conflict, Invalid, constraint_errors


class UnknownSubject(Invalid):
    """``subject_id`` names a person of whom this item or testimony has no consent."""

    code = "unknown_subject"
    title = "Nobody with this id consented here"


class ConsentInFuture(Invalid):
    code = "consent_in_future"
    title = "Nobody can have consented, or withdrawn, on a day that has not come"


class NothingToWithdraw(Conflict):
    code = "nothing_stands"
    title = "None of these consents stands"
    advice = "Nothing is left to do: it was withdrawn before, or never given. Read the consents."


class ScopeWithoutVerification(Invalid):
    """Whatever may be shared must be kept and examined first: every consent has the scope ``verification``."""

    code = "scope_without_verification"
    title = "A consent includes that it is kept and examined"


constraint_errors["ck_consents_rests_on_verification"] = ScopeWithoutVerification("Add 'verification' to the scopes.")
