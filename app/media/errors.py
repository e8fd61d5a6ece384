"""What can be wrong with an item, its bytes or its content's address."""

from app.kernel.errors import AppError, Conflict, Invalid, NotFound, constraint_errors


class ExposureCapReached(Conflict):
    code = "exposure_cap_reached"
    title = "You have seen enough for now"
    advice = (
        "Rest until 'break_ends_at'. Until then blurred previews, metadata and work on what you hold stay open to you; "
        "GET /v1/me/exposure shows what was counted. The case's coordinators set the cap."
    )


class NoGround(Invalid):
    code = "no_ground"
    title = "A lead needs an address or a claim"


class NotRedactable(Conflict):
    code = "not_redactable"
    title = "There is no picture here to be covered"
    advice = (
        "Of an image the picture is covered once its file is decoded; of a recording single frames are: name one with "
        "'frame', as '/frames' numbers them. What cannot be decoded goes out as it is, or not at all."
    )


class BoxOutsidePicture(Invalid):
    code = "box_outside_picture"
    title = "A box leaves the picture"
    advice = "Boxes are given in pixels of the picture as it is displayed, upright; the problem says how large it is."


class RedactionNotReady(Conflict):
    code = "redaction_not_ready"
    title = "The redacted copy is not made yet"
    advice = "Read it again in a moment: 'state' becomes 'done', or 'failed' with an 'error'."


class CollectingUnsafe(Conflict):
    code = "collecting_unsafe"
    title = "Collecting this lead was assessed as unsafe"
    advice = (
        "Do not collect it, and send no file of it. Read the reason: GET /v1/evidence/{id}/assessment. Where it is "
        "safe by now, assess the lead again and say why; else decline it with the reason code 'unsafe_to_collect'."
    )


class NotAssessed(NotFound):
    code = "not_assessed"
    title = "The lead was not assessed"
    advice = "Answer the five questions: PUT /v1/evidence/{id}/assessment. Only leads are assessed."


class AssessmentReasonNeeded(Invalid):
    code = "assessment_reason_needed"
    title = "This answer needs a reason"
    advice = "Add 'reason' to the answer: it is sealed, and read by members of the case."


class ClaimedIntervalReversed(Invalid):
    code = "claimed_interval_reversed"
    title = "The claimed time ends before it begins"


class AcquiredInFuture(Invalid):
    code = "acquired_in_future"
    title = "Acquired later than now"
    advice = (
        "Correct 'acquired_at', with its zone. Where it is right, the clock that it comes from, or the server's, "
        "is wrong."
    )


class UncorrectableField(Invalid):
    code = "uncorrectable_field"
    title = "This field takes no correction, or not this value"


class FileEmpty(Invalid):
    code = "file_empty"
    title = "The file has no bytes"


class DigestMismatch(Invalid):
    code = "digest_mismatch"
    title = "The file that arrived is not the one that was announced"
    advice = "Send the file again: it was damaged on its way, or 'expected_sha256' is another file's."


class PreviewNotReady(NotFound):
    code = "preview_not_ready"
    title = "There is no preview yet"
    advice = "Ask again in a moment: the preview is made after the file is preserved."


class NoPreview(NotFound):
    code = "no_preview"
    title = "No preview can be made of this item"
    advice = "Do not ask again: there will be no preview. The original can still be read, by those who may."


class NoRendering(NotFound):
    code = "no_rendering"
    title = "This item has no such rendering"
    advice = "See GET /v1/evidence/{id}/renderings for those that it has. Only what moves has a strip of frames."


class NoFrame(NotFound):
    code = "no_frame"
    title = "This item has no such frame"
    advice = (
        "See GET /v1/evidence/{id}/frames for those that it has. Where there are none although there is a preview, an "
        "operator has them made: `exhibit fingerprints recompute`."
    )


NOT_LABELLED = "Nobody has said yet what this item shows. Its blurred preview is open to you."


class LabelsMissing(Conflict):
    code = "labels_missing"
    title = "Set the sensitivity labels first"
    advice = (
        "A coordinator sets the labels first (PUT /v1/evidence/{id}/labels), by what is known of the item and its "
        "blurred preview, rather too severe than too mild; then repeat this, a change with the item's new ETag."
    )


class PurposeNeeded(Invalid):
    code = "purpose_needed"
    title = "This is done for a stated purpose"
    advice = "Say why with 'purpose': it stands in the custody entry. The blurred step of a picture needs none."


class ClaimsNotRead(NotFound):
    code = "claims_not_read"
    title = "The file's claims were not read yet"
    advice = "Ask again once 'fingerprint_status' is neither 'pending' nor 'failed': claims are read while decoding."


class NoContent(Conflict):
    code = "no_content"
    title = "The item has no bytes yet"
    advice = "The item is a lead so far: receive its file first (POST /v1/evidence/{id}/content)."


class ContentUnavailable(AppError):
    code = "content_unavailable"
    status = 503
    title = "The storage does not give the bytes just now"
    advice = "Ask again after Retry-After. If it goes on, tell the operator that the storage cannot be read."

    def __init__(self, detail: str = "The storage does not give this file's bytes just now. Try again later.") -> None:
        super().__init__(detail, headers={"Retry-After": "30"})


class ContentAddressInvalid(AppError):
    code = "content_address_invalid"
    status = 403
    title = "The address is not valid, or not any more"
    advice = "Ask for a new address of the content: these expire after minutes, and each is good for one item only."


class ConsentWithdrawn(NotFound):
    """Somebody no longer lets the item be kept and shown. Only members of its case, who could read it, are told so."""

    code = "consent_withdrawn"
    title = "Consent to this was withdrawn"
    advice = (
        "Nothing of it is shown any more. Delete what you keep of it. A coordinator or a custodian of the case carries "
        "the withdrawal out, and records a new consent if there is one."
    )


CONSENT_WITHDRAWN = "It is closed: consent to keep and show it was withdrawn, or is over."

constraint_errors["exhibit_consent_withdrawn"] = ConsentWithdrawn(CONSENT_WITHDRAWN)
constraint_errors["exhibit_collecting_unsafe"] = CollectingUnsafe("Collecting this lead was assessed as unsafe.")
constraint_errors["exhibit_labels_missing"] = LabelsMissing(NOT_LABELLED)
