"""Finding a case's incidents and items: by words in any script, marks, places and times. docs/search.md."""
