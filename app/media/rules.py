"""The states of an evidence item and the events that move it: the table of docs/domain.md. Pure."""

from enum import StrEnum

from app.access.rules import Operation
from app.kernel.errors import WrongState


class State(StrEnum):
    LEAD = "lead"
    DECLINED = "declined"
    COLLECTED = "collected"
    PRESERVED = "preserved"
    QUARANTINED = "quarantined"
    IN_VERIFICATION = "in_verification"
    AWAITING_PEER_REVIEW = "awaiting_peer_review"
    DISPUTED = "disputed"
    AWAITING_SIGN_OFF = "awaiting_sign_off"
    SIGNED_OFF = "signed_off"


class Transition(StrEnum):
    """The events of the state machine that move an existing item."""

    DECLINE = "decline"
    RECEIVE = "receive"
    PRESERVE = "preserve"
    QUARANTINE = "quarantine"
    OPEN_VERIFICATION = "open_verification"
    SUBMIT = "submit"
    WITHDRAW = "withdraw"
    END_BLIND = "end_blind"
    REQUEST_CHANGES = "request_changes"
    CONCUR = "concur"
    DISSENT = "dissent"
    ADJUDICATE = "adjudicate"
    SIGN_OFF = "sign_off"
    RETURN = "return"
    REOPEN = "reopen"


class DeclineReason(StrEnum):
    """Why a lead is not taken."""

    NOT_RELEVANT = "not_relevant"
    NOT_CREDIBLE = "not_credible"
    UNSAFE_TO_COLLECT = "unsafe_to_collect"
    OBLIGATIONS_CANNOT_BE_MET = "obligations_cannot_be_met"
    OUT_OF_SCOPE = "out_of_scope"
    DUPLICATE = "duplicate"
    NOT_REACHABLE = "not_reachable"
    OTHER = "other"


class Priority(StrEnum):
    """How soon a coordinator wants an item worked on."""

    URGENT = "urgent"
    HIGH = "high"
    NORMAL = "normal"
    LOW = "low"

    @property
    def rank(self) -> int:
        """Its place in the queue: 1 comes first."""
        return list(Priority).index(self) + 1

    @classmethod
    def of_rank(cls, rank: int) -> "Priority":
        return list(cls)[rank - 1]


class FingerprintStatus(StrEnum):
    """How far fingerprinting is; it stands beside the state, because a damaged file is still evidence."""

    PENDING = "pending"
    DONE = "done"
    UNDECODABLE = "undecodable"
    FAILED = "failed"


class BlindState(StrEnum):
    """How far a round is that two persons verify, neither seeing the other's work; it stands beside the state."""

    PENDING = "pending"
    COMPLETE = "complete"
    """Both have submitted: everything is shown."""
    ENDED = "ended"
    """It was ended before a second verdict, with a reason: from then on it is shown and reviewed as any other."""


PARTIAL = "partial"
"""A decoding that gave some of the pixels: what came before a limit, or before the damage."""

OUTCOME_RANKS = {"decoded": 2, PARTIAL: 1}
"""How far a decoding got, by its outcome; any other: 0. What got further is not replaced by what did not."""

