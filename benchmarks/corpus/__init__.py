"""A development corpus of real photographs and videos with known edits, by package name; none is committed."""
