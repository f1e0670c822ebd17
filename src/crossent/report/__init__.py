"""A `Comparison` as text, Markdown, JSON, rows or an HTML page. Nothing is computed here but layout."""
