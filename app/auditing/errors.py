"""What can keep an auditor from an answer."""

from app.kernel.errors import AppError, Conflict, Invalid


class RangeNotSigned(Invalid):
    code = "range_not_signed"
    title = "The log has no such range of leaves"
    advice = "Give places between 0 and the size of the newest signed tree, the first not after the last."


class ScopeNotNamed(Invalid):
    code = "scope_not_named"
    title = "A case and a stream of another case are named"
    advice = "Name the stream alone, or the case alone."


class LogNotReady(Conflict):
    code = "log_not_ready"
    title = "The log of this month is not stored yet"
    advice = "Ask again in a moment; its state stands in the list of the schedule's logs."


class NoLogOfMonth(AppError):
    code = "no_log_of_month"
    status = 404
    title = "The schedule has made no log of this month"
    advice = "Take a month of the list of its logs. A month's log is made some minutes after its end."
