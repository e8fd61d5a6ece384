"""The words of a testimony. Pure."""

from enum import StrEnum


class TestimonyMethod(StrEnum):
    """How it was taken."""

    INTERVIEW_IN_PERSON = "interview_in_person"
    INTERVIEW_REMOTE = "interview_remote"
    WRITTEN_STATEMENT = "written_statement"
    RECORDED_STATEMENT = "recorded_statement"
    THROUGH_ANOTHER = "through_another"
    """Told by somebody to whom the witness spoke."""
