"""Entries' words as people read them: codes, ranges, moments, places, and by what name things go. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from app.exports.report.blocks import Cell, cell, code, quote
from app.exports.report.stories import Act

CLOSED = "(not opened in this package)"


@dataclass(slots=True)
class Names:
    """By what name a report calls things. ``labels``: stream → ``I-3`` or ``E-12``; ``names``: of people and
    organisations, as far as they are opened."""

    labels: dict[str, str] = field(default_factory=dict)
    names: dict[str, str] = field(default_factory=dict)

    def thing(self, stream: str | None) -> Cell:
        """An item or incident; one that is not in this package goes by its id."""
        if stream is None:
            return cell("none named")
        label = self.labels.get(stream)
        return code(stream) if label is None else Cell(label, anchor=f"s-{stream}")

    def organisation(self, fact: str | None) -> str:
        if fact is None:
            return ""
        return self.names.get(fact) or f"organisation {fact[:8]}"

    def person(self, actor: str) -> str:
        """A pseudonym, shortened; the section on people has it whole, with the name where that is opened."""
        return f"P-{actor[:8]}"


def person_of(act: Act) -> str:
    """Who acted, and by which role."""
    if act.actor_kind == "system":
        return "the system"
    return f"P-{act.actor[:8]}" + (f" ({words(act.role)})" if act.role else "")


def words(code_word: str | None) -> str:
    return "" if code_word is None else code_word.replace("_", " ")


def act_words(kind: str, of: str) -> str:
    """``evidence.signed_off`` → ``signed off`` in a stream ``of`` evidence; what is done to something else names it."""
    if kind == "withheld":
        return "withheld: its body was erased"
    area, _, act = kind.partition(".")
    return words(act) if area == of else f"{area} {words(act)}"


def plural(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def moment(text: str | None) -> str:
    """``2026-07-14T09:30:00.000Z`` → ``2026-07-14 09:30:00 UTC``."""
    if not text:
        return ""
    return text[:19].replace("T", " ") + " UTC" if text.endswith("Z") else text


def span(first: str | None, last: str | None) -> str:
    if first and last and first != last:
        return f"{moment(first)} to {moment(last)}"
    return moment(first or last)


def opened(act: Act, name: str) -> Cell | None:
    """A sealed field; None: the entry has none of this name."""
    if name in act.opened:
        return quote(plain(act.opened[name]))
    return cell(CLOSED) if name in act.closed else None


def text_of(act: Act, name: str) -> str:
    found = opened(act, name)
    return "" if found is None else found.text


def plain(value: Any) -> str:
    """Any opened value as text."""
    if isinstance(value, str):
        return value
    if isinstance(value, Mapping):
        return "; ".join(f"{words(str(name))}: {plain(each)}" for name, each in value.items())
    if isinstance(value, (list, tuple)):
        return "; ".join(map(plain, value))
    return "" if value is None else str(value)


def place(value: Any) -> str:
    """Name, point in degrees, radius, units."""
    if not isinstance(value, Mapping):
        return plain(value)
    parts = [plain(value["name"])] if value.get("name") else []
    latitude, longitude = value.get("latitude_microdegrees"), value.get("longitude_microdegrees")
    if isinstance(latitude, int) and isinstance(longitude, int):
        around = f" ± {value['radius_m']} m" if value.get("radius_m") is not None else ""
        parts.append(f"{degrees(latitude)}, {degrees(longitude)}{around}")
    units = value.get("administrative_units")
    if units:
        parts.append(" › ".join(map(plain, units)) if isinstance(units, (list, tuple)) else plain(units))
    return "\n".join(parts)


def degrees(microdegrees: int) -> str:
    whole, rest = divmod(abs(microdegrees), 1_000_000)
    return f"{'-' if microdegrees < 0 else ''}{whole}.{rest:06d}"


def count(comparator: str | None, minimum: Any, maximum: Any) -> str:
    """One source's count in its own comparator's words."""
    told = {
        "exact": f"{minimum}",
        "at_least": f"at least {minimum}",
        "more_than": f"more than {minimum}",
        "about": f"about {minimum}" if minimum == maximum else f"about {minimum} to {maximum}",
        "up_to": f"up to {maximum}" if not minimum else f"{minimum} up to {maximum}",
    }
    return told.get(comparator or "", bounds(minimum, maximum))


def bounds(minimum: Any, maximum: Any) -> str:
    if maximum is None:
        return f"{minimum} or more"
    return f"{minimum}" if minimum == maximum else f"{minimum} to {maximum}"


def megabytes(size_bytes: int | None) -> str:
    if size_bytes is None:
        return ""
    return f"{size_bytes:,} bytes".replace(",", " ")
