"""What can be wrong with accounts, passwords and tokens."""

from app.kernel.errors import AppError, Conflict, Forbidden, constraint_errors


class BadCredentials(AppError):
    code = "bad_credentials"
    status = 401
    title = "E-mail address or password is not right"
    advice = "Check the e-mail address and the password, and sign in again. An administrator can set a new password."


class TooManyAttempts(AppError):
    code = "too_many_attempts"
    status = 429
    title = "Too many failed sign-ins"
    advice = "Wait for as long as Retry-After says. Do not guess: each failed attempt counts."

    def __init__(self, detail: str) -> None:
        super().__init__(detail, headers={"Retry-After": "900"})


class EmailTaken(Conflict):
    code = "email_taken"
    title = "The e-mail address is in use"
    advice = "Choose another e-mail address, or find the account that has this one."


class LastAdministrator(Conflict):
    code = "last_administrator"
    title = "An installation needs an administrator"
    advice = "Make another account an administrator first."


class WiderThanOwner(Forbidden):
    code = "wider_than_owner"
    title = "A token cannot allow more than its maker's"
    advice = (
        "Ask for less: no scope, case, role or lifetime beyond those of the token that you make it with; or sign "
        "in and make it then."
    )


class AccessGivenLately(Forbidden):
    """Where two persons are needed, nobody becomes the second by setting another's password."""

    code = "access_given_lately"
    title = "An administrator gave access to this account within the last day"
    advice = (
        "Have somebody else approve, or wait for 24 hours after the password was set or the token was made for you. "
        "Did you not ask for that? Tell the case's coordinators and the organisation's auditor: another may act as you."
    )


constraint_errors["exhibit_access_given_lately"] = AccessGivenLately(
    "An administrator set this account's password, or made a token for it, less than 24 hours ago."
)
constraint_errors["uq_accounts_email"] = EmailTaken("Another account has this e-mail address.")
