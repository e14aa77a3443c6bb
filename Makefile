# The front door. `make` lists what there is; README has the same commands without make.
.DEFAULT_GOAL := help
# Threads that wait should sleep where several processes compute at once; `course` has the machine to itself.
test test-browser test-colab test-versions: export OMP_WAIT_POLICY = PASSIVE

PY = .venv/bin/python
SUPPORTED = import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))
# The first Python 3.11 to 3.13 on this machine; `make course PYTHON=/path/to/python` names another.
PYTHON := $(shell for p in python3 python python3.13 python3.12 python3.11; do \
	$$p -c "$(SUPPORTED)" >/dev/null 2>&1 && { echo $$p; break; }; done)

ifeq ($(OS),Windows_NT)
$(error On Windows use the commands without make, in README.md)
endif

course: .venv/installed-lab ## run all notebooks: make course [DATA=folder] [PRESET=smoke|quick|full] [SEED=0]
	@$(PY) -m unet_course.course run $(if $(DATA),--data "$(DATA)") $(if $(PRESET),--preset "$(PRESET)") \
		$(if $(SEED),--seed "$(SEED)") $(NOTEBOOKS)

test: .venv/installed-test ## check style, package and notebooks
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .
	$(PY) -m pytest --cov --cov-report=term-missing:skip-covered
	UNET_COURSE_PRESET=smoke UNET_COURSE_PROGRESS=/dev/null $(PY) -m pytest --nbval --nbval-current-env \
		--nbval-sanitize-with tests/nbval_sanitize.cfg --nbval-cell-timeout 1200 notebooks

test-browser: .venv/installed-browser ## work through the notebooks in a real JupyterLab
	@$(PY) tests/browser/find_browser.py
	$(PY) -m pytest tests/browser

test-colab: .venv/installed-test .venv-colab/installed ## run all notebooks with the versions that Colab has
	@$(PY) -m pytest tests/colab

bench: .venv/installed-lab ## time and memory on this machine: make bench [BENCH=pipeline] [FAST=1] [JSON=file] [DATA=folder]
	@$(PY) -m tests.benchmarks $(BENCH) $(if $(FAST),--fast) $(if $(JSON),--json "$(JSON)") \
		$(if $(DATA),--data "$(DATA)")

lab: .venv/installed-lab ## open the notebooks in JupyterLab
	@$(PY) -m jupyterlab --ServerApp.ip=127.0.0.1 notebooks

figures: .venv/installed-lab ## only regenerate the committed figures
	@$(PY) -m unet_course.course run --figures

figure: .venv/installed-lab ## one figure: make figure NAME=inference [FORMAT=pdf] [WIDTH=2400] [DATA=… PRESET=… SEED=…]
	@$(PY) -m unet_course.course figure "$(NAME)" $(if $(FORMAT),--format "$(FORMAT)") \
		$(if $(WIDTH),--width "$(WIDTH)") $(if $(DATA),--data "$(DATA)") \
		$(if $(PRESET),--preset "$(PRESET)") $(if $(SEED),--seed "$(SEED)")

notebooks: .venv/installed-lab ## run the notebooks and write their outputs into notebooks/
	@$(PY) -m unet_course.course save $(NOTEBOOKS)

address: .venv/installed-lab ## write the address in pyproject.toml into notebooks and README
	@$(PY) -m unet_course.course address

test-versions: .venv/installed-tox ## make test on other Pythons and PyTorches: [ENVS=3.11-oldest,3.13] (half an hour)
	@.venv/bin/tox run $(if $(ENVS),-e "$(ENVS)")

pins: .venv/installed-tox ## write constraints.txt anew, with the newest versions that fit together
	@.venv/bin/uv pip compile --quiet --universal --no-header --no-annotate --upgrade --all-extras \
		--python-version 3.11 --output-file constraints.txt pyproject.toml

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## /\1	/p' Makefile | expand -t 15

# Installs the versions of constraints.txt, and anew only when that file or pyproject.toml is newer
# than the last installation that came to its end.
.venv/installed-%: pyproject.toml constraints.txt
	@if [ -f .venv/made ] && $(PY) -c "$(SUPPORTED)" 2>/dev/null; then exit 0; fi; \
	if ! "$(PYTHON)" -c "$(SUPPORTED)" 2>/dev/null; then \
		echo "$(or $(PYTHON),python3): no Python 3.11 to 3.13; install one, or name it:" \
			"make PYTHON=/path/to/python3.12" >&2; exit 1; fi; \
	echo "Making .venv with $(PYTHON)"; \
	if command -v uv >/dev/null 2>&1; then uv venv --quiet --clear --python "$(PYTHON)" .venv; \
	else "$(PYTHON)" -m venv --clear .venv >/dev/null 2>&1 || { rm -rf .venv; \
		echo "$(PYTHON) cannot make environments; install its venv module (python3-venv)" >&2; \
		exit 1; }; fi; \
	touch .venv/made
	@echo "Installing into .venv (once; PyTorch is large)"
	@[ -t 1 ] || quiet=--quiet; \
	if command -v uv >/dev/null 2>&1; then install="uv pip install --python $(PY)"; \
	else install="$(PY) -m pip install --disable-pip-version-check"; fi; \
	$$install $$quiet --constraint constraints.txt --editable '.[$*]'
	@touch $@ $(patsubst %,.venv/installed-%,$(holds_$*))
# the extras that an extra holds
holds_test = lab
holds_browser = lab test

# Colab's Python; `make test-colab PYTHON_COLAB=/path/to/python3.13` names another.
PYTHON_COLAB = $(shell for p in python3.13 python3 python $(wildcard ~/.pyenv/versions/3.13*/bin/python); do \
	$$p -c "import sys; sys.exit(sys.version_info[:2] != (3, 13))" >/dev/null 2>&1 && { echo $$p; break; }; done)

# Made anew only when what Colab has is described anew.
.venv-colab/installed: tests/colab/requirements.txt
	@python="$(PYTHON_COLAB)"; if [ -z "$$python" ]; then echo "No Python 3.13, which Colab has;" \
		"install it, or name it: make test-colab PYTHON_COLAB=/path/to/python3.13" >&2; exit 1; fi; \
	echo "Making .venv-colab with $$python (PyTorch is large)"; \
	if command -v uv >/dev/null 2>&1; then uv venv --quiet --clear --python "$$python" .venv-colab && \
		uv pip install --quiet --python .venv-colab/bin/python --requirement $<; \
	else "$$python" -m venv --clear .venv-colab && .venv-colab/bin/python -m pip install \
		--quiet --disable-pip-version-check --requirement $<; fi
	@touch $@

.PHONY: course test test-browser test-colab test-versions bench lab figures figure notebooks pins address help
