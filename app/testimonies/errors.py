"""What can be wrong with a testimony."""

from app.kernel.errors import Conflict, Invalid, NotFound, constraint_errors


class TestimonyWithdrawn(NotFound):
    """Its witness withdrew it. Members of the case, who could read it, are told so; nobody is told what it said."""

    code = "testimony_withdrawn"
    title = "This testimony was withdrawn"
    advice = (
        "Nothing of it is shown any more. Delete what you keep of it. A custodian of the case erases what the custody "
        "log still seals of it."
    )


class AnotherVersionStands(Conflict):
    code = "another_version_stands"
    title = "Somebody stated this testimony anew"
    advice = "Read it again, then supersede the version that stands."


class ConsentMissing(Invalid):
    """A testimony is recorded with its witness's consent to what it is needed for; a new version of it has none of its
    own."""

    code = "consent_missing"
    title = "A testimony needs its witness's consent"


WITHDRAWN = "Its witness withdrew it, or consent to it is over."
ANOTHER_STANDS = AnotherVersionStands("'supersedes' is not the version that stands.")
CONSENT_MISSING = ConsentMissing("State the consent, with 'required_scope' among its scopes; a new version takes none.")

constraint_errors["exhibit_testimony_has_consent"] = CONSENT_MISSING
constraint_errors["exhibit_supersedes_testimony_in_force"] = ANOTHER_STANDS
