"""Who has read one module file can read all: same names, same order, numbers with bounds; and who may write State."""

import ast
import inspect
import math
from pathlib import Path
from types import ModuleType

import pytest

import qt_core
from qt_core import state
from qt_core.config import SECTIONS, load_config
from qt_core.registry import MODULES, SUPPORTS, by_number

ROOT = Path(qt_core.__file__).parent
BUILT = [m for m in (*MODULES, *SUPPORTS) if m.kind != "model"]  # models are no kernels: tests/agents
NAMES = [m.name for m in BUILT]
HOMES = ("signal", "context", "selection", "sizing", "risk", "position", "execution")  # folders of module files
NOT_MODULES = {"signal/tape.py", "signal/rules.py", "signal/barriers.py"}  # tape, stand-in for models, labels

# Who may assign to State, and why.
WRITERS = {
    "pipeline.py": "the three entries",
    "stages": "the steps the entries are made of",
    "state.py": "makes, copies and restores it",
    "tables.py": "begins with learned tables",
    "engine/sweeping.py": "puts a trial back to the state before the first bar",
    "engine/skip.py": "passes over idle bars as the stages would; tests/engine compares byte for byte",
}


def source_of(module: ModuleType) -> ast.Module:
    return ast.parse(inspect.getsource(module))


def public_order(module: ModuleType) -> list[tuple[str, str]]:
    """(kind, name) of the public definitions at the top level, in the order of the file."""
    out = []
    for node in source_of(module).body:
        if isinstance(node, ast.Assign | ast.AnnAssign):
            target = node.targets[0] if isinstance(node, ast.Assign) else node.target
            out += [("value", n.id) for n in ast.walk(target) if isinstance(n, ast.Name)]
        elif isinstance(node, ast.ClassDef):
            out.append(("class", node.name))
        elif isinstance(node, ast.FunctionDef):
            out.append(("kernel" if _is_kernel(node) else "function", node.name))
    return [(kind, name) for kind, name in out if not name.startswith("_")]


def _is_kernel(node: ast.FunctionDef) -> bool:
    return any(isinstance(d, ast.Name) and d.id in ("kernel", "entry") for d in node.decorator_list)


@pytest.mark.parametrize("row", BUILT, ids=NAMES)
def test_version_params_bounds_choices_kernels_in_this_order(row):
    order = public_order(row.load())
    names = [name for _, name in order]
    places = [names.index(n) for n in ("VERSION", "Params", "BOUNDS", "CHOICES")]
    assert places == sorted(places)
    kernels = [k for k, (kind, _) in enumerate(order) if kind == "kernel"]
    assert kernels, "a module without a kernel"
    assert kernels[0] > places[-1]
    assert not [name for kind, name in order if kind == "function"], "a function that is no kernel"
    assert isinstance(row.version, int)
    assert row.version >= 1


@pytest.mark.parametrize("row", BUILT, ids=NAMES)
def test_params_are_numbers_with_a_default_within_bounds(row):
    module = row.load()
    defaults = module.Params._field_defaults
    assert set(defaults) == set(module.Params._fields), "a parameter without a default"
    for name, value in defaults.items():
        assert type(value) in (int, float), f"{name} is {type(value).__name__}"
        assert module.Params.__annotations__[name] is type(value), name
        if name == "mode":
            assert value in (0, 1, 2, 3)
        elif name in module.CHOICES:
            assert 0 <= value < len(module.CHOICES[name])
        else:
            low, high = module.BOUNDS[name]
            assert math.isfinite(low)
            assert math.isfinite(high)
            assert low <= value <= high, name
    unknown = (set(module.BOUNDS) | set(module.CHOICES)) - set(module.Params._fields)
    assert not unknown, f"bounds of parameters that do not exist: {unknown}"
    assert not set(module.BOUNDS) & set(module.CHOICES)


@pytest.mark.parametrize("row", BUILT, ids=NAMES)
def test_a_kernel_writes_nothing_and_names_its_source(row):
    module = row.load()
    assert "SPEC" in (module.__doc__ or ""), "the docstring does not name its section of SPEC"
    for node in ast.walk(source_of(module)):
        if isinstance(node, ast.FunctionDef) and _is_kernel(node):
            assert ast.get_docstring(node), f"{node.name} has no docstring"
            written = [t for n in ast.walk(node) for t in _targets(n) if isinstance(t, ast.Attribute | ast.Subscript)]
            assert not written, f"{node.name} writes {ast.unparse(written[0])}"
            assert not any(isinstance(n, ast.Raise) for n in ast.walk(node)), f"{node.name} raises"


