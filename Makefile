# Every target works on a machine with Python >= 3.11 and make; what is needed is installed into .venv.
SHELL := /bin/bash
.DEFAULT_GOAL := help
.PHONY: help demo test check gen fmt bench bench-check lock tools suites clean

VENV := .venv
PY := $(VENV)/bin/python
BIN := $(VENV)/bin
PROMTOOL := .tools/promtool
# Environments of the peers that `make bench` measures, named like their lock files.
PEERS := bench bench-logfire bench-openlit
ARGS ?=

# The newest Python there is, from 3.11 on. `make PYTHON=/path/to/python …` takes that one.
PYTHON ?= $(shell for name in python3 python3.14 python3.13 python3.12 python3.11 python; do \
	"$$name" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1 && { echo "$$name"; break; }; done)

help:  ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 13

demo: $(VENV)/.demo  ## run the main job: an agent backend under traffic, observed (make demo ARGS="--for 60 --keep")
	@$(BIN)/capibara-otel demo $(ARGS)

# What holds for one of the two pipelines only is not run on the other.
OWN := pipeline/metrics pipeline/traces pipeline/logs pipeline/otlp pipeline/page registry semconv gen demo/engines benchmarks

test: $(VENV)/.dev tools suites  ## run all tests, with coverage: on the own pipeline, then on the official SDK (make test ARGS="-k words")
	@$(BIN)/coverage erase
	$(BIN)/coverage run -m pytest $(ARGS)
	$(if $(ARGS),@true,CAPIBARA_PIPELINE=sdk $(BIN)/coverage run -m pytest $(OWN:%=--ignore=tests/unit/%) --ignore=tests/integration/suites --ignore=tests/integration/pipeline/otlp --ignore=tests/integration/pipeline/page)
	@$(BIN)/coverage combine -q
	@$(BIN)/coverage report $(if $(ARGS),--fail-under=0)

check: $(VENV)/.dev  ## format, lint, types, layers, generated files, registry
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(PY) -m capibara_otel.gen --check

gen: $(VENV)/.dev  ## write every file that the registry decides
	$(PY) -m capibara_otel.gen

fmt: $(VENV)/.dev  ## format the code and mend what the linter can mend
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(PEERS:%=.bench/%/.ready)  ## measure us and the peers side by side; writes docs/benchmarks.md (make bench ARGS="--quick", "--only request", "--list")
	@.bench/bench/bin/python -m benchmarks $(ARGS)

bench-check: $(VENV)/.dev  ## demand that plain OpenTelemetry costs several times as much, in one short run
	@$(PY) -m benchmarks --check

lock: $(VENV)/.dev  ## compile the lock files anew (requirements/*.txt)
	$(BIN)/uv pip compile -q pyproject.toml --extra all --group dev --group build $(LOCK) -o requirements/dev.txt
	$(BIN)/uv pip compile -q pyproject.toml --extra all --group build -c requirements/dev.txt $(LOCK) -o requirements/demo.txt
	$(BIN)/uv pip compile -q pyproject.toml requirements/bench.in --extra fastapi --extra grpc --group build -c requirements/dev.txt $(LOCK) -o requirements/bench.txt
	$(BIN)/uv pip compile -q requirements/bench-logfire.in -c requirements/bench.txt $(LOCK) -o requirements/bench-logfire.txt
	$(BIN)/uv pip compile -q requirements/bench-openlit.in -c <(grep -oE '$(SAME)==[^ ]+' requirements/bench.txt) --no-annotate $(LOCK) -o requirements/bench-openlit.txt

	$(BIN)/uv pip compile -q requirements/suites.in --no-deps $(LOCK) -o requirements/suites.txt

# Without OpenTelemetry, of which openlit pins other versions.
SAME := ^(fastapi|starlette|anyio|pydantic|pydantic-core|uvicorn|uvloop|httptools)

# Hashes, markers for every platform, no address of an index.
LOCK := --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-find-links --custom-compile-command "make lock"

tools: $(if $(shell command -v go),$(PROMTOOL))  ## build promtool, which some tests need; without Go they say so and are skipped

$(PROMTOOL): tools/promtool/go.mod tools/promtool/go.sum
	cd tools/promtool && go build -mod=readonly -tags remove_all_sd -trimpath -ldflags='-s -w' -o ../../$(PROMTOOL) \
		github.com/prometheus/prometheus/cmd/promtool
	@touch $(PROMTOOL)

suites: .tools/suites/.ready  ## fetch the published test suites of OpenTelemetry's instrumentations, which some tests run

.tools/suites/.ready: requirements/suites.txt tools/suites/unpack.py | $(VENV)/.dev
	@$(PY) -m pip download -q --disable-pip-version-check --require-hashes --no-deps --no-binary :all: --no-build-isolation -d .tools/suites -r requirements/suites.txt
	@$(PY) tools/suites/unpack.py .tools/suites
	@touch $@

clean:  ## remove everything that was installed or built here
	rm -rf $(VENV) .tools .bench .coverage* .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache build dist

$(PY):
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer is needed and was not found; name it: make PYTHON=/path/to/python"; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/.demo: requirements/demo.txt pyproject.toml | $(PY)
	@test -f $(VENV)/.dev || $(PY) -m pip install -q --disable-pip-version-check --require-hashes -r requirements/demo.txt
	@$(PY) -m pip install -q --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

$(VENV)/.dev: requirements/dev.txt pyproject.toml | $(PY)
	@$(PY) -m pip install -q --disable-pip-version-check --require-hashes -r requirements/dev.txt
	@$(PY) -m pip install -q --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

# The first one has this package too.
.bench/%/.ready: requirements/%.txt | $(PY)
	@$(PY) -m venv .bench/$*
	@.bench/$*/bin/python -m pip install -q --disable-pip-version-check --require-hashes -r $<
	@$(if $(filter bench,$*),.bench/$*/bin/python -m pip install -q --disable-pip-version-check --no-deps --no-build-isolation -e .)
	@touch $@
