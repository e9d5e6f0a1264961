"""Everything that is printed: text, JSON, tables, reports."""
