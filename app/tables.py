"""Every module that has tables, imported so that ``Base.metadata`` is complete; migrations compare against it."""

from app.access import models as access
from app.anchors import models as anchors
from app.cases import models as cases
from app.consent import models as consent
from app.erasure import models as erasure
from app.exports import log_models as logs
from app.exports import models as exports
from app.exports import release_models as releases
from app.facts import models as facts
from app.figures import models as figures
from app.fingerprints import models as fingerprints
from app.fingerprints import similar_models as similar
from app.gradings import models as gradings
from app.incidents import models as incidents
from app.ledger import models as ledger
from app.media import models as media
from app.search import models as search
from app.testimonies import models as testimonies
from app.vault import models as vault
from app.verification import key_models as reviewer_keys
from app.verification import models as verification
from app.verification import queue_models as queue

MODULES = (
    *(ledger, anchors, access, cases, media, fingerprints, similar),
    *(consent, vault, incidents, verification, reviewer_keys, queue, gradings, facts, search, testimonies),
    *(figures, exports, logs, releases, erasure),
)
