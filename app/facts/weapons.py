"""Names by which weapons are known, with their categories and a source for each. Data, versioned; pure.

A help to write one weapon in one way, not a list of what exists: an identification may name any weapon. A name once
given is never given another meaning; whoever adds, leaves out or corrects one raises the version's number.
``spellings`` are those that :func:`app.facts.folding.fold_designation` does not find by itself.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

from app.facts.folding import fold_designation
from app.facts.words import WeaponCategory
from app.gradings.vocabularies import Term


class Weapon(NamedTuple):
    name: str
    category: WeaponCategory
    source: str
    spellings: tuple[str, ...] = ()


@dataclass(frozen=True)
class WeaponNames:
    version: str
    weapons: tuple[Weapon, ...]

    @cached_property
    def _by_key(self) -> Mapping[str, Weapon]:
        return {
            fold_designation(spelling): weapon
            for weapon in self.weapons
            for spelling in (weapon.name, *weapon.spellings)
        }

    def find(self, designation: str) -> Weapon | None:
        """The weapon of this name, however it is spelled."""
        return self._by_key.get(fold_designation(designation))

    @property
    def terms(self) -> tuple[Term, ...]:
        """As a vocabulary is listed: name, category, source."""
        return tuple(Term(each.name, each.category, each.source) for each in self.weapons)


_CSIS = "CSIS Missile Defense Project, Missile Threat"
_OSMP = "Open Source Munitions Portal (Airwars and Armament Research Services)"

WEAPONS = WeaponNames(
    "weapons/1",
    (
        Weapon("Kh-101", WeaponCategory.CRUISE_MISSILE, f"{_CSIS}: Kh-101 / Kh-102", ("AS-23A", "AS-23A Kodiak")),
        Weapon("Kh-55", WeaponCategory.CRUISE_MISSILE, f"{_CSIS}: Kh-55", ("AS-15", "AS-15 Kent")),
        Weapon(
            "3M-14 Kalibr", WeaponCategory.CRUISE_MISSILE, f"{_CSIS}: 3M-14 Kalibr", ("3M-14", "Kalibr", "SS-N-30A")
        ),
        Weapon(
            "9M723 Iskander-M", WeaponCategory.BALLISTIC_MISSILE, f"{_CSIS}: 9K720 Iskander", ("9M723", "Iskander-M")
        ),
        Weapon(
            "Kh-47M2 Kinzhal", WeaponCategory.BALLISTIC_MISSILE, f"{_CSIS}: Kh-47M2 Kinzhal", ("Kh-47M2", "Kinzhal")
        ),
        Weapon("P-800 Oniks", WeaponCategory.CRUISE_MISSILE, f"{_CSIS}: P-800 Oniks", ("P-800", "Oniks", "Yakhont")),
        Weapon(
            "9K79 Tochka-U", WeaponCategory.BALLISTIC_MISSILE, f"{_CSIS}: OTR-21 Tochka", ("Tochka-U", "9M79", "OTR-21")
        ),
        Weapon("Shahed-136", WeaponCategory.ONE_WAY_DRONE, f"{_OSMP}: Shahed-136", ("Geran-2", "Shahed-136/Geran-2")),
        Weapon("FAB-500", WeaponCategory.UNGUIDED_BOMB, f"{_OSMP}: FAB-500"),
        Weapon("Mk 84", WeaponCategory.UNGUIDED_BOMB, f"{_OSMP}: Mk 84", ("Mark 84",)),
        Weapon("GBU-39", WeaponCategory.GUIDED_BOMB, f"{_OSMP}: GBU-39", ("GBU-39/B", "SDB", "Small Diameter Bomb")),
    ),
)
