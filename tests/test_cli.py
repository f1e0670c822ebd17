"""The command as a user meets it: whole stdout, stderr and exit code, in a process of its own."""

import contextlib
import json
import os
import pty
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from crossent import __version__
from test_comparison import TABLE, csv_by_hand

COMMAND = [sys.executable, "-m", "crossent"]


def run(*arguments, cwd=None, **options):
    done = subprocess.run(
        [*COMMAND, *map(str, arguments)], capture_output=True, text=True, cwd=cwd, check=False, **options
    )
    return done.returncode, done.stdout, done.stderr


@pytest.fixture
def worked(tmp_path):
    csv_by_hand(tmp_path)
    return tmp_path


@pytest.fixture
def clear(tmp_path):
    """Two files of which the second is clearly worse."""
    rng = np.random.default_rng(1)
    labels = rng.integers(0, 3, 300)
    good = rng.normal(size=(300, 3)) + 3 * np.eye(3)[labels]
    np.savez(tmp_path / "good.npz", logits=good, labels=labels)
    np.savez(tmp_path / "bad.npz", logits=good + 2 * rng.normal(size=(300, 3)), labels=labels)
    return tmp_path


def test_the_worked_example(worked):
    code, out, err = run("compare", "NN1.csv", "NN2.csv", cwd=worked)
    assert (code, err) == (0, "")
    assert out.startswith(TABLE.format(pairing="id"))
    assert re.search(r"ids:[0-9a-f]{4}…\|labels:[0-9a-f]{4}…\n$", out)


def test_show_prints_every_example(worked):
    _, out, _ = run("compare", "NN1.csv", "NN2.csv", "--show", cwd=worked)
    assert "3         1 0                  0.4 0.6   0.7200          0.9163          0.1 0.9   1.6200" in out


def test_show_says_when_there_are_too_many(clear):
    code, _, err = run("compare", "good.npz", "--show", cwd=clear)
    assert (code, err) == (0, "--show prints up to 20 examples; these are 300\n")


@pytest.mark.parametrize("format", ["json", "csv", "markdown"])
def test_formats_print_nothing_but_the_result(format, worked):
    code, out, err = run("compare", "NN1.csv", "NN2.csv", "--format", format, cwd=worked)
    assert (code, err) == (0, "")
    start = {"json": '{\n  "schema": 1,', "csv": "model,minus,measure,value,", "markdown": "**Same number of"}
    assert out.startswith(start[format])


def test_json_goes_to_a_file_beside_the_table(worked):
    code, out, _ = run("compare", "NN1.csv", "NN2.csv", "--json", "out.json", cwd=worked)
    assert code == 0
    assert out.startswith("3 examples")
    assert json.loads((worked / "out.json").read_text())["examples"] == 3
    assert sorted(path.name for path in worked.iterdir()) == ["NN1.csv", "NN2.csv", "out.json"]


def test_a_json_file_that_cannot_be_written_is_one_sentence(worked):
    code, out, err = run("compare", "NN1.csv", "--json", "no/such/folder.json", cwd=worked)
    assert (code, out) == (1, "")
    assert err == "crossent: no/such: no such folder\n"


@pytest.mark.parametrize(
    ("gate", "code"),
    [
        (["good.npz", "bad.npz", "--fail-if-worse"], 3),
        (["bad.npz", "good.npz", "--fail-if-worse"], 0),
        (["good.npz", "good.npz", "--fail-if-worse"], 0),
        (["good.npz", "bad.npz", "--fail-if-worse", "--margin", "50"], 0),
        (["good.npz", "bad.npz", "--fail-if-worse", "--measure", "classification_error"], 3),
        (["good.npz", "bad.npz", "--fail-unless-as-good", "--margin", "0.01"], 3),
        (["bad.npz", "good.npz", "--fail-unless-as-good", "--margin", "0.01"], 0),
        (["good.npz", "bad.npz", "--fail-unless-as-good"], 2),
        (["good.npz", "--fail-if-worse"], 2),
    ],
)
def test_gates(gate, code, clear):
    got, out, err = run("compare", *gate, cwd=clear)
    assert got == code, err
    assert bool(out) == (code != 2)
    said = "bad is worse than good" if "--fail-if-worse" in gate else "bad is not shown to be as good as good"
    assert (f"{said}\n" in err) == (code == 3)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["compare"], "Missing argument"),
        (["compare", "NN1.csv", "--measure", "accuracy"], "'accuracy' is not one of"),
        (["compare", "NN1.csv", "--confidence", "95"], "confidence is 95.0; it must lie between 0 and 1"),
        (["compare", "NN1.csv", "--memory", "much"], "'much' is no size; write it like 500MB or 2GB"),
        (["compare", "NN1.csv", "--threads", "0"], "threads is 0; it must be 1 or more"),
        (["nonsense"], "No such command 'nonsense'"),
    ],
)
def test_usage_errors_exit_2(arguments, sentence, worked):
    code, out, err = run(*arguments, cwd=worked)
    assert (code, out) == (2, "")
    assert sentence in err
    assert "Traceback" not in err


