# Commands for people and for CI.
#   make            .venv with everything the tests need
#   make run        the app, with its addresses and a QR code
#   make share      the app under a public https address, through an installed tunnel program
#   make phone      the app over https on the local network, with a certificate to trust once
#   make test       the tests (about 6 minutes on two cores)
#   make check      lint, types, the import rules and the declared dependencies
#   make test-slow  tests that take long: many browsers, killed processes, real trainings
#   make lock       requirements*.txt with hashes, from pyproject.toml; UPGRADE=1 takes newer versions
#   make latest     the tests with the newest packages that pyproject.toml allows
#   make audit      known vulnerabilities of every locked package, Python's and JavaScript's
#   make sbom       build/sbom.json (CycloneDX): what is installed in .venv
#   make oldest     the tests with the oldest torch that pyproject.toml allows
#   make attacks    attacks on the app at 512 MB, and what other visitors see; NAME=junk runs some
#   make planted-bugs  plants bugs one by one, which the tests must find; NAME=zip plants some
#   make bench      the figures with a goal in docs/benchmarks.md, measured again
#   make film       the README's pictures, recorded from the app in Chromium
#   make kernels    device/engine/kernels*.wasm, compiled again
#   make converters what exports to TensorFlow Lite and Core ML need, below build/
#   make scale      what archives in buckets and Ray need, below build/; make test-scale tests them
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
# The converters to TensorFlow Lite need Python 3.12 or newer.
CONVERTER_PYTHON ?= $(shell for p in python3.13 python3.12 python3; do \
	$$p -c 'import sys, venv, ensurepip; sys.exit(not (3, 12) <= sys.version_info[:2] <= (3, 13))' \
	>/dev/null 2>&1 && echo $$p && break; done)
# Torch's own index has wheels without CUDA; one request, of three seconds at most, checks it.
CPU_INDEX := https://download.pytorch.org/whl/cpu
INSTALL := -m pip --disable-pip-version-check --quiet install
# pip refuses every file whose hash isn't in the list.
HASHED := $(INSTALL) --require-hashes -r

COMPILE := $(BIN)/uv --quiet pip compile

# The environments of 'make converters', each with its requirements in model/exporting/converters/.
CONVERTERS := onnx2tf litert coreml

.PHONY: dev run share phone test test-slow check format lock latest oldest attacks planted-bugs bench film build kernels converters scale test-scale audit sbom clean
dev: $(VENV)/.dev

$(VENV)/.made:
	@test -n "$(PYTHON)" || { echo "Loupe needs Python 3.11, 3.12 or 3.13 with venv (on Debian: apt install python3-venv)."; exit 1; }
	@echo "Making $(VENV) with $$($(PYTHON) --version) ..."
	@$(PYTHON) -m venv $(VENV)
	@touch $@

# Torch has no hash, since its builds come from different indexes. So it is installed last, when only torch
# and, with CUDA, its own packages are left to fetch.
$(VENV)/.app: $(LOCKED)/requirements-full.txt $(LOCKED)/requirements.txt $(VENV)/.made
	@echo "Installing the app (some minutes the first time) ..."
	@$(BIN)/python $(HASHED) $(LOCKED)/requirements-full.txt --no-deps
	@if [ "$$(uname -s)" = Linux ] && ! command -v nvidia-smi >/dev/null 2>&1 && \
	  $(BIN)/python -c 'import urllib.request as u; u.urlopen("$(CPU_INDEX)/torch/", timeout=3)' 2>/dev/null; then \
	  echo "Taking torch without CUDA from $(CPU_INDEX)"; index="--index-url $(CPU_INDEX)"; \
	else echo "Taking torch from the default index"; fi; \
	$(BIN)/python $(INSTALL) $$index -r $(LOCKED)/requirements.txt
	@# Fetches what runs models in browsers, once.
	@command -v npm >/dev/null 2>&1 || $(BIN)/python $(HASHED) requirements-npm.txt
	@touch $@

