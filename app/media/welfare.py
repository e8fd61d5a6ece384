"""How much of what hurts a person has seen, and when they must rest: docs/decisions/0039. Pure.

A day is one of UTC. Each item counts once a day for each person.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from app.cases.policy import Policy

PICTURE_S = 30
"""What a look at a picture, a frame or any other rendering counts; and a recording of no known length."""
LONGEST_S = 2 * 3600
"""What one recording counts at the most: a file may claim any length."""
UNLABELLED = "unlabelled"
FLAGS = ("child", "sexual_violence", "distressing_audio")
LABEL_NAMES = (UNLABELLED, "graphic_none", "graphic_mild", "graphic_severe", *FLAGS)


@dataclass(frozen=True)
class SeenInADay:
    """What one person saw of one case's items in one day."""

    day: date
    items: int
    seconds: int
    last_at: datetime
    """The latest viewing that counted: at a cap, the one that reached it."""


def seconds_counted(*, is_original: bool, duration_ms: object) -> int:
    """What looking at an item counts in seconds. ``duration_ms``: what its file claims; anything else is no length."""
    if not is_original or not isinstance(duration_ms, int) or isinstance(duration_ms, bool):
        return PICTURE_S
    return min(max(-(-duration_ms // 1000), PICTURE_S), LONGEST_S)


def label_names(labels: Mapping[str, Any] | None) -> list[str]:
    """An item's labels as the words that it is counted and listed by."""
    if labels is None:
        return [UNLABELLED]
    return [f"graphic_{labels['graphic_level']}", *(flag for flag in FLAGS if labels.get(flag))]


def has_caps(policy: Policy) -> bool:
    return policy.exposure_items_per_day is not None or policy.exposure_minutes_per_day is not None


def break_ends_at(policy: Policy, seen: Iterable[SeenInADay], now: datetime) -> datetime | None:
    """When a person may look on; None: now. ``seen``: yesterday and today, a longer break there is not."""
    ends = [_end_of_break(policy, each) for each in seen if _is_reached(policy, each)]
    return max((end for end in ends if end > now), default=None)


def _is_reached(policy: Policy, seen: SeenInADay) -> bool:
    items, minutes = policy.exposure_items_per_day, policy.exposure_minutes_per_day
    return (items is not None and seen.items >= items) or (minutes is not None and seen.seconds >= minutes * 60)


def _end_of_break(policy: Policy, seen: SeenInADay) -> datetime:
    """The end of the day and, where the policy says so, a while after the last viewing."""
    end_of_day = datetime.combine(seen.day + timedelta(days=1), time(), UTC)
    return max(end_of_day, seen.last_at + timedelta(minutes=policy.break_minutes or 0))
