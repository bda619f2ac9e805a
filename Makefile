# Everything goes through here. `make demo` and `make test` install what is missing and need nothing else.

cache := $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/culvert
engine_version := $(shell sed -n '/^name = "mozjs_sys"/{n;s/version = "\(.*\)"/\1/p}' Cargo.lock)

# Outside the checkout, so that what is compiled serves every checkout of this machine.
export CARGO_TARGET_DIR ?= $(cache)/target
# The compiled SpiderMonkey.
export MOZJS_ARCHIVE ?= $(cache)/libmozjs-$(engine_version)-$(shell uname -m).tar.gz
# A newer Node.js than Debian's, when scripts/setup had to bring one.
export PATH := $(cache)/node/bin:$(PATH)

culvert := $(CARGO_TARGET_DIR)/release/culvert

# What the dashboard is built from; directories too, so that a file that is gone counts as a change.
dashboard_sources := $(filter-out dashboard/src/api dashboard/src/api/schema.ts,$(shell find dashboard/src dashboard/public)) \
  $(addprefix dashboard/,index.html package.json package-lock.json tsconfig.json vite.config.ts)

# What the modules of Node.js are built from.
node_sources := $(shell find crates/workers/node/src) $(addprefix crates/workers/node/,build.mjs modules.mjs)
node_modules_built := crates/workers/node/dist/names.txt

.PHONY: help env setup build dashboard node-modules demo test test-rust test-builtins test-apps test-sdk node-tests test-dashboard test-errors test-postgres lint bench wpt test-clients

help:
	@echo "make demo    install what is missing, build, and show everything on this machine"
	@echo "make test    run everything there is to test"
	@echo "make test-dashboard   the tests of the dashboard only, in Chromium over the program itself"
	@echo "make test-errors   cause every connection error for real, and print what came of each"
	@echo "make test-postgres   PostgreSQL clients of npm in a Worker, through a tunnel, to a real PostgreSQL"
	@echo "make test-apps   applications from npm, deployed by stock wrangler and used, a minute or two"
	@echo "make test-sdk   Cloudflare's own SDK against the API, as Terraform's provider calls it"
	@echo "make node-tests NODE=DIR   run Node's own tests of its modules, from a source tree at DIR"
	@echo "make build   build the program: $(culvert)"
	@echo "make lint    formatting, clippy, eslint, types, licences"
	@echo "make dashboard   build the dashboard's files only, which make build puts into the program"
	@echo "make node-modules   build the modules of Node.js only, which make build puts into the program"
	@echo "make test-clients   run stock wrangler (two versions) and schemathesis against the API, and print what they say"
	@echo "make bench   measure (see bench/README.md)"
	@echo "make wpt WPT=DIR   run the Web Platform Tests of a checkout at DIR"
	@echo "make env     print the variables for working with cargo directly: eval \"\$$(make -s env)\""

env:
	@echo 'export CARGO_TARGET_DIR="$(CARGO_TARGET_DIR)" MOZJS_ARCHIVE="$(MOZJS_ARCHIVE)"'

setup:
	@scripts/setup build

$(MOZJS_ARCHIVE): | setup
	@scripts/engine $@

build: setup $(MOZJS_ARCHIVE) dashboard node-modules
	cargo build --release --locked --workspace

dashboard: dashboard/dist/index.html

node-modules: $(node_modules_built)

$(node_modules_built): node_modules/.installed $(node_sources)
	npm run --silent build:node

dashboard/node_modules/.installed: dashboard/package.json dashboard/package-lock.json | setup
	cd dashboard && npm ci --silent --no-audit --no-fund
	@touch $@

dashboard/dist/index.html: dashboard/node_modules/.installed $(dashboard_sources)
	cd dashboard && npm run --silent build -- --logLevel warn

demo: build
	@$(culvert) demo

test: lint test-rust test-builtins test-postgres test-sdk test-dashboard

test-rust: build
	@scripts/setup test
	cargo test --release --locked --workspace

# Causes every row of the table for real and prints what came of each.
test-errors: build
	@scripts/setup test
	cargo test --release --locked -p culvert --test it errors:: -- --nocapture

apps := crates/culvert/tests/apps

$(apps)/node_modules/.installed: $(apps)/package.json $(apps)/package-lock.json | setup
	cd $(apps) && npm ci --silent --no-audit --no-fund
	@touch $@

# Real applications from npm; their types are checked against those of Workers.
test-apps: build $(apps)/node_modules/.installed
	cd $(apps) && node_modules/.bin/tsc --project .
	cd $(apps) && CULVERT=$(culvert) node --test apps.test.mjs

sdk := crates/culvert/tests/sdk

$(sdk)/node_modules/.installed: $(sdk)/package.json $(sdk)/package-lock.json | setup
	cd $(sdk) && npm ci --silent --no-audit --no-fund
	@touch $@

# What Terraform's provider calls, called by Cloudflare's SDK, which is made from the same description.
test-sdk: build $(sdk)/node_modules/.installed
	cd $(sdk) && CULVERT=$(culvert) node --test sdk.test.mjs

# The tests are not part of this repository: the source of any release of Node.js has them. FILTER runs only files whose name has it.
node-tests: build $(apps)/node_modules/.installed
	@test -n "$(NODE)" || { echo "usage: make node-tests NODE=DIR [FILTER=TEXT], DIR being a source tree of Node.js"; exit 2; }
	CULVERT=$(culvert) node crates/culvert/tests/node/run.mjs $(NODE) $(FILTER)

node_modules/.installed: package.json package-lock.json | setup
	npm ci --silent --no-audit --no-fund
	@touch $@

# Stock wrangler and schemathesis against the API, and what they say.
test-clients: build
	@scripts/setup test
	cargo test --release --locked -p culvert --test it -- wrangler schemathesis --nocapture

test-builtins: node_modules/.installed
	npm run --silent check:builtins
	npm run --silent test:builtins

# The PostgreSQL clients of npm, in a Worker, through a tunnel, to a real PostgreSQL.
test-postgres: build node_modules/.installed
	@scripts/setup test
	CULVERT=$(culvert) node --no-warnings --test crates/culvert/tests/postgres/postgres.test.mjs

# In Chromium, over the program itself with real services, requests and faults.
test-dashboard: build
	@scripts/setup test
	cd dashboard && CULVERT=$(culvert) npm run --silent test

lint: build node_modules/.installed
	cargo fmt --all --check
	cargo clippy --release --locked --workspace --all-targets -- -D warnings
	npm run --silent lint:builtins
	cd dashboard && npm run --silent lint
	scripts/check-licences

bench: build
	bench/run

# The tests are not part of this repository: https://github.com/web-platform-tests/wpt. FILTER runs only files whose path has it.
wpt: build
	@test -n "$(WPT)" || { echo "usage: make wpt WPT=DIR [FILTER=TEXT], DIR being a checkout of the Web Platform Tests"; exit 2; }
	cargo run --release --locked --package workers --example wpt -- $(WPT) $(FILTER)
