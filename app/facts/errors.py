"""What can be wrong with a fact."""

from app.gradings.errors import ANOTHER_STANDS, NothingToWithdraw
from app.incidents.errors import REFERENCE_TAKEN
from app.kernel.errors import Conflict, Invalid, constraint_errors

TABLES = (
    *("casualty_counts", "affected_objects", "weapon_identifications", "attributions", "circumstances"),
    *("related_incidents", "organisations", "territory_controls", "external_statistics"),
)


class FactDoesNotFit(Invalid):
    code = "fact_does_not_fit"
    title = "What is stated does not fit together"
    advice = "'detail' says what belongs together, 'field' which part to change."


class UnknownOrganisation(Invalid):
    code = "unknown_organisation"
    title = "The case has no such organisation"
    advice = (
        "Name organisations by the 'fact_id' that GET /v1/cases/{case_id}/organisations lists; register one that is "
        "not there. A withdrawn one is not named anew."
    )


class UnknownSourceItem(Invalid):
    code = "unknown_source_item"
    title = "The case has no such item"
    advice = "The archived copy of a source is an evidence item of the same case."


class UnknownIncident(Invalid):
    code = "unknown_incident"
    title = "The case has no such other incident"
    advice = "Incidents are related to others of their own case, and not to themselves."


class FilterUnreadable(Invalid):
    code = "filter_unreadable"
    title = "A filter of the query cannot be read"
    advice = "'detail' says what the parameter looks like. Points are latitude,longitude in degrees."


class CircleOfIncidents(Conflict):
    code = "circle_of_incidents"
    title = "An incident would be a part of itself"
    advice = "Follow the parents upwards (GET /v1/incidents/{id}/related): one of them is this incident."


class ParentStands(Conflict):
    code = "parent_stands"
    title = "The incident is a part of another one already"
    advice = "Supersede or withdraw that relation: an incident has one parent at the most."


class StatedOtherwise(Conflict):
    code = "stated_otherwise"
    title = "What has this external reference says something else"
    advice = "An import states and does not supersede. Leave the line out, and change or supersede the record itself."


class ImportRefused(Invalid):
    code = "import_refused"
    title = "Not all lines are good, and nothing was changed"
    advice = (
        "'problems' says for each bad line which field is wrong and why: correct the file and send all of it again. "
        "With ?dry_run=true nothing is changed either way."
    )


CIRCLE = CircleOfIncidents("The other incident is a part of this one, directly or through others.")
PARENT_STANDS = ParentStands("Name in 'supersedes' the relation to the parent that it has.")
NO_SUCH_ORGANISATION = UnknownOrganisation("It was never registered in this case, or it was withdrawn.")
NOTHING_TO_WITHDRAW = NothingToWithdraw("What is superseded was withdrawn. State the fact anew, without 'supersedes'.")

for _table in TABLES:
    constraint_errors[f"uq_{_table}_supersedes"] = ANOTHER_STANDS
    constraint_errors[f"uq_{_table}_number"] = ANOTHER_STANDS
    constraint_errors[f"uq_{_table}_external_reference"] = REFERENCE_TAKEN
constraint_errors["exhibit_fact_stands"] = ANOTHER_STANDS
constraint_errors["exhibit_fact_withdrawn"] = NOTHING_TO_WITHDRAW
constraint_errors["exhibit_fact_organisation"] = NO_SUCH_ORGANISATION
constraint_errors["exhibit_incident_circle"] = CIRCLE
constraint_errors["exhibit_one_parent"] = PARENT_STANDS
