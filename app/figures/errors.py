"""What can be wrong with a question for figures, or with an answer that is to be checked."""

from app.kernel.errors import Forbidden, Invalid


class FigureNotAsked(Invalid):
    code = "figure_not_asked"
    title = "This measure is not given so"
    advice = "'detail' says what does not fit. GET /v1/statistics/{measure} names what a series can be by."


class NotAnAnswer(Invalid):
    code = "not_an_answer"
    title = "This is no answer that this installation can have given"
    advice = (
        "Send the whole answer of GET /v1/statistics/{measure}, as it was given. 'detail' says which part of it does "
        "not fit: its query, or the signed tree that it names."
    )


class TooManyToDraw(Invalid):
    code = "too_many_to_draw"
    title = "This is more than one picture can show"
    advice = "Ask for less: by a filter such as 'occurred_from', 'kind' or 'area'. 'detail' says how much one may show."


class SeriesTooLong(Invalid):
    code = "series_too_long"
    title = "This series has more points than an answer gives"
    advice = "Ask for less: by a filter such as 'occurred_from', 'kind' or 'area', or by something else."


class FigureSuppressed(Forbidden):
    code = "figure_suppressed"
    title = "What is counted is so little that it could show a person"
    advice = "No role opens this list. The incidents and items themselves are read where they stand, one by one."