$(VENV)/.dev: $(LOCKED)/requirements-dev.txt $(VENV)/.app
	@echo "Installing what the tests need ..."
	@$(BIN)/python $(HASHED) $(LOCKED)/requirements-dev.txt
	@touch $@

run: $(VENV)/.app
	@$(BIN)/python -m launch.serve --port $(PORT)

share: $(VENV)/.app
	@$(BIN)/python -m launch.share --port $(PORT) $(if $(WITH),--with $(WITH))

phone: $(VENV)/.app
	@$(BIN)/python -m launch.phone --port $(PORT)

# Tests run file by file, in the order of tests/conftest.py. Bytecode is written even where the
# environment says otherwise, because without it every process compiles all tests again.
PYTEST := PYTHONDONTWRITEBYTECODE= OPENBLAS_NUM_THREADS=1 $(BIN)/python -m pytest -n $(JOBS) --dist loadfile --no-loadscope-reorder

test: $(VENV)/.dev
	$(PYTEST) -m "not slow"

test-slow: $(VENV)/.dev
	$(PYTEST) -m slow

check: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache
	$(BIN)/deptry .
	$(BIN)/python -m tests.javascript check

format: $(VENV)/.dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
	$(BIN)/python -m tests.javascript format

# Resolve everything once, then each part within it, so that all four files agree.
# $(1) is the folder to write to, $(2) has further options for uv.
define compile
	@mkdir -p build && test -x $(BIN)/uv || { \
	  sed -n '/^uv==/,/#/p' requirements-dev.txt > build/uv.txt && $(BIN)/python $(HASHED) build/uv.txt; }
	@$(COMPILE) pyproject.toml --extra train --group dev $(2) -o $(1)/requirements-dev.txt >/dev/null
	@$(COMPILE) pyproject.toml --extra train -c $(1)/requirements-dev.txt $(2) -o $(1)/requirements-full.txt >/dev/null
	@$(COMPILE) pyproject.toml -c $(1)/requirements-dev.txt $(2) -o $(1)/requirements-serve.txt >/dev/null
	@$(COMPILE) pyproject.toml --extra train -c $(1)/requirements-dev.txt $(2) --no-generate-hashes \
	  -o $(1)/requirements.txt >/dev/null
	$(call tidy,$(1)/requirements*.txt)
	@echo "# Not locked: builds for CPU and for CUDA come from different indexes." >> $(1)/requirements.txt
	@sed -nE 's/^ *"(torch(vision)?[><=][^"]*)",$$/\1/p' pyproject.toml >> $(1)/requirements.txt
endef

# Remove uv's notes on constraints and on what it left out.
define tidy
	@sed -i.old -e '/^# The following packages were excluded/,$$d' -e 's/, -c [^,]*//g' -e 's/-c [^,]*, //' \
	  $(1) && rm $(addsuffix .old,$(1))
endef

lock: $(VENV)/.made
	$(call compile,.,$(if $(UPGRADE),--upgrade))
	@sed -nE '/^python-dateutil/d; s/^([a-z].*) \\$$/\1/p' requirements-serve.txt > build/scale.txt
	@$(COMPILE) pyproject.toml --extra scale --group buckets --group scale -c build/scale.txt \
	  $(if $(UPGRADE),--upgrade) -o requirements-scale.txt >/dev/null
	@for name in audit buckets npm; do \
	  $(COMPILE) --group $$name $$(test $$name = buckets && echo -c requirements-scale.txt) $(if $(UPGRADE),--upgrade) \
	    -o requirements-$$name.txt >/dev/null || exit 1; done
	$(call tidy,requirements-*.txt)
	@for name in $(CONVERTERS); do \
	  case $$name in coreml) set -- 3.11 -c requirements-dev.txt;; *) set -- 3.12;; esac; \
	  $(COMPILE) model/exporting/converters/$$name.in $(if $(UPGRADE),--upgrade) --python-version "$$@" \
	    -o model/exporting/converters/$$name.txt >/dev/null || exit 1; done

