"""Exhibit: evidence verification with a custody ledger that an auditor can check offline."""

__version__ = "0.1.0"
