# Every verb a person needs here. `make up` and `make test` set up what they need, once.
.DEFAULT_GOAL := help
.PHONY: help setup up down test check proof bench torture gen fresh-gen lock release clean

PYTHON ?= python3
BIN := .venv/bin
STAMP := .venv/.tillmesh-setup
PROTOS := $(shell find protos -name '*.proto' | sort)
# google/api/*.proto come with a wheel; google/protobuf/*.proto with the compiler.
SITE = $(shell $(BIN)/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
PROTOC = $(BIN)/python -m grpc_tools.protoc -I protos -I $(SITE)
IMAGE := .venv/image.binpb

help:            ## show this
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*##/\t/' | expand -t 12

setup: $(STAMP)  ## make .venv from requirements.lock (once; again when the lock changes)

$(STAMP): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Tillmesh needs Python 3.11 or newer, and $(PYTHON) is " + sys.version.split()[0])'
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-build-isolation --no-deps -e .
	@touch $@

up: setup        ## set up, start everything, and show it; Ctrl-C drains all
	$(BIN)/tillmesh up

down:            ## stop what `make up` or `tillmesh up --detach` started
	$(BIN)/tillmesh down

test: setup      ## unit, integration, process and short fault tests
	$(BIN)/python -m pytest -m "not proof and not torture"

check: setup     ## formatting, lint, types, import contracts, protos, drift: needs PyPI only
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	@mkdir -p $(dir $(IMAGE))
	$(PROTOC) --include_imports --include_source_info --descriptor_set_out=$(IMAGE) $(PROTOS:protos/%=%)
	$(BIN)/buf lint $(IMAGE) --path tillmesh
	$(BIN)/buf breaking $(IMAGE) --against protos/released.binpb
	@$(MAKE) --no-print-directory fresh-gen
	@diff -r -x __pycache__ gen $(FRESH) || { echo 'gen/ differs from protos/: run make gen'; exit 1; }

proof: setup     ## fault, conformance and real-peer suites
	$(BIN)/python -m pytest -m proof

bench: setup     ## every performance claim, measured
	$(BIN)/python -m benchmarks

torture: setup   ## the same suites for hours; not in CI
	$(BIN)/python -m pytest -m "proof or torture" --torture

gen: setup       ## remake gen/ from protos/, touching only what changes
	@$(MAKE) --no-print-directory fresh-gen
	@cd $(FRESH) && find tillmesh -type f | while read -r f; do cmp -s "$$f" "$(CURDIR)/gen/$$f" || install -D -m 644 "$$f" "$(CURDIR)/gen/$$f"; done
	@cd gen && find tillmesh -type f ! -path '*__pycache__*' | while read -r f; do test -e "$(CURDIR)/$(FRESH)/$$f" || rm "$$f"; done

FRESH := .venv/gen
fresh-gen:
	@rm -rf $(FRESH) && mkdir -p $(FRESH)
	@$(PROTOC) --python_out=$(FRESH) --grpc_python_out=$(FRESH) \
		--plugin=protoc-gen-mypy=$(BIN)/protoc-gen-mypy --mypy_out=quiet:$(FRESH) \
		--plugin=protoc-gen-mypy_grpc=$(BIN)/protoc-gen-mypy_grpc --mypy_grpc_out=quiet,generate_concrete_servicer_stubs:$(FRESH) \
		$(PROTOS:protos/%=%)
	@find $(FRESH)/tillmesh -type d -exec touch {}/__init__.py \;

LOCKER := .venv/lock
lock:            ## remake requirements.lock from pyproject.toml
	test -x $(LOCKER)/bin/pip-compile || { $(PYTHON) -m venv $(LOCKER) && $(LOCKER)/bin/pip install --quiet pip-tools==7.6.2; }
	$(LOCKER)/bin/pip-compile --quiet --extra dev --generate-hashes --strip-extras --allow-unsafe --no-emit-options \
		--no-emit-index-url --no-emit-find-links --no-emit-trusted-host -o requirements.lock pyproject.toml

release: setup   ## commit the API of this release as what `buf breaking` holds the next one to
	$(PROTOC) --include_imports --descriptor_set_out=protos/released.binpb $(PROTOS:protos/%=%)

clean:           ## remove what setup made; state in .tillmesh stays
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .import_linter_cache
