# The front door. The building itself is meson's (meson.build); this file installs what is missing and knows the
# four builds: plain gcc, clang, sanitizers, fuzzers.

BUILD   ?= build
PREFIX  ?= /usr/local
DESTDIR ?=
SEC     ?= 60
SEED    ?= 1
T       ?=

# Leaks are errors in every test; a bad shift or overflow stops the program instead of printing a line.
SAN_ENV = ASAN_OPTIONS=detect_leaks=1:detect_stack_use_after_return=1:strict_string_checks=1:abort_on_error=1 \
          UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1:abort_on_error=1

# b_lundef=false: the sanitizers' functions come from the program, not from a library.
SANITIZE = -Db_sanitize=address,undefined -Db_lundef=false

# Makes a build directory: compiler, directory, options. Silent unless it fails.
setup = CC=$(1) meson setup $(2) $(3) >$(2).log 2>&1 && rm -f $(2).log || { cat $(2).log; rm -f $(2).log; exit 1; }

.DEFAULT_GOAL := build
.PHONY: build demo check check-san soak bench fuzz sim install uninstall format lint packages clean help

build: $(BUILD)/build.ninja ## build everything (plain gcc), into build/
	@ninja -C $(BUILD)

demo: build ## the main job in 15 seconds: an unmodified program behind our own TCP/IP stack
	@$(BUILD)/runnel demo

check: packages-test $(BUILD)/build.ninja build-clang/build.ninja ## all tests, gcc; and everything compiles with clang
	@ninja -C $(BUILD)
	@ninja -C build-clang
	@tools/run-tests.py $(BUILD)

check-san: packages-test build-san/build.ninja ## the same tests under AddressSanitizer and UBSan, leaks included
	@ninja -C build-san
	@$(SAN_ENV) tools/run-tests.py --title sanitizers build-san

soak: packages-test build ## the network tests with the sizes and times of the real world: 1 GiB files, a minute of noise
	@RN_LONG=1 tools/run-tests.py --suite netns --patience 4 $(BUILD)

bench: packages-bench build ## compare with peers and limits; ARGS='--only m3 --rounds 3' are handed on (bench/README.md)
	@bench/bench.py --build $(BUILD) $(ARGS)

fuzz: packages-test build-fuzz/build.ninja ## fuzz one target (T=name) or all, SEC=60 seconds each
	@ninja -C build-fuzz fuzzers
	@tools/fuzz.sh build-fuzz $(SEC) $(T)

sim: packages-test build ## simulations: whole stacks over bad links, virtual time; SEC=60 seconds, SEED=1 the first world
	@$(BUILD)/tests/sim/sim --conns 1000000000 --seconds $(SEC) --seed $(SEED) --jobs $$(nproc)

install: build ## install below PREFIX=/usr/local (DESTDIR= is put before it)
	@meson configure $(BUILD) -Dprefix=$(PREFIX)
	@DESTDIR=$(DESTDIR) meson install -C $(BUILD)

uninstall: ## remove what the last `make install` from this tree installed
	@ninja -C $(BUILD) uninstall

format: packages-lint ## clang-format every C file
	@git ls-files -co --exclude-standard '*.c' '*.h' | xargs clang-format -i

lint: packages-lint build-clang/build.ninja ## clang-tidy and cppcheck; what did not change since is not looked at again (FILES= for some)
	@ninja -C build-clang
	@tools/lint.py build-clang $(FILES)

packages: packages-build packages-test ## install what building and testing need (root), or say how
packages-%:
	@tools/packages.sh build $*

$(BUILD)/build.ninja:
	@tools/packages.sh build
	@$(call setup,gcc,$(BUILD))
build-clang/build.ninja:
	@$(call setup,clang,build-clang)
build-san/build.ninja:
	@$(call setup,clang,build-san,$(SANITIZE) -Doptimization=1)
build-fuzz/build.ninja:
	@$(call setup,clang,build-fuzz,$(SANITIZE) -Dfuzz=true)

clean: ## remove all build directories
	rm -rf build build-clang build-san build-fuzz

help: ## this list
	@awk -F ':.*## ' '/^[a-z][a-z-]*:.*## / { printf "make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
