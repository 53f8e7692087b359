"""Builds the extension modules; everything else about the package stands in pyproject.toml.

``MICROGATE_BUILD`` says what a failure means:

``auto`` (default)
    no compiler, no headers or no Cython: a warning, no extension module at all, and the pure twins run.
``require``
    the build fails.
``pure``
    nothing is compiled.

Whenever nothing is compiled, extension modules of an earlier in-place build are removed: a stale one would be imported.
"""

import ast
import fcntl
import os
import sys
import sysconfig
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from shutil import which

from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext
from setuptools.errors import CompileError

ROOT = Path(__file__).resolve().parent
MODES = ("auto", "require", "pure")

# Two builds of one source are one file, byte for byte: archive members carry this time unless the environment names
# another (the zip epoch plus a day, so that no time zone moves it before 1980).
os.environ.setdefault("SOURCE_DATE_EPOCH", "315619200")


def compiled_modules() -> tuple[str, ...]:
    """Names of the modules to compile, read from the source text of ``_speedups`` without importing it."""
    tree = ast.parse((ROOT / "_speedups" / "__init__.py").read_text())
    for node in tree.body:
        if isinstance(node, ast.AnnAssign) and node.value and ast.unparse(node.target) == "COMPILED_MODULES":
            names: tuple[str, ...] = ast.literal_eval(node.value)
            return names
    raise SystemExit("setup.py: COMPILED_MODULES is not a literal tuple in _speedups/__init__.py")


def extension(name: str) -> Extension:
    """The extension module ``name``, from its ``.pyx`` or from a ``.py`` that has a ``.pxd`` beside it."""
    path = name.replace(".", "/")
    if (ROOT / f"{path}.pyx").exists():
        source = f"{path}.pyx"
    elif (ROOT / f"{path}.py").exists() and (ROOT / f"{path}.pxd").exists():
        source = f"{path}.py"
    else:
        raise SystemExit(f"setup.py: {name} has neither a .pyx nor a .py with a .pxd")
    return Extension(
        name,
        [source],
        include_dirs=["_speedups"],
        depends=sorted(str(header.relative_to(ROOT)) for header in (ROOT / "_speedups").rglob("*.h")),
        extra_compile_args=["-O3", "-g0"],
    )


def missing() -> Iterator[str]:
    """What has to be installed first, each with its command on a Debian-like system."""
    if find_spec("Cython") is None:
        # Without it setuptools would compile the generated C of an earlier build, whatever the source says by now.
        yield "Cython (pip install Cython)"
    compiler = (os.environ.get("CC") or sysconfig.get_config_var("CC") or "gcc").split()[0]
    if not which(compiler):
        yield f"the C compiler {compiler} (apt-get install gcc)"
    headers = Path(sysconfig.get_path("include"))
    if not (headers / "Python.h").exists():
        # The system's own python3 has its headers in python3-dev, another version in a package of its own name.
        default = Path("/usr/bin/python3").resolve().name == headers.name
        yield f"{headers}/Python.h (apt-get install {'python3' if default else headers.name}-dev)"


@contextmanager
def one_build_at_a_time() -> Iterator[None]:
    """Two builds in one checkout would write the same generated C files."""
    (ROOT / "build").mkdir(exist_ok=True)
    with (ROOT / "build" / "lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


class BuildExtensions(build_ext):
    """Knows ``MICROGATE_BUILD``; all or nothing."""

    def finalize_options(self) -> None:
        super().finalize_options()
        # Types stand in the .pxd: an annotation in a compiled .py must not make it stricter than the pure twin.
        # An attribute of None raises, as it does in the pure twin, instead of reading through a null pointer.
        # Signatures are shown to help() and stubtest; pickling and doctest support would be code nobody calls.
        self.cython_directives = {
            "language_level": 3,
            "annotation_typing": False,
            "nonecheck": True,
            "embedsignature": True,
            "embedsignature.format": "clinic",
            "auto_pickle": False,
            "autotestdict": False,
        }
        if cache := os.environ.get("MICROGATE_CYTHON_CACHE"):
            # What several builds of one source translate once: C by a digest of all that it comes from.
            from Cython.Compiler.Options import default_options

            default_options["cache"] = cache
        if self.inplace:
            # An in-place build keeps its files out of build/lib, from which wheels are packed.
            self.build_lib = "build/inplace"
            self.build_temp = "build/inplace-temp"

    def run(self) -> None:
        mode = os.environ.get("MICROGATE_BUILD", "auto")
        if mode not in MODES:
            raise SystemExit(f"MICROGATE_BUILD={mode!r}: must be one of {', '.join(MODES)}")
        if mode == "pure":
            self.remove_extensions()
            return
        with one_build_at_a_time():
            try:
                super().run()
            except (Exception, SystemExit) as error:
                if mode == "require":
                    raise
                self.remove_extensions()
                self.warn_pure(error)

    def build_extensions(self) -> None:
        if lacking := list(missing()):
            raise CompileError("missing: " + ", ".join(lacking))
        # A process each, not the threads of --parallel: Cython keeps state of its own in module globals.
        running: dict[int, str] = {}
        failed: list[str] = []
        for module in self.extensions:
            if len(running) == len(os.sched_getaffinity(0)):
                self.await_one(running, failed)
            running[self.start(module)] = module.name
        while running:
            self.await_one(running, failed)
        if failed:
            raise CompileError(f"{', '.join(failed)}: the lines above say why")

    def start(self, module: Extension) -> int:
        """Translate and compile one extension module in a child; returns its process id."""
        sys.stdout.flush()
        pid = os.fork()
        if pid:
            return pid
        status = 1
        try:
            self.build_extension(module)
            status = 0
        except Exception as error:
            print(f"{module.name}: {error or type(error).__name__}", file=sys.stderr)
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(status)

    def await_one(self, running: dict[int, str], failed: list[str]) -> None:
        pid, status = os.wait()
        name = running.pop(pid)
        if status:
            failed.append(name)

    def remove_extensions(self) -> None:
        for name in compiled_modules():
            for directory in (ROOT, Path(self.build_lib)):
                path = directory.joinpath(*name.split("."))
                for stale in [*path.parent.glob(path.name + ".*.so"), *path.parent.glob(path.name + ".so")]:
                    stale.unlink()

    def warn_pure(self, error: BaseException) -> None:
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        lines = [
            "microgate: the extension modules were NOT built; the slower pure Python modules will run.",
            f"  reason: {reason}",
            "  to make this an error: MICROGATE_BUILD=require",
        ]
        rule = "*" * min(120, max(map(len, lines)))
        print("\n".join(["", rule, *lines, rule, ""]), file=sys.stderr)

    def get_outputs(self) -> list[str]:
        return [path for path in super().get_outputs() if Path(path).exists()]


os.chdir(ROOT)
modules = () if os.environ.get("MICROGATE_BUILD") == "pure" else compiled_modules()
setup(
    ext_modules=[extension(name) for name in modules],
    cmdclass={"build_ext": BuildExtensions},
)
