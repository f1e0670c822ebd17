"""The documentation: complete against the program, executed where it shows a run, built without a warning."""

import ast
import doctest
import importlib.util
import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import typer.main

import crossent
from crossent.cli import app
from crossent.predictions.columns import PREFIXES
from crossent.predictions.sources import FORMATS
from crossent.report.as_rows import COLUMNS
from golden_cases import CASES

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PAGES = {path.name: path.read_text(encoding="utf-8") for path in sorted(DOCS.glob("*.md"))}
BLOCK = re.compile(r'^( *)```(\w+)(?: title="(.+?)")?\n(.*?)^\1```$', re.DOTALL | re.MULTILINE)


def blocks(page):
    """(language, title, text) of each block of code."""
    for indent, language, title, text in BLOCK.findall(PAGES[page]):
        yield language, title, re.sub(f"^{indent}", "", text, flags=re.MULTILINE)


def rows(page, heading):
    """The tables below a heading, as lists of cells."""
    text = re.search(rf"^#+ {re.escape(heading)}\n(.*?)(?=^## |\Z)", PAGES[page], re.DOTALL | re.MULTILINE)[1]
    lines = re.findall(r"^\| (.*) \|$", text, re.MULTILINE)
    return [re.split(r"(?<!\\) \| ", line) for line in lines]


# Runs


@pytest.fixture
def workplace(tmp_path, monkeypatch):
    """A folder with `crossent` on the path."""
    command = tmp_path / "bin" / "crossent"
    command.parent.mkdir()
    command.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m crossent "$@"\n')
    command.chmod(0o755)
    monkeypatch.setenv("PATH", f"{command.parent}:{os.environ['PATH']}")
    folder = tmp_path / "work"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


