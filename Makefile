# The few commands people type. `make demo` and `make test` do everything, installing packages included.
.DELETE_ON_ERROR:
SHELL := /bin/bash
JOBS ?= $(shell nproc)
BUILD := build
RELEASE := $(BUILD)/release
WEIR := $(RELEASE)/bin/weir
PREFIX ?= /usr/local

.PHONY: help demo build test unit scenarios sanitizers bench container soak lint format asan tsan fuzz install packages clean

help:
	@echo "make demo      build weir, record its built-in live source through faults, show the result"
	@echo "make test      everything CI needs: build, unit tests, sanitizers, scenarios, faults, fuzz samples"
	@echo "make unit      unit tests only"
	@echo "make bench     each figure beside a peer, as ratios"
	@echo "make container builds the images with Debian's docker, uses them (root; private engine)"
	@echo "make soak      the long forms: 10 minutes live, 200 kills (about an hour)"
	@echo "make lint      clang-format and clang-tidy"
	@echo "make asan|tsan unit tests under sanitizers; asan: scenarios too"
	@echo "make fuzz      every fuzz target for FUZZ_SECONDS (3600) each, two at a time"
	@echo "make install   weir into PREFIX ($(PREFIX))"

packages:
	@tools/install-packages build

build: packages
	@cmake --preset release -DWEIR_TESTS=OFF -DWEIR_BENCH=OFF --log-level=WARNING >/dev/null
	@cmake --build $(RELEASE) --target weir -j $(JOBS) -- --quiet

demo: build
	@tools/demo $(WEIR)

test:
	@tools/install-packages lint
	@tools/run-tests all

unit:
	@tools/install-packages test
	@tools/run-tests unit

asan:
	@tools/install-packages test
	@tools/run-tests asan

tsan:
	@tools/install-packages lint
	@tools/run-tests tsan

lint:
	@tools/install-packages lint
	@tools/lint

format:
	@git ls-files '*.cpp' '*.h' | xargs clang-format-14 -i

fuzz:
	@tools/install-packages lint
	@tools/run-fuzz $${FUZZ_SECONDS:-3600}

bench:
	@tools/install-packages bench
	@tools/run-bench

container:
	@tools/container-test

soak:
	@tools/install-packages test
	@tools/run-tests soak

install: build
	install -D -m 755 $(WEIR) $(DESTDIR)$(PREFIX)/bin/weir

clean:
	rm -rf $(BUILD)
