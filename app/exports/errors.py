"""What can keep an export from being made."""

from app.kernel.errors import AppError, Conflict, Forbidden, Invalid


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


class ExportNotReady(Conflict):
    code = "export_not_ready"
    title = "The package is still being made"
    advice = "Read the export again in a moment: 'state' becomes 'ready', or 'failed' with an 'error'."


class ExportFailed(Conflict):
    code = "export_failed"
    title = "The package could not be made"
    advice = "Read the export: 'error' says why. Then ask for a new one; the entries of this one stay."


class ExportErased(AppError):
    code = "export_erased"
    status = 410
    title = "The package was removed"
    advice = "Something in it was erased. Ask for a new package, which holds what is left."


class DisclosureWithheld(Conflict):
    code = "disclosure_withheld"
    title = "Consent to disclose some of this was withdrawn"
    advice = (
        "Take the file with disclose=none, a package without media and disclosures: it proves the same. 'evidence_ids' "
        "and 'testimony_ids' name what is closed; files of single items that are not among them may be disclosed."
    )
