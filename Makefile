# The only entrances: what people run is what CI runs.
#   make        .venv with everything the tests need
#   make run    the app, with its addresses and a QR code
#   make test   lint, types and all tests;  make check: lint and types alone
#   make bench  every figure in the README, measured again
#   make build  the bundles that ship, built again

VENV   := .venv
BIN    := $(VENV)/bin
PORT   ?= 8501
# Test files that run at once.
JOBS   ?= 2
# The first Python from 3.11 to 3.13 that can make a virtual environment.
PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11 python; do \
	$$p -c 'import sys, venv, ensurepip; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' \
	>/dev/null 2>&1 && echo $$p && break; done)
# Torch's own index has wheels without CUDA; it is asked once, for three seconds.
CPU_INDEX := https://download.pytorch.org/whl/cpu
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet

.PHONY: dev run serve test check format bench build clean
dev: $(VENV)/.dev

$(VENV)/.made:
	@test -n "$(PYTHON)" || { echo "Loupe needs Python 3.11, 3.12 or 3.13 with venv (on Debian: apt install python3-venv)."; exit 1; }
	@echo "Making $(VENV) with $$($(PYTHON) --version) ..."
	@$(PYTHON) -m venv $(VENV)
	@touch $@

$(VENV)/.app: requirements.txt $(VENV)/.made
	@echo "Installing the app (some minutes the first time) ..."
	@if [ "$$(uname -s)" = Linux ] && ! command -v nvidia-smi >/dev/null 2>&1 && \
	  $(BIN)/python -c 'import urllib.request as u; u.urlopen("$(CPU_INDEX)/torch/", timeout=3)' 2>/dev/null; then \
	  echo "Taking torch without CUDA from $(CPU_INDEX)"; \
	  grep -E '^torch(vision)?[><=]' requirements.txt > $(VENV)/torch.txt && \
	  $(PIP) install --index-url $(CPU_INDEX) -r $(VENV)/torch.txt; \
	else echo "Taking torch from the default index"; fi
	@$(PIP) install -r requirements.txt
	@touch $@

$(VENV)/.dev: requirements-dev.txt $(VENV)/.app
	@echo "Installing what the tests need ..."
	@$(PIP) install -r requirements-dev.txt
	@touch $@

run: $(VENV)/.app
	@$(BIN)/python -m ui.serve --port $(PORT)

test: check
	$(BIN)/python -m pytest -n $(JOBS) --dist loadfile

check: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(VENV)/.dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(VENV)/.dev
	$(BIN)/python -m benchmarks

build: $(VENV)/.app
	$(BIN)/python -m model build imagenet --to model/library

clean:
	rm -rf $(VENV) build