def test_a_wrong_file_is_one_line_and_exit_1(worked):
    (worked / "NN2.csv").write_text(
        "id,label,prob_dog,prob_cat\n1,dog,0.6,abc\n2,cat,0.3,0.7\n3,dog,0.1,0.9\n"
    )
    code, out, err = run("compare", "NN1.csv", "NN2.csv", cwd=worked)
    assert (code, out) == (1, "")
    assert err.startswith("crossent: NN2.csv, row 1, column prob_cat: ")
    assert "abc" in err
    assert err.count("\n") == 1


def test_warnings_go_to_stderr(worked):
    code, _, err = run("compare", "a=NN1.csv", "b=NN1.csv", cwd=worked)
    assert (code, err) == (0, "warning: a and b are the same predictions\n")


def test_a_reader_that_has_enough_is_no_error(clear):
    first = subprocess.Popen(
        [*COMMAND, "compare", "good.npz", "bad.npz", "--format", "json"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=clear,
    )
    first.stdout.close()
    err = first.stderr.read()
    first.stderr.close()
    first.wait()
    assert b"Traceback" not in err
    assert b"Exception" not in err


def test_version_help_and_completion():
    assert run("--version") == (0, f"crossent {__version__}\n", "")
    code, out, _ = run("compare", "--help")
    assert code == 0
    for option in (
        "--labels",
        "--kind",
        "--classes",
        "--id",
        "--label",
        "--label-is",
        "--measure",
        "--margin",
    ):
        assert option in out
    assert "--install-completion" in run("--help")[1]


def test_every_option_has_help():
    import typer

    from crossent.cli import app

    for command in typer.main.get_command(app).commands.values():
        assert command.help
        for parameter in command.params:
            assert parameter.name == "help" or parameter.help, f"{command.name} {parameter.name}"


def big_files(folder, rows=3_000_000):
    rng = np.random.default_rng(0)
    logits = rng.normal(size=(rows, 4)).astype(np.float32)
    np.savez(folder / "big.npz", logits=logits, labels=rng.integers(0, 4, rows))
    return folder / "big.npz"


def test_a_progress_bar_is_drawn_on_a_terminal_only(tmp_path):
    big = big_files(tmp_path, 8_000_000)
    assert run("compare", big)[2] == ""
    ours, theirs = pty.openpty()
    arguments = [*COMMAND, "compare", str(big), "--threads", "1"]
    done = subprocess.Popen(
        arguments, stdout=subprocess.PIPE, stderr=theirs, env={**os.environ, "TERM": "xterm"}
    )
    os.close(theirs)
    drawn = b""
    while True:
        try:
            drawn += os.read(ours, 65536)
        except OSError:  # the other end is closed
            break
    out = done.stdout.read()
    done.stdout.close()
    assert done.wait() == 0
    assert out.startswith(b"8,000,000 examples")
    assert re.search(rb"examples, [\d,]+ a second", drawn)


def open_files(process):
    files = set()
    for link in Path(f"/proc/{process}/fd").iterdir():
        with contextlib.suppress(OSError):  # closed meanwhile
            files.add(link.readlink())
    return files


def test_an_interrupt_is_one_sentence(tmp_path):
    big = big_files(tmp_path)
    arguments = [*COMMAND, "compare", str(big), str(big), "--json", str(tmp_path / "out.json")]
    running = subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    while running.poll() is None and big not in open_files(running.pid):
        time.sleep(0.01)
    running.send_signal(signal.SIGINT)
    out, err = running.communicate()
    assert (running.returncode, out, err) == (130, b"", b"crossent: interrupted\n")
    assert not (tmp_path / "out.json").exists()


LOSING = """
import signal, sys
from crossent import comparison
from crossent.cli import main

class Going:
    def __del__(self):
        signal.raise_signal(signal.SIGINT)

def losing(*given, real=comparison.opened, **options):
    Going()
    return real(*given, **options)

comparison.opened = losing
sys.argv = ["crossent", "compare", "NN1.csv", "--json", "out.json"]
main()
"""


def test_an_interrupt_that_python_drops_is_heard_all_the_same(worked):
    done = subprocess.run([sys.executable, "-c", LOSING], capture_output=True, text=True, cwd=worked)
    assert "Exception ignored in: <function Going.__del__" in done.stderr
    assert (done.returncode, done.stdout, done.stderr.splitlines()[-1]) == (130, "", "crossent: interrupted")
    assert not (worked / "out.json").exists()


def test_an_interrupt_that_is_ignored_stays_so(worked):
    """As it is where a script starts a command in the background."""
    ignoring = "import signal; signal.signal(signal.SIGINT, signal.SIG_IGN)\n" + LOSING
    done = subprocess.run([sys.executable, "-c", ignoring], capture_output=True, text=True, cwd=worked)
    assert (done.returncode, done.stderr) == (0, "")
    assert (worked / "out.json").exists()


def test_names_come_before_the_first_equals_sign(worked):
    _, out, _ = run("compare", "first net=NN1.csv", "second=NN2.csv", cwd=worked)
    assert "\nfirst net " in out
    assert "\nsecond " in out
