"""A `Comparison` as text, Markdown, JSON or rows. Nothing is computed here but layout."""