latest: $(VENV)/.made
	@mkdir -p build/latest
	$(call compile,build/latest,--upgrade)
	@$(MAKE) test VENV=build/latest/venv LOCKED=build/latest

oldest:
	@mkdir -p build/oldest && cp requirements-full.txt requirements-dev.txt build/oldest
	@sed -E 's/^(torch(vision)?)>=([0-9.]+),.*/\1==\3.*/' requirements.txt > build/oldest/requirements.txt
	@$(MAKE) test VENV=build/oldest/venv LOCKED=build/oldest

audit: build/audit/.ready
	grep -E '^torch(vision)?[><=]' requirements.txt > build/audit/torch.txt
	build/audit/bin/pip-audit --strict -r build/audit/torch.txt
	for file in requirements-*.txt model/exporting/converters/*.txt; do \
	  build/audit/bin/pip-audit --strict --disable-pip --require-hashes -r $$file || exit 1; done
	for folder in device tests/javascript; do npm audit --prefix $$folder || exit 1; done

sbom: build/audit/.ready $(VENV)/.app
	build/audit/bin/cyclonedx-py environment --pyproject pyproject.toml --output-reproducible \
	  -o build/sbom.json $(BIN)/python

build/audit/.ready: requirements-audit.txt $(VENV)/.made
	@rm -rf build/audit && $(BIN)/python -m venv build/audit
	@build/audit/bin/python $(HASHED) $<
	@touch $@

attacks: $(VENV)/.dev
	ATTACKS=full $(BIN)/python -m pytest -s --timeout 600 $(if $(NAME),-k 'withstands and $(NAME)') tests/operating/test_attacks.py

planted-bugs: $(VENV)/.dev
	$(BIN)/python -m tests.planted $(NAME)

bench: $(VENV)/.dev
	$(BIN)/python -m benchmarks

film: $(VENV)/.dev
	$(BIN)/python -m docs.film

kernels: $(VENV)/.dev
	device/kernels/build.sh "$(CURDIR)/$(BIN)/python" "$(CURDIR)/device/engine"

converters: $(CONVERTERS:%=build/converters/%/.ready)

build/converters/%/.ready: model/exporting/converters/%.txt
	@test -n "$(CONVERTER_PYTHON)" || { echo "The converters need Python 3.12 or 3.13 with venv (on Debian: apt install python3-venv)."; exit 1; }
	@echo "Installing $* with $$($(CONVERTER_PYTHON) --version) ..."
	@rm -rf build/converters/$* && $(CONVERTER_PYTHON) -m venv build/converters/$*
	@build/converters/$*/bin/python $(HASHED) $<
	@touch $@

# This environment also sees the packages of $(VENV), torch among them, and doesn't change them.
build/converters/coreml/.ready: model/exporting/converters/coreml.txt $(VENV)/.app
	@echo "Installing coreml ..."
	@rm -rf build/converters/coreml && $(BIN)/python -m venv build/converters/coreml
	@build/converters/coreml/bin/python $(HASHED) $<
	@$(BIN)/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))' > \
	  "$$(build/converters/coreml/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/loupe.pth"
	@touch $@

scale: build/scale/.ready

build/scale/.ready: requirements-scale.txt
	@test -n "$(PYTHON)" || { echo "Archives and Ray need Python 3.11, 3.12 or 3.13 with venv (on Debian: apt install python3-venv)."; exit 1; }
	@echo "Installing what archives and Ray need ..."
	@rm -rf build/scale && $(PYTHON) -m venv build/scale
	@build/scale/bin/python $(HASHED) $<
	@touch $@

test-scale: scale
	build/scale/bin/python -m pytest tests/scale

build: $(VENV)/.app
	$(BIN)/python -m model build imagenet --to model/library $(if $(PHOTOS),--photos $(PHOTOS))

clean:
	rm -rf $(VENV) build
