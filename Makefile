# Commands for people and for CI.
#   make            .venv with everything the tests need
#   make run        the app, with its addresses and a QR code
#   make share      the app under a public https address, through an installed tunnel program
#   make phone      the app over https on the local network, with a certificate to trust once
#   make test       the tests (about 6 minutes on two cores)
#   make check      lint and types
#   make test-slow  tests that take long: many browsers, killed processes, real trainings
#   make lock       requirements*.txt from pyproject.toml; UPGRADE=1 takes newer versions
#   make latest     the tests with the newest packages that pyproject.toml allows
#   make oldest     the tests with the oldest torch that pyproject.toml allows
#   make bench      every figure in docs/benchmarks.md, measured again
#   make film       the pictures of the README, by the app in Chromium
#   make converters what exports to TensorFlow Lite and Core ML need, below build/
#   make scale      archives in buckets and Ray, below build/; make test-scale runs its tests
#   make build      the built-in model imagenet, built again; PHOTOS=FOLDER estimates its temperature

VENV   := .venv
BIN    := $(VENV)/bin
PORT   ?= 8501
# The tunnel program of 'make share'; by default the first that is installed.
WITH   ?=
# Number of processes that run tests.
JOBS   ?= 2
# The folder with the requirements*.txt to install.
LOCKED := .
# The first Python from 3.11 to 3.13 that can make a virtual environment.
PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11 python; do \
	$$p -c 'import sys, venv, ensurepip; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' \
	>/dev/null 2>&1 && echo $$p && break; done)
# The converters to TensorFlow Lite need a newer one.
CONVERTER_PYTHON ?= $(shell for p in python3.13 python3.12 python3; do \
	$$p -c 'import sys, venv, ensurepip; sys.exit(not (3, 12) <= sys.version_info[:2] <= (3, 13))' \
	>/dev/null 2>&1 && echo $$p && break; done)
# Torch's own index has wheels without CUDA; one request, of three seconds at most, checks it.
CPU_INDEX := https://download.pytorch.org/whl/cpu
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet

UV  := $(BIN)/uv --quiet

# The environments of 'make converters', each with its requirements in model/exporting/converters/.
CONVERTERS := onnx2tf litert coreml

.PHONY: dev run share phone test test-slow check format lock latest oldest bench film build converters scale test-scale clean
dev: $(VENV)/.dev

$(VENV)/.made:
	@test -n "$(PYTHON)" || { echo "Loupe needs Python 3.11, 3.12 or 3.13 with venv (on Debian: apt install python3-venv)."; exit 1; }
	@echo "Making $(VENV) with $$($(PYTHON) --version) ..."
	@$(PYTHON) -m venv $(VENV)
	@touch $@

$(VENV)/.app: $(LOCKED)/requirements.txt $(VENV)/.made
	@echo "Installing the app (some minutes the first time) ..."
	@if [ "$$(uname -s)" = Linux ] && ! command -v nvidia-smi >/dev/null 2>&1 && \
	  $(BIN)/python -c 'import urllib.request as u; u.urlopen("$(CPU_INDEX)/torch/", timeout=3)' 2>/dev/null; then \
	  echo "Taking torch without CUDA from $(CPU_INDEX)"; \
	  grep -E '^torch(vision)?[><=]' $(LOCKED)/requirements.txt > $(VENV)/torch.txt && \
	  $(PIP) install --index-url $(CPU_INDEX) -r $(VENV)/torch.txt; \
	else echo "Taking torch from the default index"; fi
	@$(PIP) install -r $(LOCKED)/requirements.txt
	@touch $@

$(VENV)/.dev: $(LOCKED)/requirements-dev.txt $(VENV)/.app
	@echo "Installing what the tests need ..."
	@$(PIP) install -r $(LOCKED)/requirements-dev.txt
	@touch $@

run: $(VENV)/.app
	@$(BIN)/python -m launch.serve --port $(PORT)

share: $(VENV)/.app
	@$(BIN)/python -m launch.share --port $(PORT) $(if $(WITH),--with $(WITH))

phone: $(VENV)/.app
	@$(BIN)/python -m launch.phone --port $(PORT)

# By files, in the order of tests/conftest.py. Bytecode is written even where the environment says
# otherwise: without it, every process compiles all tests again.
PYTEST := PYTHONDONTWRITEBYTECODE= $(BIN)/python -m pytest -n $(JOBS) --dist loadfile --no-loadscope-reorder

test: $(VENV)/.dev
	$(PYTEST) -m "not slow"

test-slow: $(VENV)/.dev
	$(PYTEST) -m slow

check: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python -m tests.javascript check

format: $(VENV)/.dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
	$(BIN)/python -m tests.javascript format

