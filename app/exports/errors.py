"""What can keep an export from being made."""

from app.kernel.errors import AppError, Forbidden, Invalid


class OwnActsOnly(Forbidden):
    code = "own_acts_only"
    title = "Your role shows you your own acts alone"
    advice = (
        "Read your own acts as pages, without '/file'; or have somebody take the file whose role shows them all acts."
    )


class CsvDisclosesNothing(Invalid):
    """What opens a sealed field proves itself only beside its entry, which a table does not hold."""

    code = "csv_discloses_nothing"
    title = "Sealed fields are opened in the JSON Lines file alone"
    advice = "Take the file as JSON Lines, or as CSV with disclose=none."


class CheckpointPending(AppError):
    """The entries are written, and no signed checkpoint covers them yet."""

    code = "checkpoint_pending"
    status = 503
    title = "The ledger has not signed these entries yet"
    advice = "Ask again in a few seconds. If it goes on, the integrator is not running: tell the operator."

    def __init__(self, detail: str) -> None:
        super().__init__(detail, headers={"Retry-After": "5"})


class StreamsKeepChanging(AppError):
    """New streams joined while the export locked them, several times in a row."""

    code = "streams_keep_changing"
    status = 503
    title = "The case is changing too fast just now"
    advice = "Ask again in a moment, when fewer people are writing in the case."

    def __init__(self, detail: str) -> None:
        super().__init__(detail, headers={"Retry-After": "2"})
