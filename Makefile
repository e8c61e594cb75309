# `make demo` and `make test` need nothing before them but a Rust and a Go toolchain.
.DEFAULT_GOAL := help
.PHONY: help demo test contract chaos bench binary image up down clean-local build lint record wire audit sbom release

help: ## Say what can be made.
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: up build ## Build the example app on this machine, from git to images.
	@deploy/local/demo

test: up build ## Run every test, those on the real stack included.
	@tests/run

contract: toolchains up build ## Run the example pipelines in five languages; takes Java and Node.js, too.
	@. .local/env && cargo test --workspace --test stack_pipelines --test contract

chaos: up build ## Strike the stack while it builds: ARGS=--list names the cases, ARGS='name name' runs some.
	@. .local/env && target/debug/chaos $(ARGS)

# What is measured: `debug` is there already, `release` takes a while to build and is what counts.
PROFILE ?= debug

bench: up packages ## Measure builds, each against a floor: ARGS=--list names the lines, PROFILE=release what counts.
	@cargo build -p kiln -p kilnworks-tests --bin kiln --bin bench $(if $(filter release,$(PROFILE)),--release)
	@. .local/env && target/$(PROFILE)/bench $(ARGS)

binary: packages ## Build the `kiln` that is released, without the fault points of the tests.
	@deploy/image/binary

image: up build binary ## Build the worker's image on the local stack, by Kilnworks.
	@deploy/image/build

up: ## Start the single-machine stack and write .local/env.
	@deploy/local/up

down: ## Stop the stack; its state stays.
	@deploy/local/down

clean-local: ## Stop the stack and wipe its state.
	@deploy/local/clean

build: packages
	@cargo build --workspace

record: up build ## Record histories for the replay test: ARGS='name name', or all anew.
	@. .local/env && target/debug/record $(ARGS)

wire: packages ## Write docs/contract.md and docs/schema after a change of the contract: NOTE='what changed'.
	@KILN_CONTRACT_NOTE="$(NOTE)" cargo test --workspace --test contract_page

lint: packages ## Check format, lints and the stack's scripts.
	@cargo fmt --all --check
	@cargo clippy --workspace --all-targets -- -D warnings

audit: packages ## Check licences, registries and, given KILN_ADVISORY_DB, known vulnerabilities of what is depended on.
	@tests/audit

sbom: packages ## Write target/sbom/kiln.cdx.json: what is in `kiln`, in CycloneDX.
	@deploy/sbom

release: packages ## Compile target/release/kiln so that the same source makes the same bytes.
	@deploy/release

.PHONY: packages
packages:
	@deploy/local/parts/packages.sh

.PHONY: toolchains
toolchains:
	@tests/toolchains
