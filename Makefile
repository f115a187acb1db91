# Every command a person needs. `make` alone lists them.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
# One shell for a whole recipe: what `tests/databases` exports is there for the lines below it.
.ONESHELL:

TARGET := $(or $(CARGO_TARGET_DIR),$(CURDIR)/target)
TOOLS := $(TARGET)/tools
DENY_VERSION := 0.20.2
FUZZ_VERSION := 0.13.2
# Each fuzz target runs for so long.
SECONDS_EACH := $(or $(SECONDS),60)
# End-to-end tests wait more than they compute, so that several of their files at a time pay even on two processors.
E2E_WORKERS ?= 4
PYTEST := .venv/bin/python -m pytest tests/e2e -n $(E2E_WORKERS) --dist loadfile

.PHONY: help run test lint fmt unit instructions e2e e2e-all optimized bench soak fuzz docs screenshots vendor tools

help: ## List these targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

run: ## Build, migrate and start the gateway on the embedded database, with a simulated provider
	@bins/gateway/run.sh

test: lint unit instructions e2e-all ## Everything CI runs: lint, unit and integration tests, instruction counts, end to end on three databases

lint: tools ## Formatting, clippy and the rules for dependencies
	cargo fmt --all --check
	cargo clippy --workspace --all-targets --locked -- -D warnings
	PATH="$(TOOLS)/bin:$$PATH" cargo deny --log-level error check bans licenses sources

fmt: ## Format the code
	cargo fmt --all

unit: ## Unit, integration and documentation tests, on SQLite, PostgreSQL, MariaDB and Redis
	databases="$$(tests/databases)"; eval "$$databases"
	cargo test --workspace --locked

instructions: ## Count the instructions of the hot path and compare with the baseline, or write that anew: UPDATE=1
	tests/valgrind
	cargo build --profile instructions --locked -p instructions
	"$(TARGET)/instructions/instructions" $(if $(UPDATE),--update)

e2e: .venv/ready tests/e2e/js/node_modules/ready ## End to end on SQLite: the real binaries, driven by the official SDKs
	cargo build --workspace --bins --locked
	BIN_DIR="$(TARGET)/debug" E2E_DATABASE=sqlite $(PYTEST)

e2e-all: e2e ## The same on PostgreSQL, and on MariaDB with one processor for each gateway
	databases="$$(tests/databases)"; eval "$$databases"
	BIN_DIR="$(TARGET)/debug" E2E_DATABASE=postgres $(PYTEST)
	BIN_DIR="$(TARGET)/debug" E2E_DATABASE=mysql E2E_PROCESSORS=1 $(PYTEST)

optimized: ## Gateway and migrator in target/optimized, built by a profile of what the gateway does under load: about a sixth less CPU
	@bins/gateway/optimize.sh

bench: ## Load benchmark beside bare proxies and nginx, of SCENARIOS=usual (or all), and the benchmarks of the hot path
	cargo build --release --locked -p gateway -p migrator -p simulator-bin -p bench
	case "$(SCENARIOS)" in *all*|*postgres*) databases="$$(tests/databases)"; eval "$$databases";; esac
	"$(TARGET)/release/bench" run --gateway "$(TARGET)/release/gateway" --rounds 3 --seconds 1.5 \
		--scenarios "$(or $(SCENARIOS),usual)" --out "$(TARGET)/bench.json" --plot "$(TARGET)/bench.svg"
	cargo bench --locked -p router -p protocol -p health -p stats -p access -p budgets --bench '*' -- --warm-up-time 0.3 --measurement-time 0.7

soak: ## Mixed traffic, faults, outages and changes for MINUTES=5 on DATABASE=postgres (or sqlite), then the books
	cargo build --release --locked -p gateway -p migrator -p bench
	"$(TARGET)/release/bench" soak --gateway "$(TARGET)/release/gateway" --minutes $(or $(MINUTES),5) --database $(or $(DATABASE),postgres) --out "$(TARGET)/soak.json"

# The toolchain is the stable one, which has the sanitizers but keeps them behind a switch.
fuzz: $(TOOLS)/cargo-fuzz-$(FUZZ_VERSION) ## Throw hostile bytes at every parser, for SECONDS=60 each
	for target in envelope request response sse stream; do \
		mkdir -p tests/fuzz/corpus/$$target; \
		PATH="$(TOOLS)/bin:$$PATH" CARGO_TARGET_DIR="$(TARGET)/fuzz" RUSTC_BOOTSTRAP=1 \
		cargo fuzz run --fuzz-dir tests/fuzz $$target tests/fuzz/corpus/$$target tests/fuzz/seeds/$$target -- -max_total_time=$(SECONDS_EACH) -rss_limit_mb=2048; \
	done

docs: ## The crates' documentation
	cargo doc --workspace --no-deps --locked

screenshots: .venv/ready ## Pictures of every page of the console, or those of ONLY="keys logs", into docs/screenshots
	cargo build --workspace --bins --locked
	BIN_DIR="$(TARGET)/debug" .venv/bin/python tests/e2e/screenshots.py $(ONLY)

vendor: ## Fetch the console's libraries anew, at the versions in crates/console/vendor.sh
	crates/console/vendor.sh

tools: $(TOOLS)/cargo-deny-$(DENY_VERSION)

$(TOOLS)/cargo-deny-$(DENY_VERSION):
	cargo install cargo-deny --version $(DENY_VERSION) --locked --root "$(TOOLS)"
	touch $@

$(TOOLS)/cargo-fuzz-$(FUZZ_VERSION):
	cargo install cargo-fuzz --version $(FUZZ_VERSION) --locked --root "$(TOOLS)"
	touch $@

.venv/ready: tests/e2e/requirements.txt tests/python
	tests/python .venv
	.venv/bin/pip install --quiet --requirement tests/e2e/requirements.txt
	touch $@

tests/e2e/js/node_modules/ready: tests/e2e/js/package-lock.json tests/node
	tests/node tests/e2e/js
	touch $@
