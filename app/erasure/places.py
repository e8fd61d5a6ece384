"""The whole map: where each value that any entry seals lies besides its disclosure; ``app.kernel.places``."""

from app.access.places import PLACES as ACCESS
from app.auditing.places import PLACES as AUDITING
from app.cases.places import PLACES as CASES
from app.consent.places import PLACES as CONSENT
from app.exports.places import PLACES as EXPORTS
from app.facts.places import PLACES as FACTS_OF_INCIDENTS
from app.fingerprints.places import PLACES as FINGERPRINTS
from app.gradings.places import PLACES as GRADINGS
from app.incidents.places import PLACES as INCIDENTS
from app.kernel.places import Place, Places
from app.media.places import FACTS as MEDIA_FACTS
from app.media.places import PLACES as MEDIA
from app.testimonies.places import PLACES as TESTIMONIES
from app.vault.places import FACTS as VAULT_FACTS
from app.verification.places import PLACES as VERIFICATION

ERASING_TYPES = ("evidence.erased", "incident.erased", "case.erased", "system.account_erased")
BODY_TYPES = ("entry.erasure_requested", "entry.erasure_refused", "entry.erased")

PLACES: Places = {
    **ACCESS,
    **CASES,
    **MEDIA,
    **FINGERPRINTS,
    **INCIDENTS,
    **CONSENT,
    **TESTIMONIES,
    **VERIFICATION,
    **GRADINGS,
    **FACTS_OF_INCIDENTS,
    **EXPORTS,
    **AUDITING,
    **{(name, "reason"): () for name in (*ERASING_TYPES, *BODY_TYPES)},
}


FACTS: Places = {**MEDIA_FACTS, **VAULT_FACTS}


def places_of(entry_type: str, field: str) -> tuple[Place, ...]:
    return PLACES.get((entry_type, field), ())


def types_with(place: Place) -> list[str]:
    """The types of the entries that state what this place holds."""
    return sorted({entry_type for (entry_type, _), places in PLACES.items() if place in places})


def facts_of(entry_type: str) -> list[Place]:
    """Where what a person typed into an entry's open facts lies besides."""
    return [place for (stated_in, _), places in FACTS.items() if stated_in == entry_type for place in places]