# Resolve everything once, then each part within it, so that all three files agree.
# $(1) is the folder to write to, $(2) further options for uv.
define compile
	@test -x $(BIN)/uv || $(PIP) install "$$(grep -oE '^uv==[0-9.]+' requirements-dev.txt)"
	@$(UV) pip compile pyproject.toml --extra train --extra postgres --group dev $(2) -o $(1)/requirements-dev.txt >/dev/null
	@$(UV) pip compile pyproject.toml --extra train -c $(1)/requirements-dev.txt $(2) -o $(1)/requirements.txt >/dev/null
	@$(UV) pip compile pyproject.toml -c $(1)/requirements-dev.txt $(2) -o $(1)/requirements-serve.txt >/dev/null
	@sed -i.old -e '/^# The following packages were excluded/,$$d' -e 's/, -c [^,]*//g' -e 's/-c [^,]*, //' \
	  $(1)/requirements*.txt && rm $(1)/requirements*.old
	@for file in $(1)/requirements.txt $(1)/requirements-dev.txt; do \
	  echo "# Not locked: builds for CPU and for CUDA come from different indexes." >> $$file; \
	  sed -nE 's/^ *"(torch(vision)?[><=][^"]*)",$$/\1/p' pyproject.toml >> $$file; done
endef

lock: $(VENV)/.made
	$(call compile,.,$(if $(UPGRADE),--upgrade))
	@mkdir -p build && grep -v ^python-dateutil requirements-serve.txt > build/scale.txt
	@$(UV) pip compile pyproject.toml --extra scale --group scale -c build/scale.txt \
	  $(if $(UPGRADE),--upgrade) -o requirements-scale.txt >/dev/null
	@sed -i.old -e 's/, -c [^,]*//g' -e 's/-c [^,]*, //' requirements-scale.txt && rm requirements-scale.txt.old
	@for name in $(CONVERTERS); do \
	  case $$name in coreml) set -- 3.11 -c requirements-dev.txt;; *) set -- 3.12;; esac; \
	  $(UV) pip compile model/exporting/converters/$$name.in $(if $(UPGRADE),--upgrade) --python-version "$$@" \
	    -o model/exporting/converters/$$name.txt >/dev/null || exit 1; done

latest: $(VENV)/.made
	@mkdir -p build/latest
	$(call compile,build/latest,--upgrade)
	@$(MAKE) test VENV=build/latest/venv LOCKED=build/latest

oldest:
	@mkdir -p build/oldest
	@for file in requirements.txt requirements-dev.txt; do \
	  sed -E 's/^(torch(vision)?)>=([0-9.]+),.*/\1==\3.*/' $$file > build/oldest/$$file; done
	@$(MAKE) test VENV=build/oldest/venv LOCKED=build/oldest

bench: $(VENV)/.dev
	$(BIN)/python -m benchmarks

film: $(VENV)/.dev
	$(BIN)/python -m docs.film

converters: $(CONVERTERS:%=build/converters/%/.ready)

build/converters/%/.ready: model/exporting/converters/%.txt
	@test -n "$(CONVERTER_PYTHON)" || { echo "The converters need Python 3.12 or 3.13 with venv (on Debian: apt install python3-venv)."; exit 1; }
	@echo "Installing $* with $$($(CONVERTER_PYTHON) --version) ..."
	@rm -rf build/converters/$* && $(CONVERTER_PYTHON) -m venv build/converters/$*
	@build/converters/$*/bin/python -m pip --disable-pip-version-check --quiet install -r $<
	@touch $@

# It also sees the packages of $(VENV), torch among them, and doesn't change them.
build/converters/coreml/.ready: model/exporting/converters/coreml.txt $(VENV)/.app
	@echo "Installing coreml ..."
	@rm -rf build/converters/coreml && $(BIN)/python -m venv build/converters/coreml
	@build/converters/coreml/bin/python -m pip --disable-pip-version-check --quiet install -r $<
	@$(BIN)/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))' > \
	  "$$(build/converters/coreml/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/loupe.pth"
	@touch $@

scale: build/scale/.ready

build/scale/.ready: requirements-scale.txt
	@test -n "$(PYTHON)" || { echo "Archives and Ray need Python 3.11, 3.12 or 3.13 with venv (on Debian: apt install python3-venv)."; exit 1; }
	@echo "Installing what archives and Ray need ..."
	@rm -rf build/scale && $(PYTHON) -m venv build/scale
	@build/scale/bin/python -m pip --disable-pip-version-check --quiet install -r $<
	@touch $@

test-scale: scale
	build/scale/bin/python -m pytest tests/scale tests/api/test_openapi.py tests/api/v1

build: $(VENV)/.app
	$(BIN)/python -m model build imagenet --to model/library $(if $(PHOTOS),--photos $(PHOTOS))

clean:
	rm -rf $(VENV) build
