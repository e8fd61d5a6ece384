"""The words of an incident's facts. Pure."""

from enum import StrEnum


class CasualtyOutcome(StrEnum):
    """What happened to the people that a count is of."""

    KILLED = "killed"
    INJURED = "injured"
    MISSING = "missing"


class PersonGroup(StrEnum):
    """Whom a count is of. The groups overlap (a child is a civilian too), so counts of two groups are never added."""

    CIVILIAN = "civilian"
    CHILD = "child"
    WOMAN = "woman"
    MAN = "man"
    MEDICAL_STAFF = "medical_staff"
    HUMANITARIAN_WORKER = "humanitarian_worker"
    JOURNALIST = "journalist"
    COMBATANT = "combatant"
    UNKNOWN = "unknown"


class Comparator(StrEnum):
    """How a source bounds its number."""

    EXACT = "exact"
    AT_LEAST = "at_least"
    MORE_THAN = "more_than"
    ABOUT = "about"
    UP_TO = "up_to"


class ObjectKind(StrEnum):
    HOSPITAL = "hospital"
    MEDICAL_UNIT = "medical_unit"
    SCHOOL = "school"
    RELIGIOUS = "religious"
    CULTURAL = "cultural"
    HUMANITARIAN = "humanitarian"
    WATER_ENERGY = "water_energy"
    DANGEROUS_FORCES = "dangerous_forces"
    """Dams, dykes, nuclear power stations."""
    RESIDENTIAL = "residential"
    MARKET = "market"
    TRANSPORT = "transport"
    MEDIA = "media"
    GOVERNMENT = "government"
    INDUSTRY = "industry"
    AGRICULTURE = "agriculture"
    MILITARY = "military"
    OTHER = "other"


class Damage(StrEnum):
    DESTROYED = "destroyed"
    SEVERE = "severe"
    MODERATE = "moderate"
    LIGHT = "light"
    NONE = "none"


class SpecialProtection(StrEnum):
    """Whether the law protects an object beyond what it gives every civilian one."""

    PROTECTED = "protected"
    NOT_PROTECTED = "not_protected"
    LOST = "lost"
    """Somebody found that its protection had ceased."""
    UNKNOWN = "unknown"


class WeaponCategory(StrEnum):
    CRUISE_MISSILE = "cruise_missile"
    BALLISTIC_MISSILE = "ballistic_missile"
    AIR_DEFENCE_MISSILE = "air_defence_missile"
    OTHER_MISSILE = "other_missile"
    GUIDED_BOMB = "guided_bomb"
    UNGUIDED_BOMB = "unguided_bomb"
    ROCKET_ARTILLERY = "rocket_artillery"
    TUBE_ARTILLERY = "tube_artillery"
    MORTAR = "mortar"
    ONE_WAY_DRONE = "one_way_drone"
    ARMED_DRONE = "armed_drone"
    CLUSTER_MUNITION = "cluster_munition"
    INCENDIARY = "incendiary"
    MINE = "mine"
    IMPROVISED_DEVICE = "improvised_device"
    SMALL_ARMS = "small_arms"
    CHEMICAL = "chemical"
    OTHER = "other"
    UNKNOWN = "unknown"


class IdentificationMethod(StrEnum):
    """How somebody came to say which weapon it was."""

    REMNANT_ANALYSIS = "remnant_analysis"
    VISUAL_IN_FLIGHT = "visual_in_flight"
    DAMAGE_PATTERN = "damage_pattern"
    RADAR_OR_SIGNALS = "radar_or_signals"
    OFFICIAL_STATEMENT = "official_statement"
    WITNESS_STATEMENT = "witness_statement"
    OTHER = "other"
    NOT_STATED = "not_stated"


class StatedConfidence(StrEnum):
    """``not_stated``: whose word it is gave none; nobody else makes one up for them."""

    HIGH = "high"
    MODERATE = "moderate"
    LOW = "low"
    NOT_STATED = "not_stated"


class AttributionLevel(StrEnum):
    """How near to the person who acted an attribution comes."""

    PARTY = "party"
    ARMED_FORCE = "armed_force"
    UNIT = "unit"
    COMMANDER = "commander"
    DIRECT_PERPETRATOR = "direct_perpetrator"


class Aspect(StrEnum):
    """What a circumstance is about."""

    MILITARY_OBJECTIVE = "military_objective"
    ATTACK_PATTERN = "attack_pattern"
    FRONT_DISTANCE = "front_distance"


class MilitaryObjective(StrEnum):
    """Whether there was one at or near the place, as far as the source says."""

    NONE_FOUND = "none_found"
    CLAIMED = "claimed"
    PRESENT = "present"
    UNKNOWN = "unknown"


class AttackPattern(StrEnum):
    SINGLE = "single"
    DOUBLE_TAP = "double_tap"
    """A second strike on the same place when those who help have come."""
    REPEATED = "repeated"
    SALVO = "salvo"
    MASS_ATTACK = "mass_attack"
    """Many weapons on many places in one operation."""
    SIEGE = "siege"
    INDISCRIMINATE_FIRE = "indiscriminate_fire"
    OTHER = "other"


class DistanceMethod(StrEnum):
    """How a distance to the front was found."""

    MAP_OF_CONTROL = "map_of_control"
    SATELLITE_IMAGERY = "satellite_imagery"
    AS_REPORTED = "as_reported"
    FIELD_VISIT = "field_visit"
    OTHER = "other"


class IncidentRelation(StrEnum):
    """What an incident has to do with another one of its case."""

    PART_OF = "part_of"
    """The other one is its parent: an incident has one parent at the most, and there is no circle of them."""
    FOLLOWS = "follows"
    """It is a consequence of the other one, or a second strike after it."""
    SAME_TARGET = "same_target"
    SAME_OPERATION = "same_operation"
    SAME_PATTERN = "same_pattern"
    DUPLICATE_OF = "duplicate_of"
    OTHER = "other"


class OrganisationKind(StrEnum):
    """Who publishes, identifies, is named as a party or holds an area."""

    STATE = "state"
    ARMED_FORCE = "armed_force"
    ARMED_GROUP = "armed_group"
    DE_FACTO_AUTHORITY = "de_facto_authority"
    NGO = "ngo"
    INTERGOVERNMENTAL = "intergovernmental"
    COURT_OR_INQUIRY = "court_or_inquiry"
    PROSECUTION_OR_POLICE = "prosecution_or_police"
    HEALTH_AUTHORITY = "health_authority"
    MEDIA = "media"
    RESEARCH = "research"
    OTHER = "other"


class Control(StrEnum):
    CONTROLLED = "controlled"
    CONTESTED = "contested"


class Unit(StrEnum):
    """What an external statistic counts in."""

    PERSONS = "persons"
    INCIDENTS = "incidents"
    ITEMS = "items"
    OBJECTS = "objects"
    PERCENT = "percent"
    OTHER = "other"
