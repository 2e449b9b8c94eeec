# SPDX-License-Identifier: MIT
# The commands a newcomer types; meson, ninja and the programs in tools/ do the work.

PREFIX  ?= /usr/local
DESTDIR ?=
BUILD   ?= build

.PHONY: all build demo test test-long bench proof matrix reach check format install deps clean

all: build

build: $(BUILD)/build.ninja
	@tools/deps build
	@ninja -C $(BUILD)

$(BUILD)/build.ninja:
	@tools/deps build
	@CC=gcc meson setup $(BUILD) --prefix=$(PREFIX)

# Two devices behind NATs, a server, and what wend does between them: all on this machine.
demo: build
	@tools/deps build test
	@WEND=$(abspath $(BUILD))/apps/wend WEND_WIRE=$(abspath $(BUILD))/sim/wend-wire \
		/usr/bin/python3 tests/lab/demo.py

# The last line of both is 'N passed, N failed, N skipped'.
test:
	@tools/deps build test
	@tools/test --build $(BUILD)

test-long:
	@tools/deps build test
	@tools/test --long --build $(BUILD)

check:
	@tools/deps build test
	@tools/test --only check --build $(BUILD)

bench: build
	@tools/deps build bench
	@WEND_BUILD=$(abspath $(BUILD)) bench/run

# Every number that wend promises about paths, as a table of goal and measured.
proof: build
	@tools/deps build test bench
	@WEND_BUILD=$(abspath $(BUILD)) bench/proof

# Who can reach whom: every NAT against every NAT, from the simulator.
matrix: build
	@$(BUILD)/sim/wend-sim-fast --matrix --jobs 2

# The same as docs/reach.md, for people who run networks.
reach: build
	@tools/reach-table --sim $(BUILD)/sim/wend-sim-fast --out docs/reach.md

format:
	@tools/deps build test
	@tools/check-format --fix

install: build
	@meson configure $(BUILD) -Dprefix=$(PREFIX)
	@ninja -C $(BUILD)
	@meson install -C $(BUILD) --no-rebuild --quiet $(if $(DESTDIR),--destdir $(abspath $(DESTDIR)))

deps:
	@tools/deps build test bench

clean:
	rm -rf $(BUILD) $(BUILD)-clang
