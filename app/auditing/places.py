"""Where what the auditor's interface seals lies besides; ``app.kernel.places``."""

from app.kernel.places import Places

PLACES: Places = {(name, "reason"): () for name in ("export.log_taken", "export.log_made", "export.scheduled")}
