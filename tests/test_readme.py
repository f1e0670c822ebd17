"""The README's examples, executed: what it shows is what comes out."""

import doctest
import re
import subprocess
import sys
from pathlib import Path

import pytest

README = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")


def blocks(language):
    return re.findall(rf"^```{language}\n(.*?)^```$", README, re.DOTALL | re.MULTILINE)


def test_python_examples(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    session = "\n".join(blocks("python"))
    assert session.count(">>>") > 5
    test = doctest.DocTestParser().get_doctest(session, {}, "README.md", "README.md", 0)
    printed = []
    results = doctest.DocTestRunner(verbose=False).run(test, out=printed.append)
    assert results.failed == 0, "".join(printed)


def test_console_examples(tmp_path):
    (nn1,) = blocks("csv")
    (tmp_path / "nn1.csv").write_text(nn1)
    nn2 = (
        nn1.replace("0.9,0.1", "0.6,0.4", 1)
        .replace("0.1,0.9", "0.3,0.7")
        .replace("dog,0.4,0.6", "dog,0.1,0.9")
    )
    (tmp_path / "nn2.csv").write_text(nn2)
    (console,) = blocks("console")
    _, command, expected = re.fullmatch(
        r"\$ pip install (\S+)\n\$ crossent (.*?)\n(.*)", console, re.DOTALL
    ).groups()
    done = subprocess.run(
        [sys.executable, "-m", "crossent", *command.split()],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == expected


def test_the_first_screen_holds_the_problem_the_table_and_two_commands():
    first = "\n".join(README.splitlines()[:35])
    assert first.count("\n$ ") == 2
    assert "which of them do you take" in first.lower()
    assert "cross-entropy 1.06 against 0.38" in first


@pytest.mark.parametrize("link", sorted(set(re.findall(r"\]\(([^)#]+?)\)", README))))
def test_links_lead_somewhere(link):
    assert (Path(__file__).parents[1] / link).exists()
