"""The notebooks, run from top to bottom: what they show is what comes out."""

import re
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

NOTEBOOKS = sorted((Path(__file__).parents[1] / "docs" / "notebooks").glob("*.ipynb"))


def read(path):
    return nbformat.read(path, as_version=4)


def shown(cell):
    """What stands below a cell, in one text; without the version, which every release changes."""
    texts = [
        output.text if output.output_type == "stream" else output.data["text/plain"]
        for output in cell.outputs
        if output.output_type != "error"
    ]
    return re.sub(r"crossent:[\w.]+", "crossent:VERSION", "".join(texts).strip())


def test_there_are_two():
    assert [path.stem for path in NOTEBOOKS] == ["which-is-more-wrong", "which-loss-to-train-on"]


@pytest.mark.parametrize(
    "path",
    [pytest.param(path, marks=[pytest.mark.slow] if "train" in path.stem else []) for path in NOTEBOOKS],
    ids=lambda path: path.stem,
)
def test_a_notebook_shows_what_comes_out(path, tmp_path, monkeypatch):
    # one thread, as training in small steps wants it; no file of a user's Jupyter is read or written
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    monkeypatch.setenv("JUPYTER_PLATFORM_DIRS", "1")
    notebook = read(path)
    committed = [shown(cell) for cell in notebook.cells if cell.cell_type == "code"]
    assert sum(map(bool, committed)) >= 5
    NotebookClient(notebook, timeout=120, resources={"metadata": {"path": str(tmp_path)}}).execute()
    now = [shown(cell) for cell in notebook.cells if cell.cell_type == "code"]
    assert now == committed
    assert sorted(tmp_path.iterdir()) in ([], [tmp_path / "ipython"])


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_is_clean(path):
    notebook, text = read(path), path.read_text(encoding="utf-8")
    nbformat.validate(notebook)
    assert len(text) < 40_000
    assert not re.search(r"/(?:home|root|tmp|Users|usr)/|[A-Z]:\\\\", text)
    assert set(notebook.metadata) == {"kernelspec", "language_info"}
    counts = [cell.execution_count for cell in notebook.cells if cell.cell_type == "code"]
    assert counts == list(range(1, len(counts) + 1))
    for cell in notebook.cells:
        assert not cell.metadata
        assert cell.source == cell.source.strip()
        for output in cell.get("outputs", []):
            assert output.get("name", "stdout") == "stdout"
            assert set(output.get("data", {"text/plain"})) == {"text/plain"}
