"""The only place that says ``njit``: compile flags, the cache folder and its lock.

Numba's own cache does not notice an edited *callee* in another file, so the cache folder's name carries a hash of
every source file of ``qt_core`` and of everything else that shapes machine code (numba, llvmlite, Python, NUMBA_*
flags). An edit anywhere opens a new folder; old folders are pruned.
"""

import contextlib
import fcntl
import hashlib
import os
import platform
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import llvmlite
import numba
from llvmlite import ir
from numba import config as _numba_config
from numba import njit
from numba.core import cgutils, types
from numba.extending import intrinsic
from numba.np.arrayobj import make_array

F = TypeVar("F", bound=Callable[..., Any])

_KEEP_FOLDERS = 6
WITHOUT_KERNELS = ("agents", "explain", "io")  # no kernel imports them: an edit there changes no machine code
INTERPRETED = bool(_numba_config.DISABLE_JIT)


_FLAGS: dict[str, Any] = {
    "cache": True,
    "_nrt": False,
    "error_model": "numpy",
    "nogil": True,
    "no_cfunc_wrapper": True,
}


def source_hash() -> str:
    """Hash of the kernels' sources and of what else decides the machine code, 16 hex digits."""
    digest = hashlib.sha256()
    root = Path(__file__).resolve().parent
    for path in sorted(p for p in root.rglob("*.py") if p.parent.name not in WITHOUT_KERNELS):
        digest.update(path.relative_to(root).as_posix().encode())
        digest.update(path.read_bytes())
    flags = sorted(f"{k}={v}" for k, v in os.environ.items() if k.startswith("NUMBA_") and k != "NUMBA_CACHE_DIR")
    digest.update(repr((numba.__version__, llvmlite.__version__, sys.version, platform.machine(), flags)).encode())
    return digest.hexdigest()[:16]


def _cache_root() -> Path:
    base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(os.environ.get("QT_CACHE_DIR") or Path(base) / "quantum-trader" / "numba")


def _prune(root: Path, keep: str) -> None:
    folders = sorted((p for p in root.iterdir() if p.is_dir() and p.name != keep), key=lambda p: p.stat().st_mtime)
    for old in folders[: max(0, len(folders) - (_KEEP_FOLDERS - 1))]:
        shutil.rmtree(old, ignore_errors=True)


def _open_cache() -> Path:
    root = _cache_root()
    folder = root / source_hash()
    if not folder.exists():
        folder.mkdir(parents=True, exist_ok=True)
        with contextlib.suppress(OSError):
            _prune(root, folder.name)
    _numba_config.CACHE_DIR = str(folder)
    return folder


CACHE_DIR = _open_cache()


@contextlib.contextmanager
def compile_lock() -> Iterator[None]:
    """Hold the cache folder's lock, so that two processes do not compile the same code side by side."""
    CACHE_DIR.mkdir(parents=True, exist_ok=True)
    with open(CACHE_DIR / ".lock", "w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        try:
            yield
        finally:
            fcntl.flock(handle, fcntl.LOCK_UN)


def _plain_integers(func: F) -> F:
    """One machine code for an argument whether it is a constant or a variable.

    Numba would compile a kernel anew for every integer constant it is called with (a reason, a tally row): a third of all
    compilations. The constant still reaches the inlined code.
    """
    if INTERPRETED:
        return func
    dispatcher: Any = func
    original = dispatcher.get_call_template

    def get_call_template(args: Any, kws: Any) -> Any:
        plain = types.unliteral  # type: ignore[attr-defined]
        return original(tuple(plain(a) for a in args), {name: plain(a) for name, a in kws.items()})

    dispatcher.get_call_template = get_call_template
    return func


def kernel(func: F) -> F:
    """Compile a pure kernel: inlined into its caller, no reference counting, IEEE division.

    ``_nrt=False`` is a private numba option (see DESIGN, numba rule 1): a kernel may not allocate.
    """
    out: F = _plain_integers(njit(**_FLAGS, forceinline=True)(func))
    return out


def inner(func: F) -> F:
    """A kernel that only kernels call: as ``kernel``, but without the wrapper through which Python would call it.

    Unpacking State and Params in a wrapper nobody uses took half the compile time. Calling one from Python while
    compiled crashes the process; interpreted it is a plain function.
    """
    out: F = _plain_integers(njit(**_FLAGS, forceinline=True, no_cpython_wrapper=True)(func))
    return out


def rare(func: F) -> F:
    """As ``inner``, but not inlined by force: for steps that few bars take, whose code would only widen the loop."""
    # said, because a flag that is not is inherited from the kernel that is being compiled around it
    out: F = _plain_integers(njit(**_FLAGS, forceinline=False, no_cpython_wrapper=True)(func))
    return out


def entry(func: F) -> F:
    """Compile an entry point called from Python: same flags, not inlined by force."""
    out: F = njit(**_FLAGS)(func)
    return out


@intrinsic  # type: ignore[untyped-decorator]
def _stay_apart_compiled(_context: Any) -> Any:
    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        builder.function.attributes.add("noinline")
        return context.get_dummy_value()

    return types.void(), codegen


def _stay_apart_interpreted() -> None:
    """Nothing: only machine code is inlined."""


# first statement of a kernel that is to stay one piece of code for all its callers: the hot loop must fit the processor's
# instruction cache
stay_apart: Any = _stay_apart_interpreted if INTERPRETED else _stay_apart_compiled


@intrinsic  # type: ignore[untyped-decorator]
def _prefetch_compiled(_context: Any, array: Any, index: Any) -> Any:
    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        view = make_array(signature.args[0])(context, builder, args[0])
        steps = cgutils.unpack_tuple(builder, view.strides)
        offset = cgutils.intp_t(0)
        for k in range(len(index)):
            offset = builder.add(offset, builder.mul(builder.extract_value(args[1], k), steps[k]))
        address = builder.gep(builder.bitcast(view.data, cgutils.voidptr_t), [offset])
        kind = ir.FunctionType(ir.VoidType(), [cgutils.voidptr_t, cgutils.int32_t, cgutils.int32_t, cgutils.int32_t])
        function = cgutils.get_or_insert_function(builder.module, kind, "llvm.prefetch")
        builder.call(function, [address, cgutils.int32_t(0), cgutils.int32_t(3), cgutils.int32_t(1)])
        return context.get_dummy_value()

    return types.void(array, types.UniTuple(types.intp, len(index))), codegen  # type: ignore[attr-defined]


def _prefetch_interpreted(array: Any, index: tuple[int, ...]) -> None:
    """Nothing: only machine code has a cache to fill."""


# ask for the cache line of array[index], or of its first number (any index, even beyond the array: a hint never faults)
prefetch: Any = _prefetch_interpreted if INTERPRETED else _prefetch_compiled


@intrinsic  # type: ignore[untyped-decorator]
def _natural_compiled(_context: Any, index: Any) -> Any:
    def codegen(_target: Any, builder: Any, _signature: Any, args: Any) -> Any:
        builder.assume(builder.icmp_signed(">=", args[0], args[0].type(0)))
        return args[0]

    return index(index), codegen


def _natural_interpreted(index: int) -> int:
    """The index itself."""
    return index


# tells the compiler that an index is not negative: else every access with it looks whether to count from the end
natural: Any = _natural_interpreted if INTERPRETED else _natural_compiled
