"""Every module that has tables, imported so that ``Base.metadata`` is complete; migrations compare against it."""

from app.ledger import models as ledger

MODULES = (ledger,)
