"""What can be wrong with accounts, passwords and tokens."""

from app.kernel.errors import AppError, Conflict, Forbidden, constraint_errors


class BadCredentials(AppError):
    code = "bad_credentials"
    status = 401
    title = "E-mail address or password is not right"


class TooManyAttempts(AppError):
    code = "too_many_attempts"
    status = 429
    title = "Too many failed sign-ins"

    def __init__(self, detail: str) -> None:
        super().__init__(detail, headers={"Retry-After": "900"})


class EmailTaken(Conflict):
    code = "email_taken"
    title = "The e-mail address is in use"


class LastAdministrator(Conflict):
    code = "last_administrator"
    title = "An installation needs an administrator"


class WiderThanOwner(Forbidden):
    code = "wider_than_owner"
    title = "A token cannot allow more than its maker's"


constraint_errors["uq_accounts_email"] = EmailTaken("Another account has this e-mail address.")
