"""Who may do what: the role × operation table of docs/domain.md. Pure; permissions are written down nowhere else."""

from dataclasses import dataclass
from enum import StrEnum


class Role(StrEnum):
    """A role in a case, given by membership."""

    COLLECTOR = "collector"
    VERIFIER = "verifier"
    COORDINATOR = "coordinator"
    RESEARCHER = "researcher"
    LEGAL_ANALYST = "legal_analyst"
    CUSTODIAN = "custodian"
    AUDITOR = "auditor"


class OrganisationRole(StrEnum):
    """A role in the whole installation."""

    ADMINISTRATOR = "administrator"
    AUDITOR = "organisation_auditor"


class Scope(StrEnum):
    """What a token may be used for at the most, whatever its owner may do."""

    READ = "read"
    WRITE = "write"
    CONTENT = "content"
    ADMIN = "admin"


class Operation(StrEnum):
    """Every kind of act that a rule speaks of."""

    PUBLIC = "public"
    SIGNED_IN = "signed_in"
    END_OWN_ACCESS = "end_own_access"
    """Signing out, and revoking the token in use: whatever it was made for, it may be thrown away."""
    MANAGE_OWN_ACCESS = "manage_own_access"
    """One's own password and tokens: what outlives the token that is used for it."""
    ADMINISTER = "administer"
    READ_METRICS = "read_metrics"
    """The installation's figures; a token of the scope ``read`` is enough, for a monitoring system to hold."""
    READ_AUDITS = "read_audits"
    """What the checks of the whole log found: sizes, counts and digests."""
    EDIT_STOP_LIST = "edit_stop_list"
    """Which frames matching leaves out, in every case."""
    READ_STOP_LIST = "read_stop_list"
    """In how many sources a frame occurs: figures over all cases."""
    LOOK_UP_ACCOUNT = "look_up_account"
    """Which account has an e-mail address, for one who may add members to a case."""
    MANAGE_CASE = "manage_case"
    READ_NOTICES = "read_notices"
    """That an item of another case resembles one of this case: what only its coordinators are told."""
    READ_EXPOSURE = "read_exposure"
    """What members have seen of the case's content: for its coordinators, and for nobody to rank."""
    SET_PREFERENCES = "set_preferences"
    """One's own languages and opt-outs."""
    READ_AGREEMENT = "read_agreement"
    """How far those who verify blind agree, over whole cases."""
    RECEIVE_EVIDENCE = "receive_evidence"
    ASSESS_LEAD = "assess_lead"
    """To answer the five questions about a lead before anything is collected."""
    DECLINE_LEAD = "decline_lead"
    READ_METADATA = "read_metadata"
    READ_WITHDRAWN = "read_withdrawn"
    """As reading metadata; of what a withdrawn consent closed also open to those who carry the withdrawal out."""
    READ_PREVIEW = "read_preview"
    READ_ORIGINAL = "read_original"
    OPEN_VERIFICATION = "open_verification"
    VERIFY = "verify"
    REOPEN = "reopen"
    REDACT = "redact"
    """To have a copy made of a picture with parts of it covered, which goes out in place of the original."""
    REQUEST_DECODING = "request_decoding"
    """To have preserved bytes decoded and fingerprinted again."""
    EDIT_INCIDENTS = "edit_incidents"
    GRADE_INCIDENTS = "grade_incidents"
    """How far an incident is established, and to which standard of proof."""
    CLASSIFY_INCIDENTS = "classify_incidents"
    """Which provisions of law apply to it."""
    SIGN_OFF = "sign_off"
    MOVE_EVIDENCE = "move_evidence"
    """Any event of the state machine; which roles permit which event, the event's own operation says."""
    REVOKE_REVIEWER_KEY = "revoke_reviewer_key"
    READ_CUSTODY = "read_custody"
    EXPORT = "export"
    """To have a package made, and to take it; media and opened fields ask for more."""
    DECIDE_EXPORT = "decide_export"
    """As the second person: approve or refuse a package that another asked for, where the case's policy says so."""
    SCHEDULE_LOGS = "schedule_logs"
    """To have a log made of every month; what is in it, each who takes it must be permitted."""
    RELEASE = "release"
    """To stand by a package: to release it, with what it rests on."""
    TRANSFER_EXPORT = "transfer_export"
    """To say to whom a package is handed over, and to take that back."""
    AUDIT_ORGANISATION = "audit_organisation"
    """Which cases there are, by their ids, and the log of accounts and tokens."""
    TAKE_RECEIPT = "take_receipt"
    """The signed receipt of one entry: whoever acted may have their own."""
    ERASE = "erase"
    READ_TESTIMONIES = "read_testimonies"
    """What witnesses said."""
    READ_WITNESS_CONSENTS = "read_witness_consents"
    """To what they consented; of a withdrawn testimony also open to those who carry the withdrawal out."""
    RECORD_CONSENT = "record_consent"
    """To what a person consented, of an item or a testimony."""
    WITHDRAW_CONSENT = "withdraw_consent"
    """That they no longer do: at once, by whoever hears it."""
    SEAL_IDENTITY = "seal_identity"
    """To put into the vault who a source is."""
    REQUEST_OPENING = "request_opening"
    """To ask for a sealed identity, and to see who asked and who decided."""
    DECIDE_OPENING = "decide_opening"
    """As the second person: approve or refuse that another opens it."""
    OPEN_IDENTITY = "open_identity"
    """To be told it, once, after that."""


