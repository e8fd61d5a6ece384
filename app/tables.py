"""Every module that has tables, imported so that ``Base.metadata`` is complete; migrations compare against it."""

from app.access import models as access
from app.cases import models as cases
from app.ledger import models as ledger

MODULES = (ledger, access, cases)