TRANSITIONS: dict[Transition, dict[State, tuple[State, ...]]] = {
    Transition.DECLINE: {State.LEAD: (State.DECLINED,)},
    Transition.RECEIVE: {State.LEAD: (State.COLLECTED,)},
    Transition.PRESERVE: {State.COLLECTED: (State.PRESERVED,)},
    Transition.QUARANTINE: {State.COLLECTED: (State.QUARANTINED,)},
    Transition.OPEN_VERIFICATION: {State.PRESERVED: (State.IN_VERIFICATION,)},
    Transition.SUBMIT: {State.IN_VERIFICATION: (State.AWAITING_PEER_REVIEW,)},
    Transition.WITHDRAW: {State.AWAITING_PEER_REVIEW: (State.IN_VERIFICATION,)},
    Transition.END_BLIND: {State.AWAITING_PEER_REVIEW: (State.AWAITING_PEER_REVIEW,)},
    Transition.REQUEST_CHANGES: {State.AWAITING_PEER_REVIEW: (State.IN_VERIFICATION,)},
    Transition.CONCUR: {State.AWAITING_PEER_REVIEW: (State.AWAITING_SIGN_OFF,)},
    Transition.DISSENT: {State.AWAITING_PEER_REVIEW: (State.DISPUTED,)},
    Transition.ADJUDICATE: {State.DISPUTED: (State.AWAITING_SIGN_OFF, State.IN_VERIFICATION)},
    Transition.SIGN_OFF: {State.AWAITING_SIGN_OFF: (State.SIGNED_OFF,)},
    Transition.RETURN: {State.AWAITING_SIGN_OFF: (State.IN_VERIFICATION,)},
    Transition.REOPEN: {State.SIGNED_OFF: (State.IN_VERIFICATION,)},
}
"""Event → state before → states it may lead to. The trigger ``evidence_state_moves`` holds the same table, but for
``end_blind``, which leaves the state as it is."""

AFTER_BOTH = frozenset({Transition.REQUEST_CHANGES, Transition.CONCUR, Transition.DISSENT})
"""The events of a peer review, which in a blind round come after the second verdict."""


OPERATIONS: dict[Transition, Operation] = {
    Transition.DECLINE: Operation.DECLINE_LEAD,
    Transition.RECEIVE: Operation.RECEIVE_EVIDENCE,
    Transition.OPEN_VERIFICATION: Operation.OPEN_VERIFICATION,
    Transition.SUBMIT: Operation.VERIFY,
    Transition.WITHDRAW: Operation.VERIFY,
    Transition.END_BLIND: Operation.REOPEN,
    Transition.REQUEST_CHANGES: Operation.VERIFY,
    Transition.CONCUR: Operation.VERIFY,
    Transition.DISSENT: Operation.VERIFY,
    Transition.ADJUDICATE: Operation.SIGN_OFF,
    Transition.SIGN_OFF: Operation.SIGN_OFF,
    Transition.RETURN: Operation.SIGN_OFF,
    Transition.REOPEN: Operation.REOPEN,
}
"""What a person must be permitted for an event. The others are no person's: ``preserve`` and ``quarantine`` are a
job's, when it has read the stored bytes back."""

LINKABLE_STATES = frozenset(
    {
        State.PRESERVED,
        State.IN_VERIFICATION,
        State.AWAITING_PEER_REVIEW,
        State.DISPUTED,
        State.AWAITING_SIGN_OFF,
        State.SIGNED_OFF,
    }
)
"""States from ``preserved`` on, in which an item may be linked to an incident."""

NEVER_LINKED = frozenset(State) - LINKABLE_STATES - {State.QUARANTINED}
"""Before those: no way leads back into them, so no item in them is linked to anything."""


def next_state(state: State, event: Transition, *, chosen: State | None = None) -> State:
    """Where the event leads from the state; ``chosen`` picks where there are several.

    Raises WrongState, naming the states from which the event is possible.
    """
    possible = TRANSITIONS[event].get(state, ())
    if not possible:
        starts = ", ".join(TRANSITIONS[event])
        raise WrongState(
            f"'{event}' is possible from: {starts}. The item is '{state}'.",
            extra={"state": state, "event": event, "possible_from": list(TRANSITIONS[event])},
        )
    if chosen is None:
        return possible[0]
    if chosen not in possible:
        raise WrongState(f"'{event}' cannot lead to '{chosen}'.", extra={"state": state, "event": event})
    return chosen


def events_from(state: State, blind: str | None = None) -> list[Transition]:
    """The events possible in a state, in the order of the workflow; ``blind``: how far the round is, if it is that."""
    events = [event for event, moves in TRANSITIONS.items() if state in moves]
    if blind == BlindState.PENDING:
        return [event for event in events if event not in AFTER_BOTH]
    return [event for event in events if event is not Transition.END_BLIND]
