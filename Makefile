# Every command a person needs. `make` alone lists them.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

TARGET := $(or $(CARGO_TARGET_DIR),$(CURDIR)/target)
TOOLS := $(TARGET)/tools
DENY_VERSION := 0.20.2
PYTEST := .venv/bin/python -m pytest tests/e2e

.PHONY: help run test lint fmt unit e2e e2e-all bench docs tools

help: ## List these targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / {printf "  make %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

run: ## Build, migrate and start the gateway on the embedded database, with a simulated provider
	@bins/gateway/run.sh

test: lint unit e2e-all ## Everything CI runs: lint, unit and integration tests, end to end on three databases

lint: tools ## Formatting, clippy and the rules for dependencies
	cargo fmt --all --check
	cargo clippy --workspace --all-targets --locked -- -D warnings
	PATH="$(TOOLS)/bin:$$PATH" cargo deny --log-level error check bans licenses sources

fmt: ## Format the code
	cargo fmt --all

unit: ## Unit, integration and documentation tests, on SQLite, PostgreSQL and MariaDB
	databases="$$(tests/databases)"; eval "$$databases"
	cargo test --workspace --locked

e2e: .venv/ready ## End to end on SQLite: the real binaries, driven by the official SDK
	cargo build --workspace --bins --locked
	BIN_DIR="$(TARGET)/debug" E2E_DATABASE=sqlite $(PYTEST)

e2e-all: e2e ## The same on PostgreSQL and MariaDB too
	databases="$$(tests/databases)"; eval "$$databases"
	for database in postgres mysql; do BIN_DIR="$(TARGET)/debug" E2E_DATABASE=$$database $(PYTEST); done

bench: ## Load benchmark beside bare proxies, and the benchmarks of the hot path
	cargo build --release --locked -p gateway -p migrator -p simulator-bin -p bench
	"$(TARGET)/release/bench" run --gateway "$(TARGET)/release/gateway" --out "$(TARGET)/bench.json"
	cargo bench --locked -p router -p protocol -p health -p stats

docs: ## The crates' documentation
	cargo doc --workspace --no-deps --locked

tools: $(TOOLS)/cargo-deny-$(DENY_VERSION)

$(TOOLS)/cargo-deny-$(DENY_VERSION):
	cargo install cargo-deny --version $(DENY_VERSION) --locked --root "$(TOOLS)"
	touch $@

.venv/ready: tests/e2e/requirements.txt tests/python
	tests/python .venv
	.venv/bin/pip install --quiet --requirement tests/e2e/requirements.txt
	touch $@
