# Everything goes through here. `make demo` and `make test` install what is missing and need nothing else.

# Outside the checkout, so that SpiderMonkey is compiled once per machine and not once per checkout.
export CARGO_TARGET_DIR ?= $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/culvert/target
# A newer Node.js than Debian's, when scripts/setup had to bring one.
export PATH := $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/culvert/node/bin:$(PATH)

culvert := $(CARGO_TARGET_DIR)/release/culvert

.PHONY: help build demo test test-rust test-builtins lint bench clean

help:
	@echo "make demo    install what is missing, build, and show everything on this machine"
	@echo "make test    run everything there is to test"
	@echo "make build   build the program: $(culvert)"
	@echo "make lint    formatting, clippy, eslint, types, licences"
	@echo "make bench   measure (see bench/README.md)"

build:
	@scripts/setup build
	@scripts/build --package culvert

demo: build
	@$(culvert) demo

test: lint test-rust test-builtins

test-rust: build
	@scripts/setup test
	cargo test --release --locked --workspace

node_modules/.installed: package.json package-lock.json
	@scripts/setup test
	npm ci --silent --no-audit --no-fund
	@touch $@

test-builtins: node_modules/.installed
	npm run --silent check:builtins
	npm run --silent test:builtins

lint: node_modules/.installed
	@scripts/setup test
	cargo fmt --all --check
	@scripts/build --package culvert
	cargo clippy --release --locked --workspace --all-targets -- -D warnings
	npm run --silent lint:builtins
	scripts/check-licences

bench: build
	bench/run

clean:
	cargo clean --release --workspace