@dataclass(frozen=True)
class Rule:
    """Which roles permit an operation, and which only on one's own objects or acts."""

    roles: frozenset[Role] = frozenset()
    own: frozenset[Role] = frozenset()
    organisation: frozenset[OrganisationRole] = frozenset()
    scope: Scope | None = Scope.READ
    """What a token must have been made for; None: any will do."""
    changes_case: bool = False
    """Whether the operation holds the case while it changes something in it."""
    when_closed: bool = False
    """Whether it is permitted in a closed case too."""


_ALL = frozenset(Role)
_WORKERS = _ALL - {Role.AUDITOR}

RULES: dict[Operation, Rule] = {
    Operation.PUBLIC: Rule(scope=None),
    Operation.SIGNED_IN: Rule(),
    Operation.END_OWN_ACCESS: Rule(scope=None),
    Operation.MANAGE_OWN_ACCESS: Rule(scope=Scope.WRITE),
    Operation.ADMINISTER: Rule(organisation=frozenset({OrganisationRole.ADMINISTRATOR}), scope=Scope.ADMIN),
    Operation.LOOK_UP_ACCOUNT: Rule(frozenset({Role.COORDINATOR}), scope=Scope.WRITE),
    Operation.READ_METRICS: Rule(organisation=frozenset({OrganisationRole.ADMINISTRATOR})),
    Operation.READ_AUDITS: Rule(organisation=frozenset(OrganisationRole)),
    Operation.READ_NOTICES: Rule(frozenset({Role.COORDINATOR})),
    Operation.READ_EXPOSURE: Rule(frozenset({Role.COORDINATOR})),
    Operation.SET_PREFERENCES: Rule(scope=Scope.WRITE),
    Operation.READ_AGREEMENT: Rule(frozenset({Role.COORDINATOR})),
    Operation.EDIT_STOP_LIST: Rule(organisation=frozenset({OrganisationRole.ADMINISTRATOR}), scope=Scope.ADMIN),
    Operation.READ_STOP_LIST: Rule(organisation=frozenset(OrganisationRole)),
    Operation.MANAGE_CASE: Rule(frozenset({Role.COORDINATOR}), scope=Scope.WRITE, changes_case=True),
    Operation.RECEIVE_EVIDENCE: Rule(_WORKERS - {Role.LEGAL_ANALYST}, scope=Scope.WRITE, changes_case=True),
    Operation.ASSESS_LEAD: Rule(_WORKERS - {Role.LEGAL_ANALYST}, scope=Scope.WRITE, changes_case=True),
    Operation.DECLINE_LEAD: Rule(frozenset({Role.COLLECTOR, Role.COORDINATOR}), scope=Scope.WRITE, changes_case=True),
    Operation.READ_METADATA: Rule(_ALL),
    Operation.READ_WITHDRAWN: Rule(_ALL),
    Operation.READ_PREVIEW: Rule(_WORKERS),
    Operation.READ_ORIGINAL: Rule(_WORKERS - {Role.COLLECTOR}, own=frozenset({Role.COLLECTOR}), scope=Scope.CONTENT),
    Operation.OPEN_VERIFICATION: Rule(
        frozenset({Role.VERIFIER, Role.COORDINATOR}), scope=Scope.WRITE, changes_case=True
    ),
    Operation.VERIFY: Rule(frozenset({Role.VERIFIER, Role.RESEARCHER}), scope=Scope.WRITE, changes_case=True),
    Operation.REOPEN: Rule(frozenset({Role.RESEARCHER, Role.COORDINATOR}), scope=Scope.WRITE, changes_case=True),
    # A closed case can be exported, so it can be made fit for that.
    Operation.REDACT: Rule(_WORKERS - {Role.COLLECTOR}, scope=Scope.WRITE, changes_case=True, when_closed=True),
    Operation.REQUEST_DECODING: Rule(
        frozenset({Role.COORDINATOR, Role.CUSTODIAN}), scope=Scope.WRITE, changes_case=True
    ),
    Operation.EDIT_INCIDENTS: Rule(
        frozenset({Role.VERIFIER, Role.COORDINATOR, Role.RESEARCHER, Role.LEGAL_ANALYST}),
        scope=Scope.WRITE,
        changes_case=True,
    ),
    Operation.GRADE_INCIDENTS: Rule(frozenset({Role.RESEARCHER}), scope=Scope.WRITE, changes_case=True),
    Operation.CLASSIFY_INCIDENTS: Rule(frozenset({Role.LEGAL_ANALYST}), scope=Scope.WRITE, changes_case=True),
    Operation.SIGN_OFF: Rule(frozenset({Role.RESEARCHER}), scope=Scope.WRITE, changes_case=True),
    Operation.MOVE_EVIDENCE: Rule(_WORKERS, scope=Scope.WRITE, changes_case=True),
    Operation.REVOKE_REVIEWER_KEY: Rule(
        frozenset({Role.COORDINATOR}),
        own=frozenset({Role.VERIFIER, Role.RESEARCHER}),
        scope=Scope.WRITE,
        changes_case=True,
    ),
    Operation.AUDIT_ORGANISATION: Rule(organisation=frozenset({OrganisationRole.AUDITOR})),
    # A person's right does not end with the case.
    Operation.ERASE: Rule(frozenset({Role.CUSTODIAN}), scope=Scope.WRITE, changes_case=True, when_closed=True),
    Operation.READ_TESTIMONIES: Rule(_WORKERS),
    Operation.READ_WITNESS_CONSENTS: Rule(_WORKERS),
    Operation.RECORD_CONSENT: Rule(_WORKERS, scope=Scope.WRITE, changes_case=True, when_closed=True),
    Operation.WITHDRAW_CONSENT: Rule(_WORKERS, scope=Scope.WRITE, changes_case=True, when_closed=True),
    # Whoever brought the item knows its source; nobody else writes over what they sealed, but a coordinator.
    Operation.SEAL_IDENTITY: Rule(
        frozenset({Role.COORDINATOR}),
        own=_WORKERS - {Role.LEGAL_ANALYST, Role.COORDINATOR},
        scope=Scope.WRITE,
        changes_case=True,
    ),
    # Staff, not volunteers; and a source may have to be warned, or a court answered, when the case is closed.
    Operation.REQUEST_OPENING: Rule(
        frozenset({Role.COORDINATOR, Role.RESEARCHER, Role.CUSTODIAN}),
        scope=Scope.WRITE,
        changes_case=True,
        when_closed=True,
    ),
    Operation.DECIDE_OPENING: Rule(
        frozenset({Role.COORDINATOR, Role.CUSTODIAN}), scope=Scope.WRITE, changes_case=True, when_closed=True
    ),
    Operation.OPEN_IDENTITY: Rule(
        frozenset({Role.COORDINATOR, Role.RESEARCHER, Role.CUSTODIAN}),
        scope=Scope.CONTENT,
        changes_case=True,
        when_closed=True,
    ),
    Operation.READ_CUSTODY: Rule(
        frozenset({Role.COORDINATOR, Role.RESEARCHER, Role.LEGAL_ANALYST, Role.CUSTODIAN, Role.AUDITOR}),
        own=frozenset({Role.VERIFIER}),
        organisation=frozenset({OrganisationRole.AUDITOR}),
    ),
    Operation.EXPORT: Rule(
        frozenset({Role.COORDINATOR, Role.RESEARCHER, Role.LEGAL_ANALYST, Role.CUSTODIAN, Role.AUDITOR}),
        organisation=frozenset({OrganisationRole.AUDITOR}),
    ),
    Operation.DECIDE_EXPORT: Rule(
        frozenset({Role.COORDINATOR, Role.RESEARCHER, Role.CUSTODIAN}),
        scope=Scope.WRITE,
        changes_case=True,
        when_closed=True,
    ),
    Operation.SCHEDULE_LOGS: Rule(
        frozenset({Role.COORDINATOR, Role.RESEARCHER, Role.LEGAL_ANALYST, Role.CUSTODIAN, Role.AUDITOR}),
        organisation=frozenset({OrganisationRole.AUDITOR}),
        scope=Scope.WRITE,
    ),
    Operation.RELEASE: Rule(
        frozenset({Role.COORDINATOR, Role.RESEARCHER}), scope=Scope.WRITE, changes_case=True, when_closed=True
    ),
    Operation.TRANSFER_EXPORT: Rule(
        frozenset({Role.COORDINATOR, Role.RESEARCHER, Role.LEGAL_ANALYST, Role.CUSTODIAN}),
        scope=Scope.WRITE,
        changes_case=True,
        when_closed=True,
    ),
    Operation.TAKE_RECEIPT: Rule(
        frozenset({Role.COORDINATOR, Role.RESEARCHER, Role.LEGAL_ANALYST, Role.CUSTODIAN, Role.AUDITOR}),
        own=frozenset({Role.VERIFIER, Role.COLLECTOR}),
        organisation=frozenset({OrganisationRole.AUDITOR}),
    ),
}


def roles_permitting(operation: Operation) -> str:
    """The roles that permit it, for people: ``coordinator, verifier (what is their own)``."""
    rule = RULES[operation]
    names = [str(role) for role in Role if role in rule.roles]
    names += [f"{role} (what is their own)" for role in Role if role in rule.own]
    return ", ".join(names + [str(role) for role in OrganisationRole if role in rule.organisation])


@dataclass(frozen=True)
class Permission:
    """The role that permits an operation; ``own_only``: on one's own objects or acts alone."""

    role: Role | OrganisationRole
    own_only: bool = False


def permission(
    operation: Operation, roles: frozenset[Role], organisation: frozenset[OrganisationRole]
) -> Permission | None:
    """What permits the operation to a holder of these roles, the widest first; None: nothing does."""
    rule = RULES[operation]
    for role in Role:
        if role in roles and role in rule.roles:
            return Permission(role)
    for organisation_role in OrganisationRole:
        if organisation_role in organisation and organisation_role in rule.organisation:
            return Permission(organisation_role)
    for role in Role:
        if role in roles and role in rule.own:
            return Permission(role, own_only=True)
    return None