def ran(console, folder):
    """The block as it would read if it were run now."""
    said = []
    for command in re.findall(r"^\$ (.*)$", console, re.MULTILINE):
        done = subprocess.run(
            ["bash", "-c", command], cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        said.append(f"$ {command}\n{done.stdout}")
    return "".join(said)


CONSOLE_PAGES = [page for page in PAGES if any(language == "console" for language, *_ in blocks(page))]
PYTHON_PAGES = [
    page
    for page in PAGES
    if page != "recipes.md" and any(language == "python" for language, *_ in blocks(page))
]


def test_there_is_something_to_run():
    assert CONSOLE_PAGES == ["files.md", "index.md"]
    assert PYTHON_PAGES == ["files.md", "functions.md", "index.md", "limits.md", "output.md"]


@pytest.mark.parametrize("page", CONSOLE_PAGES)
def test_console_blocks_show_what_happens(page, workplace):
    for language, title, text in blocks(page):
        if title and language != "text":
            (workplace / title).parent.mkdir(exist_ok=True)
            (workplace / title).write_text(text, encoding="utf-8")
        elif language == "console":
            assert ran(text, workplace) == text


@pytest.mark.parametrize("page", PYTHON_PAGES)
def test_python_blocks_show_what_happens(page, workplace):
    session = "\n".join(text for language, _, text in blocks(page) if language == "python")
    test = doctest.DocTestParser().get_doctest(session, {}, page, page, 0)
    printed = []
    results = doctest.DocTestRunner(verbose=False, optionflags=doctest.NORMALIZE_WHITESPACE).run(
        test, out=printed.append
    )
    assert results.attempted > 1
    assert results.failed == 0, "".join(printed)


@pytest.mark.parametrize("page", PAGES)
def test_titled_text_is_golden_output(page):
    for language, title, text in blocks(page):
        if language == "text" and title:
            golden = (ROOT / "tests" / "golden" / f"{title}.txt").read_text(encoding="utf-8")
            assert f"\n{text}" in f"\n{golden}", f"{page}: not in tests/golden/{title}.txt:\n{text}"


def test_reading_the_output_goes_by_the_golden_outputs():
    shown = {title for _, title, _ in blocks("output.md") if title}
    assert shown <= set(CASES)
    left_out = set(CASES) - shown
    assert left_out <= {"worked_example", "both_infinite", "worse_by_squared_error"}


# Options


def options(name, command):
    """Each option's spellings, what it takes, its default, and its help, as the program's own help has them."""
    context = command.make_context(name, [], resilient_parsing=True)
    for option in command.get_params(context):
        if option.param_type_name == "option":
            spelling, said = option.get_help_record(context)
            takes = re.sub(r"--?[\w-]+,? ?", "", spelling, count=len(option.opts))
            said, _, default = said.removesuffix("  [required]").partition("  [default: ")
            yield option.opts, takes, default.removesuffix("]"), said


COMMANDS = typer.main.get_command(app)
OPTIONS = {"crossent": list(options("crossent", COMMANDS))} | {
    f"crossent {name}": list(options(name, command)) for name, command in COMMANDS.commands.items()
}


@pytest.mark.parametrize("command", OPTIONS)
def test_every_option_stands_in_the_documentation(command):
    described = {}
    for first, meaning in rows("options.md", command):
        for spelling in re.findall(r"`(-[^`]+)`", first):
            name, _, takes = spelling.replace(r"\|", "|").partition(" ")
            described[name] = takes, meaning
    wanted = set()
    for names, takes, default, said in OPTIONS[command]:
        assert said.endswith("."), f"{names} has no help"
        if "--help" in names and command != "crossent":
            continue  # it is described once
        for name in names:
            assert name in described, f"docs/options.md does not describe {command} {name}"
        wanted.update(names)
        shown, meaning = described[names[0]]
        assert meaning.endswith(".")
        if takes.startswith("<") and "|" in takes:  # one of several words
            assert shown == takes.strip("<>")
            assert not default or f"`{default}`" in meaning
        else:
            assert shown == (default or takes)
    assert described.keys() == wanted, "docs/options.md describes what is not there"


def test_every_command_has_its_heading():
    headings = re.findall(r"^## (.+)$", PAGES["options.md"], re.MULTILINE)
    assert headings == list(OPTIONS)


# Columns and formats


def test_every_column_stands_in_the_documentation():
    described = [name for cells in rows("files.md", "Columns") for name in named(cells[0])]
    wanted = [*PREFIXES, *(f"{prefix}<class>" for prefix in PREFIXES.values())]
    wanted += ["id", "label", "label_<class>", "weight", "image", "classes"]
    assert sorted(described) == sorted(wanted)


def named(cell):
    """The names in a cell that holds nothing else."""
    return re.findall(r"`([^`]+)`", cell) if re.fullmatch(r"(`[^`]+`(, )?)+", cell) else []


def test_every_format_stands_in_the_documentation():
    described = re.findall(r"`(\.[\w.]+)`", " ".join(cells[1] for cells in rows("files.md", "Formats")))
    assert set(described) == set(FORMATS)


def test_every_column_of_the_csv_stands_in_the_documentation():
    described = re.findall(r"`(\w+)`", " ".join(cells[0] for cells in rows("json.md", "CSV")))
    assert described == list(COLUMNS)


# Fields of the JSON


@pytest.fixture(scope="module")
def json_page():
    """The page on JSON as it is built."""
    spec = importlib.util.spec_from_file_location("json_fields", DOCS / "json_fields.py")
    hook = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(hook)
    return hook.on_page_markdown(PAGES["json.md"])


def test_the_page_on_json_describes_every_field_of_an_output(json_page):
    tables = dict(re.findall(r"^### (.+?)\n(.*?)(?=^##|\Z)", json_page, re.DOTALL | re.MULTILINE))
    described = {title: re.findall(r"^\| `(\w+)` \|", text, re.MULTILINE) for title, text in tables.items()}
    known = {tuple(sorted(names)) for names in described.values()}
    assert len(known) > 15

    def look(value):
        if isinstance(value, dict):
            assert tuple(sorted(value)) in known, f"no table has the fields {sorted(value)}"
            for inner in value.values():
                look(inner)
        elif isinstance(value, list):
            for inner in value:
                look(inner)

    for case in CASES.values():
        look(json.loads(case().to_json()))
    empty = re.findall(r"^\| `\w+` \| *\|.*|.*\| *\|$", json_page, re.MULTILINE)
    assert empty == [], "fields without a value or a meaning"


def test_links_within_the_page_on_json_lead_somewhere(json_page):
    headings = re.findall(r"^### (.+)$", json_page, re.MULTILINE)
    assert len(headings) == len(set(headings))
    for target in re.findall(r"\]\(#(.+?)\)", json_page):
        assert target in [heading.lower().replace(" ", "-") for heading in headings]


# Messages


def sentences(*rooms):
    """What the constants of these rooms say, the parts of one string joined; what is filled in is a mark."""
    said = []
    for path in rooms:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.JoinedStr):
                said.append(
                    "".join(
                        getattr(part, "value", "\0") if isinstance(part, ast.Constant) else "\0"
                        for part in node.values
                    )
                )
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                said.append(node.value)
    return said


