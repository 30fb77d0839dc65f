# What can be done here. `make` alone tells; every target does its own set-up and may be the first one called.

# Checks and tests compile with the same flags, so that everything is compiled once for both. SwiftPM passes neither on
# to the packages we depend on: their warnings stay theirs, and they are not compiled again when the flags change.
SWIFT_FLAGS ?= -Xswiftc -warnings-as-errors --explicit-target-dependency-import-check error

# e.g. make test TEST_ARGS='--filter UploadMachine' · make demo DEMO_ARGS=--help · make bench BENCH_ARGS='--runs 1'
# DOCKS_ARGS are those of Benchmarks/docks: make bench DOCKS_ARGS=--quick
TEST_ARGS ?=
DEMO_ARGS ?=
BENCH_ARGS ?=
DOCKS_ARGS ?=

# These start programs, the agent itself or ffmpeg, and wait for them on the few threads that all tests share. Each kind
# runs by itself, behind those that need nothing but a moment.
AGENT_TESTS = ^(CaptureAgent|Console)Tests
MEDIA_TESTS = ^Media(Probe|Forms)Tests
# Hundreds of broken requests and dozens of killed agents.
FAULT_TESTS = ^CurlTransportTests\.Scripted|^CaptureAgentTests\.(CrashPoint|PowerCut|SpoiledObject)Tests

SWIFT_SOURCES = $(wildcard Sources Tests Benchmarks) Package.swift
SHELL_SCRIPTS = $(shell grep -rlE '^#!.*bash|^\# shellcheck shell=bash' Scripts Benchmarks Config .ci)

.PHONY: help
help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' Makefile

.PHONY: demo
demo: ## a station with sample recordings, collected, copied and read back (needs nothing but this)
	@Scripts/install-dependencies build
	swift build --product capture-agent
	swift build --product capture-probe
	.build/debug/capture-agent demo $(DEMO_ARGS)

.PHONY: build
build: ## capture-agent and capture-probe, for use: .build/release
	@Scripts/install-dependencies build
	swift build -c release --product capture-agent
	swift build -c release --product capture-probe

.PHONY: check
check: ## form, layers, scripts, and a build in which warnings are errors
	@Scripts/install-dependencies test
	swift format lint --strict --recursive --parallel $(SWIFT_SOURCES)
	Scripts/check-layers --self-test
	Scripts/check-layers
	shellcheck -x $(SHELL_SCRIPTS)
	Scripts/s3/relay.py --self-test
	Scripts/s3/scripted.py --self-test
	Scripts/tus/strict.py --self-test
	swift build --build-tests $(SWIFT_FLAGS)

.PHONY: test
test: ## every test
	@Scripts/install-dependencies test
	@Scripts/test-tools >/dev/null
	@Scripts/s3/ceph fetch || echo "tests that need Ceph are skipped" # which this Debian may not have
	swift build --build-tests $(SWIFT_FLAGS)
	@sync # a gigabyte of build output on its way to the disk would hold up every fsync(2) of the tests
ifeq ($(strip $(TEST_ARGS)),)
	swift test --skip-build --disable-xctest $(SWIFT_FLAGS) --skip '$(AGENT_TESTS)|$(MEDIA_TESTS)|$(FAULT_TESTS)'
	swift test --skip-build --disable-xctest $(SWIFT_FLAGS) --filter '$(AGENT_TESTS)' --skip '$(FAULT_TESTS)'
	swift test --skip-build --disable-xctest $(SWIFT_FLAGS) --filter '$(FAULT_TESTS)'
	swift test --skip-build --disable-xctest $(SWIFT_FLAGS) --filter '$(MEDIA_TESTS)'
else
	swift test --skip-build --disable-xctest $(SWIFT_FLAGS) $(TEST_ARGS)
endif

.PHONY: fuzz
fuzz: ## random bytes against every parser, FUZZ_SECONDS=120 (a first build takes minutes)
	@Scripts/install-dependencies build
	Scripts/fuzz

.PHONY: bench
bench: build ## single steps beside their peers, capture-agent against rclone and s5cmd, and cards against cp (as root)
	@Scripts/install-dependencies test
	@Scripts/test-tools bench >/dev/null
	swift build -c release --product MicroBenchmarks
	.build/release/MicroBenchmarks --python "$$(Scripts/test-tools path)/python"
	Benchmarks/compare $(BENCH_ARGS)
	Benchmarks/docks $(DOCKS_ARGS) || [ $$? -eq 77 ] # needs root, and says so where it is not

.PHONY: clean
clean: ## remove everything that was built or fetched
	rm -rf .build
