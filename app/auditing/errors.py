"""What can keep an auditor from an answer."""

from app.kernel.errors import Invalid


class RangeNotSigned(Invalid):
    code = "range_not_signed"
    title = "The log has no such range of leaves"
    advice = "Give places between 0 and the size of the newest signed tree, the first not after the last."


class ScopeNotNamed(Invalid):
    code = "scope_not_named"
    title = "A case and a stream of another case are named"
    advice = "Name the stream alone, or the case alone."