def test_every_module_file_is_in_the_registry():
    files = {p.relative_to(ROOT).as_posix() for home in HOMES for p in (ROOT / home).glob("*.py")}
    listed = {m.file.replace(".", "/") + ".py" for m in BUILT}
    assert {f for f in files if not f.endswith("__init__.py")} - NOT_MODULES == listed


def test_the_registry_numbers_spec_from_1_to_24():
    assert [m.number for m in MODULES] == list(range(1, 25))
    assert by_number(17).name == "risk_os"
    with pytest.raises(KeyError, match="no module 25"):
        by_number(25)


def test_every_built_module_is_a_section_of_the_configuration():
    configured = {entry[0] for entry in SECTIONS.values()}
    assert {m.load().Params for m in BUILT} <= configured
    assert load_config({}).params()._fields == tuple(SECTIONS)


# --- who writes State ------------------------------------------------------------------------------------------------


def _targets(node: ast.AST) -> list[ast.expr]:
    if isinstance(node, ast.Assign):
        return [t for target in node.targets for t in _flat(target)]
    if isinstance(node, ast.AugAssign | ast.AnnAssign):
        return _flat(node.target)
    return []


def _flat(target: ast.expr) -> list[ast.expr]:
    if isinstance(target, ast.Tuple | ast.List):
        return [t for item in target.elts for t in _flat(item)]
    return [target]


def _root(node: ast.expr) -> str:
    while isinstance(node, ast.Attribute | ast.Subscript | ast.Call):
        node = node.func if isinstance(node, ast.Call) else node.value
    return node.id if isinstance(node, ast.Name) else ""


def state_writes(tree: ast.Module) -> list[str]:
    """Assignments to ``state`` or to a record taken out of it, by function."""
    found = []
    for function in [n for n in ast.walk(tree) if isinstance(n, ast.FunctionDef)]:
        held = {a.arg for a in function.args.args if a.arg == "state"}
        for node in ast.walk(function):
            if (
                isinstance(node, ast.Assign)
                and isinstance(node.targets[0], ast.Name)
                and _holds_state(node.value, held)
            ):
                held.add(node.targets[0].id)
        for node in ast.walk(function):
            for t in _targets(node):
                if isinstance(t, ast.Attribute | ast.Subscript) and _holds_state(t, held):
                    found.append(f"{function.name}: {ast.unparse(t)}")
    return found


def _holds_state(node: ast.expr, held: set[str]) -> bool:
    text = ast.unparse(node)
    return _root(node) in held or ".state." in text or text.endswith(".state")


def test_state_is_written_by_the_entries_alone():
    writers = {}
    for path in sorted(ROOT.rglob("*.py")):
        name = path.relative_to(ROOT).as_posix()
        allowed = name in WRITERS or name.split("/", maxsplit=1)[0] in WRITERS
        is_features = name.startswith("features/")  # they have a State of their own
        writes = state_writes(ast.parse(path.read_text()))
        if writes and not is_features:
            writers[name] = writes
            assert allowed, f"{name} assigns to State: {writes[0]}"
    assert {"pipeline.py", "stages/account.py", "stages/events.py", "stages/manage.py"} <= set(writers)


def test_the_check_on_writers_can_fail():
    spy = "def steal(state):\n    fund = state.fund[0]\n    fund.wallet_usd += 1.0\n"
    assert state_writes(ast.parse(spy)) == ["steal: fund.wallet_usd"]
    assert state_writes(ast.parse("def look(state):\n    x = state.fund[0].wallet_usd\n    y = x + 1\n")) == []


@pytest.mark.parametrize("kind", [state.State, state.Venue])
def test_buffers_hold_eight_byte_fields_and_do_not_depend_on_n(kind):
    for n in (1, 7):
        for view in state.buffer_of(kind, n):
            fields = view.dtype.fields.values() if view.dtype.names else [(view.dtype, 0)]
            assert {f[0].base.itemsize for f in fields} == {8}
            assert view.flags.c_contiguous
            assert view.ctypes.data % 8 == 0
    a, b = state.buffer_of(kind, 1), state.buffer_of(kind, 37)
    assert [v.dtype for v in a] == [v.dtype for v in b]
    assert [v.ndim for v in a] == [v.ndim for v in b]
