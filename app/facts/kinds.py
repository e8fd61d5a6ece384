"""Each kind of fact: its table, what of it goes openly into entries and what is sealed, and what stands once at a time.

A new kind is a row here, a model, a dataclass of what it states, and a shape in the API.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Generic, TypeVar

from app.facts import models, stated
from app.facts.folding import fold_area, fold_designation, fold_name
from app.facts.weapons import WEAPONS

Row = TypeVar("Row", bound=models.Fact)
SOURCE_COLUMNS = ("source_document", "source_page", "source_address")


@dataclass(frozen=True)
class Kind(Generic[Row]):
    name: str
    """As entries name it."""
    model: type[Row]
    open: tuple[str, ...]
    """Columns whose value goes into the entry's ``stated``."""
    sealed: Mapping[str, tuple[str, ...]]
    """Sealed field → its columns: the one of its name, and what is made of it."""
    stands_once: tuple[str, ...] = ()
    """One fact with the same values in these columns stands at a time, in its incident or case. None: any number."""
    derive: Callable[[Any], dict[str, Any]] = field(default=lambda _: {})
    """Columns that are made of what is stated."""

    @property
    def has_source(self) -> bool:
        return issubclass(self.model, models.Sourced)

    @property
    def is_of_case(self) -> bool:
        return self.model.SCOPE == "case_id"


def _texts(*names: str) -> Mapping[str, tuple[str, ...]]:
    return MappingProxyType({name: (name,) for name in names})


CASUALTIES = Kind(
    "casualty_count",
    models.CasualtyCount,
    ("outcome", "person_group", "comparator", "minimum", "maximum"),
    _texts("as_reported"),
    stands_once=("outcome", "person_group", "source_organisation_id"),
)
OBJECTS = Kind(
    "affected_object",
    models.AffectedObject,
    ("object_kind", "damage", "special_protection", "protected_by"),
    _texts("name", "part", "protection_basis"),
)


def _weapon_keys(weapon: stated.WeaponIdentification) -> dict[str, Any]:
    """The normalised name in the vocabulary's spelling, where it is in it."""
    known = None if weapon.normalised is None else WEAPONS.find(weapon.normalised)
    normalised = weapon.normalised if known is None else known.name
    return {
        "reported_key": fold_designation(weapon.reported),
        "normalised": normalised,
        "normalised_key": None if normalised is None else fold_designation(normalised),
        "vocabulary": WEAPONS.version,
    }


WEAPON_IDENTIFICATIONS = Kind(
    "weapon_identification",
    models.WeaponIdentification,
    ("category", "identified_by_id", "method", "confidence", "vocabulary"),
    MappingProxyType(
        {
            "reported": ("reported", "reported_key"),
            "normalised": ("normalised", "normalised_key"),
            "normalisation_note": ("normalisation_note",),
        }
    ),
    derive=_weapon_keys,
)
ATTRIBUTIONS = Kind(
    "attribution",
    models.Attribution,
    ("party_id", "level", "attributed_by_id", "confidence"),
    _texts("detail", "grounds"),
)
CIRCUMSTANCES = Kind(
    "circumstance",
    models.Circumstance,
    ("aspect", "objective", "pattern", "distance_m", "uncertainty_m", "distance_method"),
    _texts("basis"),
    stands_once=("aspect", "pattern", "source_organisation_id"),
)
RELATED = Kind(
    "related_incident",
    models.RelatedIncident,
    ("relation", "other_incident_id"),
    _texts("basis"),
    stands_once=("relation", "other_incident_id"),
)
ORGANISATIONS = Kind(
    "organisation",
    models.Organisation,
    ("organisation_kind",),
    MappingProxyType(
        {
            "name": ("name", "name_key"),
            "short_name": ("short_name",),
            "address": ("address",),
            "aliases": ("aliases",),
        }
    ),
    stands_once=("name_key",),
    derive=lambda organisation: {"name_key": fold_name(organisation.name)},
)
TERRITORY = Kind(
    "territory_control",
    models.TerritoryControl,
    ("control", "controller_id", "valid_from", "valid_to"),
    MappingProxyType({"area": ("area", "area_key"), "basis": ("basis",)}),
    derive=lambda control: {"area_key": fold_area(control.area)},
)
STATISTICS = Kind(
    "external_statistic",
    models.ExternalStatistic,
    ("unit", "period_from", "period_to"),
    _texts("figure", "counts", "area"),
)
KINDS: tuple[Kind[Any], ...] = (
    *(CASUALTIES, OBJECTS, WEAPON_IDENTIFICATIONS, ATTRIBUTIONS, CIRCUMSTANCES, RELATED),
    *(ORGANISATIONS, TERRITORY, STATISTICS),
)
