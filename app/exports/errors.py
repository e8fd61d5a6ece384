"""What can keep an export from being made."""

from app.kernel.errors import AppError, Conflict, Forbidden, Invalid, NotFound, constraint_errors


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


class RedactionsMissing(Conflict):
    code = "redactions_missing"
    title = "Some items have no redacted copy"
    advice = (
        "'evidence_ids' names them: have a copy made of each, POST /v1/evidence/{id}/redactions, and look at it; or "
        "take a package without them, or without media."
    )


class MediaQuarantined(Conflict):
    code = "media_quarantined"
    title = "Some of its files lie in quarantine by now"
    advice = "Ask for a new package: what lies in quarantine stays there. 'evidence_ids' names the items."


class ApprovalNeeded(Conflict):
    code = "approval_needed"
    title = "In this case another person approves what goes out"
    advice = (
        "Take the file with disclose=none, or ask for a package with these disclosures, POST /v1/exports, which "
        "another person approves."
    )


class ExportAwaitsApproval(Conflict):
    code = "export_awaits_approval"
    title = "Nobody has approved this package yet"
    advice = "Another coordinator, researcher or custodian of the case decides: POST /v1/exports/{id}/decision."


class ExportRefusedBefore(Conflict):
    code = "export_refused"
    title = "The package was refused"
    advice = "Nothing of it was made. Its custody entry has the reason. Ask for another one if that can be met."


class ExportAlreadyDecided(Conflict):
    code = "export_already_decided"
    title = "There is nothing to be decided about this package"
    advice = "Read the export: it was decided about before, or the case's policy asked for no approval."


class ExportNeedsAnother(Forbidden):
    """Who asked may refuse their own request, to take it back, and never approve it."""

    code = "export_needs_another"
    title = "Who asked does not approve"
    advice = "Ask another coordinator, researcher or custodian of the case. No role lets the one who asked do so."


class NotReleasable(Conflict):
    code = "not_releasable"
    title = "Something stands in the way of this release"
    advice = (
        "'obstacles' names each check that failed, and of what. Put it right in the case, then have a new package "
        "made: a package shows what stood when it was asked for."
    )


class ReleasedBefore(Conflict):
    code = "released_before"
    title = "This package was released before"
    advice = "Read it: GET /v1/releases?case_id=…. A release never changes; a newer state is a new package."


class FigureDoesNotVerify(Conflict):
    code = "figure_does_not_verify"
    title = "A figure is not what is answered now"
    advice = "'figures' names each by its number, with what differs. Ask it anew, and pin that answer."


class TransferUnknown(NotFound):
    code = "transfer_unknown"
    title = "No transfer has this token"
    advice = "Copy the token whole, as it came with the package; or ask those who gave it for a new one."


class TransferEnded(Conflict):
    code = "transfer_ended"
    title = "This transfer was accepted or revoked before"
    advice = "A receipt is given once. Ask those who sent the package, if it was not you."


class TransferExpired(AppError):
    code = "transfer_expired"
    status = 410
    title = "The time for this receipt is over"
    advice = "Ask those who sent the package for a new token."


class ReceiptDigestDiffers(Conflict):
    code = "receipt_digest_differs"
    title = "You have another file than the one that was handed over"
    advice = (
        "Compute it again over the whole zip: sha256sum FILE.zip. If it differs still, do not accept: ask for it anew."
    )


class ReceiptSignatureInvalid(Conflict):
    code = "receipt_signature_invalid"
    title = "The receipt is not signed as it was agreed"
    advice = (
        "Sign the exact bytes of 'statement' with the key that was named: openssl pkeyutl -sign -rawin -inkey KEY.pem "
        "-in statement | base64 -w0"
    )


class PolicyChangedMeanwhile(Conflict):
    code = "policy_changed_meanwhile"
    title = "The case's policy was changed at this moment"
    advice = "Ask again."


ANOTHER_PERSON = ExportNeedsAnother("You asked for this package: another person approves it, or refuses.")

constraint_errors["ck_exports_second_person"] = ANOTHER_PERSON
constraint_errors["exhibit_export_decided_once"] = ExportAlreadyDecided("Nothing was changed by you.")
constraint_errors["uq_releases_export"] = ReleasedBefore("Somebody released it at this moment.")
constraint_errors["exhibit_release_of_ready_export"] = ExportNotReady("It is not ready any more.")
constraint_errors["exhibit_transfer_begins"] = ExportNotReady("It is not ready any more.")
constraint_errors["exhibit_transfer_ends_once"] = TransferEnded("Nothing was changed by you.")
constraint_errors["exhibit_transfer_confirmed"] = TransferExpired("Its time was over at this moment.")
constraint_errors["exhibit_export_as_policy"] = PolicyChangedMeanwhile("Nothing was asked for.")
constraint_errors["exhibit_export_taken_when_ready"] = ExportNotReady("It is not ready, or not approved.")


class ExportFailed(Conflict):
    code = "export_failed"
    title = "The package could not be made"
    advice = "Read the export: 'error' says why. Then ask for a new one; the entries of this one stay."


class ExportErased(AppError):
    code = "export_erased"
    status = 410
    title = "The package was removed"
    advice = "Something in it was erased. Ask for a new package, which holds what is left."


class TestimoniesStayClosed(Forbidden):
    code = "testimonies_stay_closed"
    title = "What witnesses said is not opened to your role"
    advice = (
        "Take the custody log with disclose=none, or items' logs by themselves; of a package name the fields to open, "
        "without those of testimonies and consents, which 'fields' lists. It proves the same."
    )


class ExportExpired(AppError):
    code = "export_expired"
    status = 410
    title = "The package's time is over"
    advice = "Ask for a new package: it shows what the log holds now. Copies that were taken verify as before."


class NoRoomForPackage(AppError):
    code = "no_room_for_package"
    status = 507
    title = "There is no room for this package"
    advice = "Ask for one without media, or of fewer items; or tell the operator. Nothing was asked for."


class DisclosureWithheld(Conflict):
    code = "disclosure_withheld"
    title = "Consent to disclose some of this was withdrawn"
    advice = (
        "Take the file with disclose=none, a package without media and disclosures: it proves the same. 'evidence_ids' "
        "and 'testimony_ids' name what is closed; files of single items that are not among them may be disclosed."
    )
