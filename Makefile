# make serve   runs the gateway with its demo upstream        make lint    ruff, mypy, stubtest
# make test    runs the tests                                 make wheel   builds dist/*.whl
# make bench   runs the benchmarks                            make lock    refreshes the lock files (needs uv)
# make ui-client  renders the description of /api of which the web interface's client is made
#
# Each does all the set-up it needs: a private virtual environment in .venv, the locked packages, the extension modules.
# JOBS=1 runs one test file at a time; by default it is one more than there are processors, since many tests wait. ARGS="..." is passed on; PYTHON=python3.12 chooses the interpreter; MICROGATE_BUILD=auto|require|pure as in setup.py.

MICROGATE_BUILD ?= auto
export MICROGATE_BUILD
# Without compiled files every start of a process compiles all that it imports, which doubles its time.
unexport PYTHONDONTWRITEBYTECODE

JOBS ?= $(shell n=$$(nproc); echo $$((n < 3 ? n + 1 : 4)))

venv := .venv
python := $(venv)/bin/python
built := $(venv)/built-$(MICROGATE_BUILD)
# Where a fallback would hide what went wrong: what is measured and what is handed out.
strict_build := $(if $(filter pure,$(MICROGATE_BUILD)),pure,require)
# Wheels only: building a package from its source would fetch build tools that no hash covers. uv, where it is installed,
# takes a tenth of pip's time.
installer := $(if $(shell command -v uv),uv pip install --quiet --python $(python),$(python) -m pip install --quiet --disable-pip-version-check)
install := $(installer) --require-hashes --only-binary :all: -r
# The one exception: its build tools are in requirements-dev.lock, and it is built with those.
compile := $(python) -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps --no-build-isolation --no-binary hnswlib
typed_sources := $(basename $(shell find gateway _speedups -name '*.pxd'))
stubbed := $(subst /,.,$(basename $(wildcard _speedups/*.pyi)))
ui_sources := $(shell find gateway/control/ui -type f -not -path "*/node_modules/*")
sources := setup.py _speedups/__init__.py $(wildcard _speedups/*.h _speedups/*/*.h _speedups/*.pyx) \
	$(addsuffix .pxd,$(typed_sources)) $(wildcard $(addsuffix .py,$(typed_sources)))

.PHONY: serve test bench lint wheel lock clean ui-client
.DELETE_ON_ERROR:

serve: $(built) $(venv)/interface
	exec $(python) -m gateway serve --demo $(ARGS)

test: $(venv)/dev $(built) $(venv)/interface
	$(python) -m pytest -n $(JOBS) --dist loadfile --no-loadscope-reorder $(ARGS)

bench: $(venv)/dev
	@$(MAKE) --no-print-directory MICROGATE_BUILD=$(strict_build) $(venv)/built-$(strict_build)
	$(python) -m bench $(ARGS)

lint: $(venv)/dev $(built)
	$(python) -m ruff check .
	$(python) -m ruff format --check .
	$(python) -m mypy
	$(python) -m mypy.stubtest $(stubbed)

wheel: $(venv)/runtime
	rm -rf build/lib* build/bdist* dist
	MICROGATE_BUILD=$(strict_build) $(python) -m pip wheel --quiet --no-deps --no-build-isolation --no-index --wheel-dir dist .
	@ls dist/*.whl

lock:
	.ci/lock

ui-client: $(built)
	$(python) docs/render_openapi.py > gateway/control/ui/openapi.json.new
	mv gateway/control/ui/openapi.json.new gateway/control/ui/openapi.json

clean:
	rm -rf $(venv) build dist *.egg-info node_modules gateway/control/static
	find gateway _speedups providers -name '*.so' -delete -o -name '*.c' -delete

$(venv)/bin/python:
	.ci/venv $(venv)

$(venv)/runtime: requirements.lock | $(venv)/bin/python
	@echo "installing the packages of requirements.lock"
	$(install) requirements.lock
	@touch $@

$(venv)/dev: requirements-dev.lock requirements-hnswlib.lock | $(venv)/runtime
	@echo "installing the packages of requirements-dev.lock"
	$(install) requirements-dev.lock
	@echo "building hnswlib, which has no wheel"
	@HNSWLIB_NO_NATIVE=1 $(compile) -r requirements-hnswlib.lock \
		|| { [ $(MICROGATE_BUILD) != require ] && echo "hnswlib was NOT built: what needs it cannot run" >&2; }
	@touch $@

# Stamps are written only when something was built, so that a Node or a compiler installed later is noticed.
$(venv)/interface: setup.py $(ui_sources) | $(venv)/runtime
	@$(python) setup.py --quiet build_interface
	@if [ "$$MICROGATE_UI" = skip ] || [ -e gateway/control/static/SOURCES ]; then touch $@; fi

$(venv)/built-%: $(sources) | $(venv)/runtime
	@rm -f $(venv)/built-*
	@echo "building the extension modules (MICROGATE_BUILD=$(MICROGATE_BUILD))"
	@$(python) setup.py --quiet build_ext --inplace
	@if [ $* = pure ] || ls _speedups/*.so >/dev/null 2>&1; then touch $@; fi
