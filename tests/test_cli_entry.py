"""The ``qt`` command itself: light help, late loading, one line per error, exit codes."""

import importlib
import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import click
import pytest

import qt
from qt_core.errors import DataError

ROOT = Path(__file__).resolve().parents[1]
HEAVY = ("numba", "llvmlite", "pandas", "numpy", "pyarrow", "torch", "ccxt", "plotly", "vectorbt", "rich")
PROBE = "import json, sys, qt; code = qt.main({args}); print(json.dumps([code, sorted(sys.modules)]), file=sys.stderr)"


def exists(target: str) -> bool:
    """Whether the module of ``module:attribute`` is there; importing its parents only."""
    try:
        return importlib.util.find_spec(target.partition(":")[0]) is not None
    except ModuleNotFoundError:
        return False


BUILT = [name for name, entry in qt.COMMANDS.items() if exists(entry.target)]


def run_probe(*args: str) -> tuple[int, set[str], str]:
    """Exit code, top-level modules loaded, and stdout of ``qt args`` in a fresh interpreter."""
    command = [sys.executable, "-c", PROBE.format(args=list(args))]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=True)
    code, modules = json.loads(done.stderr.splitlines()[-1])
    return code, {name.partition(".")[0] for name in modules}, done.stdout


@pytest.fixture
def planted(monkeypatch: pytest.MonkeyPatch):
    """Put a command that calls a given function into the table as ``qt planted``."""

    def plant(action):
        command = click.Command("planted", callback=action, params=[click.Option(["--number"], type=int)])
        monkeypatch.setitem(qt.COMMANDS, "planted", qt.Entry("qt:planted", "For tests."))
        monkeypatch.setattr(qt, "planted", command, raising=False)

    return plant


def raiser(error: BaseException):
    def action(number=None):
        raise error

    return action


def test_help_lists_every_command_and_loads_nothing_heavy():
    code, modules, out = run_probe("--help")
    assert code == 0
    assert not modules & set(HEAVY)
    for name, entry in qt.COMMANDS.items():
        assert name in out
        assert entry.help in " ".join(out.split())


@pytest.mark.parametrize("name", BUILT)
def test_help_of_a_command_is_light_too(name):
    code, modules, out = run_probe(name, "--help")
    assert code == 0
    assert out.startswith(f"Usage: qt {name}")
    assert not modules & set(HEAVY)


@pytest.mark.parametrize("name", BUILT)
def test_table_entry_resolves(name):
    assert isinstance(qt.load(name), click.Command)


def test_missing_module_is_one_clear_line(monkeypatch, capsys):
    monkeypatch.setitem(qt.COMMANDS, "later", qt.Entry("research.no_such_module:later", "Not there."))
    assert qt.main(["later"]) == 2
    assert (
        capsys.readouterr().err == "error: qt later is not available: module research.no_such_module does not exist\n"
    )


def test_missing_attribute_is_one_clear_line(monkeypatch, capsys):
    monkeypatch.setitem(qt.COMMANDS, "later", qt.Entry("qt_core.errors:later", "Not there."))
    assert qt.main(["later"]) == 2
    assert "qt_core.errors has no click command named later" in capsys.readouterr().err


def test_unknown_command_suggests(capsys):
    assert qt.main(["bakctest"]) == 2
    assert "unknown command 'bakctest'; did you mean 'backtest'?" in capsys.readouterr().err


def test_unknown_command_without_neighbour_lists_all(capsys):
    assert qt.main(["xyzzy"]) == 2
    assert "expected one of data, backtest" in capsys.readouterr().err


def test_user_error_is_one_line_and_exit_2(planted, capsys):
    planted(raiser(DataError("BTCUSDT bar 7:\n  high below low")))
    assert qt.main(["planted"]) == 2
    assert capsys.readouterr().err == "error: BTCUSDT bar 7: high below low\n"


def test_bad_option_value_is_one_line_and_exit_2(planted, capsys):
    planted(lambda number: None)
    assert qt.main(["planted", "--number", "x"]) == 2
    err = capsys.readouterr().err
    assert err.startswith("error: ")
    assert "(see qt planted --help)" in err
    assert err.count("\n") == 1


def test_missing_file_and_missing_package_are_one_line(planted, capsys):
    planted(raiser(FileNotFoundError(2, "No such file or directory", "configs/x.yaml")))
    assert qt.main(["planted"]) == 2
    assert capsys.readouterr().err == "error: configs/x.yaml: No such file or directory\n"
    planted(raiser(ModuleNotFoundError("No module named 'vectorbt'", name="vectorbt")))
    assert qt.main(["planted"]) == 2
    assert "the package vectorbt is not installed" in capsys.readouterr().err


def test_defect_keeps_its_traceback(planted, monkeypatch):
    planted(raiser(ZeroDivisionError("ours")))
    with pytest.raises(ZeroDivisionError):
        qt.main(["planted"])
    planted(raiser(DataError("shown in full when debugging")))
    monkeypatch.setenv("QT_DEBUG", "1")
    with pytest.raises(DataError):
        qt.main(["planted"])


def test_interrupt_is_130(planted, capsys):
    planted(raiser(KeyboardInterrupt()))
    assert qt.main(["planted"]) == 130
    assert capsys.readouterr().err == "interrupted; nothing was written\n"


def test_exit_code_of_a_command_is_kept(planted):
    planted(raiser(click.exceptions.Exit(3)))
    assert qt.main(["planted"]) == 3


CHATTY = """
import sys, click, qt
qt.COMMANDS["chatty"] = qt.Entry("qt:chatty", "For tests.")
qt.chatty = click.Command("chatty", callback=lambda: [print("x" * 100) for _ in range(100000)])
sys.exit(qt.main(["chatty"]))
"""


def test_broken_pipe_is_quiet():
    command = [sys.executable, "-c", CHATTY]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=ROOT) as run:
        assert run.stdout is not None
        assert run.stderr is not None
        run.stdout.readline()
        run.stdout.close()
        assert run.stderr.read() == b""
        assert run.wait() == qt.EXIT_BROKEN_PIPE


def test_version(capsys):
    from qt_core import __version__

    assert qt.main(["--version"]) == 0
    assert capsys.readouterr().out == f"qt {__version__}\n"


def test_no_arguments_prints_help(capsys):
    assert qt.main([]) == 2
    assert "Commands:" in capsys.readouterr().err