PACKAGE = Path(crossent.__file__).parent


@pytest.mark.parametrize("heading", ["What is refused", "What only looks wrong"])
def test_messages_are_quoted_as_they_are(heading):
    said = sentences(PACKAGE / "lint.py", PACKAGE / "slices.py", *(PACKAGE / "predictions").glob("*.py"))
    quoted = [cells[0].strip("`") for cells in rows("files.md", heading)[1:]]
    assert len(quoted) > 8
    for words in quoted:
        assert any(words in sentence for sentence in said), f"no message says {words!r}"


def test_every_warning_is_quoted():
    """A warning is what `lint` puts together with values, apart from the few words it builds others of."""
    quoted = [cells[0].strip("`") for cells in rows("files.md", "What only looks wrong")[1:]]
    said = [
        sentence for sentence in sentences(PACKAGE / "lint.py") if "\0" in sentence and len(sentence) > 25
    ]
    assert len(said) >= len(quoted) - 1
    for sentence in said:
        assert any(words in sentence for words in quoted), f"docs/files.md does not quote {sentence!r}"


# Functions


def test_every_public_name_stands_in_the_documentation():
    named = re.findall(r"^::: crossent\.(\w+)$", PAGES["functions.md"], re.MULTILINE)
    assert sorted(named) == crossent.__all__


# The whole


def test_no_page_is_left_out():
    listed = re.findall(
        r": ([\w/-]+\.(?:md|ipynb))$", (ROOT / "mkdocs.yml").read_text(encoding="utf-8"), re.MULTILINE
    )
    there = [str(path.relative_to(DOCS)) for path in (*DOCS.glob("*.md"), *DOCS.glob("notebooks/*.ipynb"))]
    assert sorted(listed) == sorted(there)


def test_the_site_is_built_without_a_warning(tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", tmp_path],
        cwd=ROOT,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1", "JUPYTER_PLATFORM_DIRS": "1"},
        capture_output=True,
        encoding="utf-8",
    )
    assert done.returncode == 0, done.stderr
    assert "WARNING" not in done.stderr
    functions = (tmp_path / "functions" / "index.html").read_text(encoding="utf-8")
    for name in crossent.__all__:
        assert f'id="crossent.{name}"' in functions
    assert "Student" in (tmp_path / "statistics" / "index.html").read_text(encoding="utf-8")
    assert (tmp_path / "comparison.schema.json").read_bytes() == (
        DOCS / "comparison.schema.json"
    ).read_bytes()
    assert not list(tmp_path.glob("*.py"))
    for page in tmp_path.rglob("*.html"):  # opened from a disk without a network, a page is whole
        text = page.read_text(encoding="utf-8")
        assert not re.findall(r'<(?:script|link|img|iframe)[^>]+(?:src|href)="(?:https?:)?//', text), page
