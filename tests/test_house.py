"""The house itself: who imports whom, how long rooms are, what an import costs."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

import crossent

ROOT = Path(crossent.__file__).parent
ROOMS = sorted(path for path in ROOT.rglob("*.py"))

# Any room may import those after it, none before it; names are modules or packages of crossent.
ORDER = [
    ["__main__"],
    ["cli"],
    ["cli_train"],
    ["console"],
    ["demo"],
    ["explain"],
    ["digits"],
    ["train"],
    ["report"],
    ["comparison", "regression"],
    ["engines", "signature"],
    ["verdict"],
    ["description", "drawn"],
    ["results"],
    ["recipes"],
    ["calibration", "estimates"],
    ["statistics"],
    ["tally"],
    ["rule"],
    ["counts", "slices"],
    ["seeds"],
    ["differences"],
    ["series", "sample", "reliability", "extremes", "measures"],
    ["clusters"],
    ["moments", "lint", "digests"],
    ["predictions"],
    ["losses"],
    ["calls"],
    ["nn"],
    ["torch_ops"],
    ["kernels"],
    ["arrays"],
    ["reference"],
    ["options", "files", "runs"],
    ["wording"],
    ["errors"],
    ["__init__"],
]
LEVEL = {room: level for level, rooms in enumerate(ORDER) for room in rooms}

# The ways up, each inside a function: a comparison shows itself, a loss turns to torch once a tensor came.
UP = {("comparison", "report")}


def room_of(module: str) -> str:
    parts = module.split(".")
    return parts[1] if len(parts) > 1 else "__init__"


def imported(path: Path):
    """(module, inside a function) of every import of crossent."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    inside = {id(node) for function in functions for node in ast.walk(function)}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "crossent":
            if node.module == "crossent":
                names = [f"crossent.{alias.name}" for alias in node.names]
            else:
                names = [node.module]
            for name in names:
                yield name, id(node) in inside
        elif isinstance(node, ast.Import):
            for alias in node.names:
                if alias.name.split(".")[0] == "crossent":
                    yield alias.name, id(node) in inside


@pytest.mark.parametrize("path", ROOMS, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_room_imports_only_what_stands_after_it(path):
    own = path.relative_to(ROOT).with_suffix("").parts[0]
    if own == "__init__":
        return  # the public names: lazy, and typed for checkers only
    assert own in LEVEL, f"give {own} a place in the order"
    for module, inside in imported(path):
        other = room_of(module)
        if module == "crossent.__version__":
            continue
        allowed = LEVEL[own] < LEVEL[other] or own == other or (inside and (own, other) in UP)
        assert allowed, f"{own} imports {other}"


@pytest.mark.parametrize("path", ROOMS, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_room_is_longer_than_400_lines_or_without_a_word_on_what_it_is_for(path):
    text = path.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 400
    assert not text.strip() or ast.get_docstring(ast.parse(text))


def test_the_design_has_every_room_in_this_order():
    design = Path(__file__).parents[1] / "docs" / "design.md"
    table = design.read_text(encoding="utf-8").partition("## The rooms")[2].partition("\n## ")[0]
    first = re.findall(r"^\| (`.*?) \|", table, re.MULTILINE)
    named = [room.strip("`/") for cell in first for room in cell.split(", ")]
    assert sorted(named) == sorted(LEVEL.keys() - {"__main__", "__init__"})
    assert [LEVEL[room] for room in named] == sorted(LEVEL[room] for room in named)


def test_torch_and_numba_are_imported_only_in_their_rooms():
    homes = {
        "torch": {"torch_ops", "nn", "train"},
        "numba": {"kernels"},
        "ray": {"engines"},
        "PIL": {"report", "train"},
    }
    homes |= {name: {"report"} for name in ("altair", "vl_convert")} | {"jinja2": {"report", "explain"}}
    homes |= {name: {"train"} for name in ("lightning", "datasets", "safetensors", "tensorboard")}
    for path in ROOMS:
        room = path.relative_to(ROOT).with_suffix("").parts[0]
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = []
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                names = [node.module or ""]
            for name in names:
                library = name.split(".")[0]
                assert room in homes.get(library, {room}), f"{room} imports {library}"


def fresh(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def test_importing_crossent_loads_nothing_heavy():
    heavy = ("numpy", "numba", "torch", "pyarrow", "scipy", "typer", "rich")
    code = f"import sys, crossent; print([name for name in {heavy} if name in sys.modules])"
    assert fresh(code) == "[]"


def test_help_loads_no_library_for_data():
    heavy = ("numpy", "numba", "torch", "pyarrow", "scipy")
    code = f"import sys, crossent.cli; print([name for name in {heavy} if name in sys.modules])"
    assert fresh(code) == "[]"


def test_a_comparison_loads_nothing_that_draws():
    drawing = ("altair", "jinja2", "vl_convert", "PIL", "pandas", "polars")
    code = (
        "import sys, crossent; "
        "print(crossent.compare([[[0.9, 0.1]]], labels=[0], kind='probs').to_json()[:0], "
        f"[name for name in {drawing} if name in sys.modules])"
    )
    assert fresh(code) == "[]"


def test_losses_of_arrays_load_neither_torch_nor_pyarrow():
    code = (
        "import sys, crossent; crossent.softmax([0.9, 0.1]); "
        "print([name for name in ('torch', 'pyarrow') if name in sys.modules])"
    )
    assert fresh(code) == "[]"


@pytest.mark.parametrize("name", crossent.__all__)
def test_every_public_name_is_there_and_documented(name):
    assert getattr(crossent, name).__doc__
    assert name in dir(crossent)


def test_no_module_bears_the_name_of_a_public_function():
    modules = {path.relative_to(ROOT).with_suffix("").parts[0] for path in ROOMS}
    assert not modules & set(crossent.__all__)


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'softmaxx'"):
        crossent.softmaxx  # noqa: B018 the access is what is tested
