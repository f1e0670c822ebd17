"""A hook for MkDocs: puts every field of the JSON Schema into the page on JSON, as tables.

The schema is the one place where fields are described; nothing is written here but tables.
"""

import json
import re
from pathlib import Path
from typing import Any

SCHEMA = Path(__file__).with_name("comparison.schema.json")
_PLACE = "<!-- fields -->"
_ANYWHERE = {"integer": "integer", "number": "number", "string": "text", "boolean": "true or false"}


def on_page_markdown(markdown: str, **_: Any) -> str:
    """The page with the tables in place of its mark; other pages as they are."""
    return markdown.replace(_PLACE, tables()) if _PLACE in markdown else markdown


def tables() -> str:
    """One table for the whole and one for each kind of object in it."""
    schema = json.loads(SCHEMA.read_text(encoding="utf-8"))
    objects = {"": schema, **{name: one for name, one in schema["$defs"].items() if "properties" in one}}
    parts = []
    for name, one in objects.items():
        heading = f"### {_heading(name)}" if name else "### The whole"
        parts += [heading, one.get("description", ""), _table(one, schema)]
        for field, inner in one["properties"].items():
            if "properties" in inner:
                parts += [f"### {_heading(field)}", inner.get("description", ""), _table(inner, schema)]
    return "\n\n".join(part for part in parts if part)


def _table(one: dict[str, Any], schema: dict[str, Any]) -> str:
    lines = ["| field | value | meaning |", "|---|---|---|"]
    for name, field in one["properties"].items():
        meaning = field.get("description") or _definition(field, schema).get("description", "")
        lines.append(f"| `{name}` | {_values(name, field, schema)} | {_escaped(meaning)} |")
    return "\n".join(lines)


def _definition(field: dict[str, Any], schema: dict[str, Any]) -> dict[str, Any]:
    """What a reference refers to."""
    found: dict[str, Any] = schema["$defs"][field["$ref"].rpartition("/")[2]] if "$ref" in field else field
    return found


def _values(name: str, field: dict[str, Any], schema: dict[str, Any]) -> str:
    """What may stand there, in words; an object as a link to its table."""
    if "$ref" in field and "properties" in _definition(field, schema):
        target = field["$ref"].rpartition("/")[2]
        return f"[{_heading(target).lower()}](#{_heading(target).lower().replace(' ', '-')})"
    field = _definition(field, schema)
    if "properties" in field:
        return f"[{_heading(name).lower()}](#{_heading(name).lower().replace(' ', '-')})"
    if "anyOf" in field:
        words = [_values(name, one, schema) for one in field["anyOf"]]
        return " or ".join(dict.fromkeys(words))
    if "enum" in field or "const" in field:
        choices = field.get("enum", [field.get("const")])
        return ", ".join(f"`{json.dumps(choice)}`" for choice in choices)
    if field["type"] == "array":
        return f"list of {_values(name, field['items'], schema)}"
    return "null" if field["type"] == "null" else _ANYWHERE[field["type"]]


def _heading(name: str) -> str:
    return name.replace("_", " ").capitalize()


def _escaped(text: str) -> str:
    return re.sub(r"([|*_<])", r"\\\1", text)
