# SPDX-License-Identifier: MIT
#
# Makefile - builds, tests and runs toq. `make help` lists what it can do; `make V=1` shows commands.
#
# One make builds one variant into build/$(VARIANT)/: every object but main.o goes into
# libtoq.a, and server, tests and fuzzers link with that. Sources are found by wildcard, so a new
# file needs no line here. Targets that people type call scripts/deps and then make again, because
# a fresh machine cannot answer pkg-config before its packages are there.

VARIANT      ?= release
PROFILING    ?= yes
PREFIX       ?= /usr/local
FUZZ_SECONDS ?= 60

ifeq ($(PROFILING),no)
override VARIANT := noprof
endif
ifeq ($(filter release debug asan tsan fuzz noprof,$(VARIANT)),)
$(error VARIANT=$(VARIANT): release, debug, asan, tsan, fuzz or noprof)
endif
ifeq ($(VARIANT),noprof)
override PROFILING := no
endif

B := build/$(VARIANT)

MAKEFLAGS += --no-builtin-rules --no-print-directory
ifeq ($(MAKELEVEL),0)
MAKEFLAGS += -j$(shell nproc)
endif
.DEFAULT_GOAL := all
.DELETE_ON_ERROR:
.SUFFIXES:

Q := $(if $(V),,@)
# -s says nothing; a build that was counted before (counted) says how far it is.
QUIET = $(or $(V),$(findstring s,$(filter-out -%,$(firstword $(MAKEFLAGS)))))
step  = $(if $(TOTAL),printf . >>$(B)/steps; printf '  [%3d/%d] ' $$(stat -c %s $(B)/steps) $(TOTAL);) \
        printf '  %-7s %s\n'
say   = $(if $(QUIET),,@$(step) '$(1)' '$(patsubst $(B)/%,%,$@)')

# ---- flags ---------------------------------------------------------------------------------------

CC     := $(if $(filter fuzz,$(VARIANT)),clang,gcc)
WERROR ?= -Werror

# debug: what a debugger shows is what the source says, macros too.
OPTIMIZE_release := -O2
OPTIMIZE_noprof  := -O2
OPTIMIZE_debug   := -Og -g3
OPTIMIZE         := $(or $(OPTIMIZE_$(VARIANT)),-O1)
SANITIZE_asan := -fsanitize=address,undefined -fno-sanitize-recover=undefined
SANITIZE_tsan := -fsanitize=thread
SANITIZE_fuzz := -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=undefined
SANITIZE      := $(SANITIZE_$(VARIANT))

# As Debian builds what serves a network: canaries, checked copies, and what the linker has resolved is
# read-only. A sanitizer checks the same and more, and intercepts the unchecked functions.
HARDEN   := $(if $(SANITIZE),,-fstack-protector-strong -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2)
# Sources and headers are named by absolute paths, so that debuggers and `go tool pprof` find them from
# any directory; the program itself sees paths below the root.
# Frame pointers and -g in every object: the profiler names each frame and the unwinder's tests
# compare against them. No PLT: a call through it would cost a jump and show up as a frame.
CODEGEN  := -g $(OPTIMIZE) $(SANITIZE) $(HARDEN) -fno-omit-frame-pointer -fno-plt -fPIE -pthread \
            -fmacro-prefix-map=$(CURDIR)/=
# A call that ends a function stays a call where requests begin to wait, so that the stack of the wait
# has the handler in it.
$(B)/handlers/%.o $(B)/docs/%.o $(B)/core/sql/%.o $(B)/core/redis/%.o $(B)/core/client/%.o \
$(B)/test/support/%.o: CODEGEN += -fno-optimize-sibling-calls

# What a row of a table leaves out is 0.
WARNINGS := -Wall -Wextra -Wshadow -Wconversion -Wstrict-prototypes -Wmissing-prototypes -Wvla \
            -Wformat=2 -Wno-missing-field-initializers $(WERROR)
# clang's idea of -Wconversion is another one; gcc is the judge.
ifeq ($(VARIANT),fuzz)
WARNINGS := -Wall
endif
# llhttp's header and sources must agree on strictness, so every unit is told.
LLHTTP_CPPFLAGS := -DLLHTTP_STRICT_MODE=1 -isystem /usr/share/include/llhttp
CPPFLAGS_ALL     = -std=gnu11 -D_GNU_SOURCE -I$(CURDIR) -isystem $(CURDIR)/$(B)/gen $(LLHTTP_CPPFLAGS) \
                   $(LIB_CFLAGS)
DEPFLAGS         = -MMD -MP
LDFLAGS_ALL     := -pie -pthread -Wl,-z,relro,-z,now -Wl,--as-needed -Wl,--build-id $(SANITIZE)
# What our code calls of the C library's functions that sleep goes through frames that save the frame
# pointer; the list is the source's.
SAVE_FP         := profiling/cpu/asleep_frames.c
# Nothing but assembler: its lines are the assembler's to write down.
# clang, which builds the fuzzers, has no such option.
$(SAVE_FP:%.c=$(B)/%.o): CODEGEN += $(if $(filter fuzz,$(VARIANT)),,-g0 -Wa,--gdwarf-5)
ifneq ($(PROFILING),no)
LDFLAGS_ALL     += $(shell sed -n 's/^ARCH_SAVE_FP(\(.*\));$$/-Wl,--wrap=\1/p' $(SAVE_FP))
endif

# Asked once and only when something is compiled or linked: see the head.
LIBRARIES  := libuv libnghttp2 libprotobuf-c libdw libelf zlib hiredis libmariadb libcrypto libssl libcurl
# A sanitizer has a malloc of its own.
ifeq ($(SANITIZE),)
LIBRARIES  += jemalloc
endif
LIB_CFLAGS  = $(eval LIB_CFLAGS := $(call pkg_cflags))$(LIB_CFLAGS)
pkg_cflags  = $(if $(shell pkg-config --exists $(LIBRARIES) && echo found),$(shell pkg-config \
              --cflags $(LIBRARIES)),$(error packages are missing; run: make deps))
LIB_LIBS    = $(eval LIB_LIBS := $(shell pkg-config --libs $(LIBRARIES)) -lm)$(LIB_LIBS)

# ---- sources -------------------------------------------------------------------------------------

# What differs between processors is a file of its own, named for the processor.
FOREIGN := $(filter-out %_$(shell uname -m),%_x86_64 %_aarch64)
# Every source and header of the server, in rooms of any depth.
OURS    := $(filter-out $(FOREIGN:%=%.c) $(FOREIGN:%=%.h),$(sort $(shell find core handlers profiling \
           config -name '*.[ch]')))

# What the executable defines in place of the C library. A sanitizer defines the same: TSan must see
# each lock, and ASan each thread, so its builds take the stand-ins, *_hook_none.c.
STAND_INS := $(filter %_hook_none.c,$(OURS))
HOOKS_OUT := $(if $(SANITIZE),$(STAND_INS:%_none.c=%.c),$(STAND_INS))
# What serves pprof, and what answers in its place in a build without the profiler.
PPROF     := $(filter handlers/diagnostics/pprof/pprof%.c handlers/diagnostics/pprof/debug_index.c,$(OURS))

SOURCES := $(filter-out handlers/main.c $(HOOKS_OUT) $(PPROF),$(filter %.c,$(OURS)))
# A service's files lie below a root as their packages do, which is how clients import them: that of
# all, or a module's own.
PROTO_ROOTS    := handlers/proto $(wildcard handlers/*/proto)
PROTOC_INPUT   := $(PROTO_ROOTS:%=-I%) -I/usr/include
PROTO_FILES    := $(wildcard $(foreach root,$(PROTO_ROOTS),$(root)/*/*/*.proto $(root)/*/*/*/*.proto))
SERVICE_PROTOS := $(foreach root,$(PROTO_ROOTS),$(patsubst $(root)/%,%,$(filter $(root)/%,$(PROTO_FILES))))
# What they import of protobuf's own, and what reflection reads their descriptions with.
PACKAGED_PROTOS := $(patsubst %,google/protobuf/%.proto,any descriptor empty field_mask timestamp)
PROTOS          := $(SERVICE_PROTOS) $(PACKAGED_PROTOS) $(wildcard core/export/*.proto)
# The test server has services of its own.
TEST_PROTO_ROOT := test/support/proto
TEST_PROTOS     := $(foreach depth,*/*.proto */*/*.proto */*/*/*.proto,$(patsubst \
                   $(TEST_PROTO_ROOT)/%,%,$(wildcard $(TEST_PROTO_ROOT)/$(depth))))
ifeq ($(PROFILING),no)
SOURCES := $(filter-out profiling/%,$(SOURCES)) $(filter %_none.c,$(PPROF))
else
SOURCES += $(filter-out %_none.c,$(PPROF))
PROTOS  += $(shell find profiling -name '*.proto')
endif
LLHTTP_SOURCES := api http llhttp

# The page at /debug/pprof/ui/: bundled, compressed, and in the binary.
UI        := handlers/diagnostics/ui
UI_NPM    := build/npm/ui
UI_ASSETS := index.html ui.css ui.js icon.svg

GENERATED   := $(PROTOS:%.proto=$(B)/gen/%.pb-c.c)
GENERATED_H := $(GENERATED:.c=.h)
DESCRIPTORS := $(B)/gen/descriptors.o
OBJECTS     := $(SOURCES:%.c=$(B)/%.o)
LIB_OBJECTS := $(OBJECTS) $(GENERATED:.c=.o) $(DESCRIPTORS) $(LLHTTP_SOURCES:%=$(B)/llhttp/%.o) \
               $(if $(filter no,$(PROFILING)),,$(B)/gen/ui_assets.o)
MAIN_OBJECT := $(B)/handlers/main.o
LIBRARY     := $(B)/libtoq.a
# What reads the configuration at the start has the largest frame, 102 KiB; a sanitizer's are larger.
$(OBJECTS): WARNINGS += $(if $(SANITIZE),,-Wframe-larger-than=114688)

HEADERS := $(filter %.h,$(OURS)) $(wildcard test/support/*.h)

TEST_GENERATED := $(TEST_PROTOS:%.proto=$(B)/gen/%.pb-c.c)
TEST_SUPPORT := $(patsubst %.c,$(B)/%.o,$(wildcard test/support/*.c docs/examples/*.c)) \
                $(TEST_GENERATED:.c=.o) $(B)/gen/test_descriptors.o
UNIT_TESTS   := $(patsubst test/unit/%.c,$(B)/test/%,$(sort $(shell find test/unit -name 'test_*.c')))
FUZZERS      := $(patsubst test/fuzz/%.c,%,$(wildcard test/fuzz/fuzz_*.c))
REPLAYS      := $(FUZZERS:%=$(B)/replay/%)

# ---- build ---------------------------------------------------------------------------------------

.PHONY: all generated tests fuzzers
all: $(B)/toq_server $(if $(filter release,$(VARIANT)),build/toq_server)
tests: all $(UNIT_TESTS) $(REPLAYS) $(if $(TEST_SUPPORT),$(B)/toq_test_server $(B)/toq_demo)
fuzzers: $(FUZZERS:%=$(B)/%)
generated: $(GENERATED_H)
	@:

build/toq_server: $(B)/toq_server
	$(Q)ln -sfn release/toq_server $@

$(B)/toq_server: $(MAIN_OBJECT) $(LIBRARY)
	$(call say,LINK)
	$(Q)$(CC) $(LDFLAGS_ALL) -o $@ $^ $(LIB_LIBS) $(LDFLAGS)

# The server with faults on demand, for the tour: docs/demo is in no other binary.
DEMO_OBJECTS := $(B)/docs/demo/demo_module.o $(B)/docs/demo/demo_modules.o $(B)/gen/demo_page.o
$(B)/toq_demo: $(MAIN_OBJECT) $(DEMO_OBJECTS) $(LIBRARY)
	$(call say,LINK)
	$(Q)$(CC) $(LDFLAGS_ALL) -o $@ $^ $(LIB_LIBS) $(LDFLAGS)

$(B)/gen/demo_page.c: docs/demo/demo_page.html scripts/embed
	$(Q)mkdir -p $(@D)
	$(Q)scripts/embed demo_page $< >$@

# The server with modules that only tests have: their list, test/support/test_modules.c, takes the place of the
# archive's, so nothing of them is in the server that ships.
$(B)/toq_test_server: $(MAIN_OBJECT) $(TEST_SUPPORT) $(LIBRARY)
	$(call say,LINK)
	$(Q)$(CC) $(LDFLAGS_ALL) -o $@ $^ $(LIB_LIBS) $(LDFLAGS)

# Made anew each time, and also when a source is gone: ar would keep its object.
$(LIBRARY): $(LIB_OBJECTS) $(B)/objects
	$(call say,AR)
	$(Q)rm -f $@ && ar rcs $@ $(LIB_OBJECTS)

# Each object's local functions get its name for a prefix: see scripts/name-symbols.
NAMING := scripts/name-symbols

$(B)/%.o: %.c Makefile $(NAMING) | $(GENERATED_H)
	$(call say,CC)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(CPPFLAGS_ALL) $(CPPFLAGS_FILE) $(CPPFLAGS) $(DEPFLAGS) $(CODEGEN) $(WARNINGS) $(CFLAGS) -c -o $@ $(abspath $<)
	$(Q)$(NAMING) $@ $<

$(B)/llhttp/%.o: /usr/share/llhttp/%.c Makefile $(NAMING)
	$(call say,CC)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) -std=gnu11 $(LLHTTP_CPPFLAGS) $(DEPFLAGS) $(CODEGEN) -O2 -w -c -o $@ $(abspath $<)
	$(Q)$(NAMING) $@ $<

# The generated sources include their header by its path from gen/.
$(B)/gen/%.o: $(B)/gen/%.c Makefile $(NAMING) | $(GENERATED_H)
	$(call say,CC)
	$(Q)$(CC) -std=gnu11 -I$(CURDIR)/$(B)/gen $(LIB_CFLAGS) $(DEPFLAGS) $(CODEGEN) -w -c -o $@ $(abspath $<)
	$(Q)$(NAMING) $@ $<

define protoc
	$(call say,PROTOC)
	$(Q)mkdir -p $(B)/gen
	$(Q)protoc-c $(1) --c_out=$(B)/gen $<
endef

# protoc-c knows no presence in proto3, and its strings end at the first NUL. What it is shown of our own
# services is the same on the wire: proto2, where fields have presence, and bytes, which have a length. That a
# field was a string, which JSON has to know, comes through as protoc-c's one mark of a field, and becomes the
# flag GRPC_FIELD_IS_TEXT of core/grpc/grpc_json.h.
PROTO2 := s/^syntax = "proto3"/syntax = "proto2"/; \
          s/ *\[deprecated = true\];/;/; \
          /^ *oneof /,/^ *\}/!s/^( +)([[:alnum:]_.]+ [a-z0-9_]+ = [0-9]+;)/\1optional \2/; \
          s/^( +((optional|repeated) )?)string ([a-z0-9_]+ = [0-9]+);/\1bytes \4 [deprecated = true];/
TEXTS  := s/PROTOBUF_C_FIELD_FLAG_DEPRECATED/UINT32_C(1) << 31/; s/ PROTOBUF_C__DEPRECATED//
define rules_of_root
$$(B)/gen/%.pb-c.c $$(B)/gen/%.pb-c.h &: $(1)/%.proto
	$$(call protoc,$$(PROTOC_INPUT))
$$(B)/gen/toq/%.pb-c.c $$(B)/gen/toq/%.pb-c.h &: $(1)/toq/%.proto Makefile
	$$(call say,PROTOC)
	$$(Q)mkdir -p $$(B)/gen/proto/$$(dir toq/$$*)
	$$(Q)sed -E '$$(PROTO2)' $$< >$$(B)/gen/proto/toq/$$*.proto
	$$(Q)protoc-c -I$$(B)/gen/proto -I/usr/include --c_out=$$(B)/gen $$(B)/gen/proto/toq/$$*.proto
	$$(Q)sed -i '$$(TEXTS)' $$(B)/gen/toq/$$*.pb-c.c $$(B)/gen/toq/$$*.pb-c.h
endef
$(foreach root,$(PROTO_ROOTS),$(eval $(call rules_of_root,$(root))))

$(B)/gen/%.pb-c.c $(B)/gen/%.pb-c.h &: $(TEST_PROTO_ROOT)/%.proto
	$(call protoc,$(PROTOC_INPUT) -I$(TEST_PROTO_ROOT))

$(B)/gen/%.pb-c.c $(B)/gen/%.pb-c.h &: /usr/include/%.proto
	$(call protoc,-I/usr/include)

$(B)/gen/%.pb-c.c $(B)/gen/%.pb-c.h &: %.proto
	$(call protoc)

# What reflection tells clients: every file of the services, with what it imports. A file that comes or goes
# changes the list of objects.
$(B)/gen/descriptors.set: $(PROTO_FILES) $(B)/objects
	$(Q)mkdir -p $(@D)
	$(Q)protoc $(PROTOC_INPUT) --include_imports --descriptor_set_out=$@ $(SERVICE_PROTOS)

$(B)/gen/test_descriptors.set: $(TEST_PROTOS:%=$(TEST_PROTO_ROOT)/%)
	$(Q)mkdir -p $(@D)
	$(Q)protoc $(PROTOC_INPUT) -I$(TEST_PROTO_ROOT) --include_imports --descriptor_set_out=$@ \
	    $(TEST_PROTOS)

$(B)/gen/%.c: $(B)/gen/%.set scripts/embed
	$(Q)scripts/embed $* $< >$@

# Pinned by a lock file; what is installed lies beside the builds of all variants.
$(UI_NPM)/installed.json: $(UI)/package.json $(UI)/package-lock.json scripts/npm-ci
	$(call say,NPM)
	$(Q)scripts/npm-ci $(UI) $(UI_NPM)

# main.js imports the other scripts and the styles.
$(B)/gen/ui/ui.js $(B)/gen/ui/ui.css &: $(wildcard $(UI)/*.js $(UI)/*.css) $(UI_NPM)/installed.json Makefile
	$(call say,BUNDLE)
	$(Q)NODE_PATH=$(UI_NPM)/node_modules $(UI_NPM)/node_modules/.bin/esbuild $(UI)/main.js --bundle \
	    --minify --format=iife --target=es2022 --log-level=warning --outfile=$(B)/gen/ui/ui.js

$(B)/gen/ui/%: $(UI)/%
	$(Q)mkdir -p $(@D)
	$(Q)cp $< $@

$(B)/gen/ui_assets.c: $(UI_ASSETS:%=$(B)/gen/ui/%) scripts/embed
	$(Q)for asset in $(UI_ASSETS); do gzip -9nc $(B)/gen/ui/$$asset >$(B)/gen/ui/$$asset.gz && \
	    scripts/embed ui_$$(echo $$asset | tr . _) $(B)/gen/ui/$$asset.gz; done >$@

$(patsubst %.c,$(B)/%.o,$(wildcard test/support/*.c docs/examples/*.c)): | $(TEST_GENERATED:.c=.h)

# Each header compiles alone, so the order of includes never matters.
.PHONY: headers
headers: $(HEADERS:%=$(B)/headers/%.ok)
$(B)/headers/%.ok: % Makefile | $(GENERATED_H)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(CPPFLAGS_ALL) -MMD -MP -MF $@.d -MT $@ $(CODEGEN) $(WARNINGS) -fsyntax-only -x c $<
	$(Q)touch $@

# Only main.o knows the version, so a commit compiles that file alone.
VERSION = $(eval VERSION := $(or $(shell git describe --always --dirty --tags 2>/dev/null),0.1.0))$(VERSION)
$(MAIN_OBJECT): CPPFLAGS_FILE = -DTOQ_VERSION='"$(VERSION)"'
$(MAIN_OBJECT): $(B)/version

# Stamps: written when their text changes, and what depends on it is made again. Also under make -n, which counts the
# steps (counted): else it would take them for new.
$(B)/version: TEXT = $(VERSION)
$(B)/objects: TEXT = $(LIB_OBJECTS)
$(B)/version $(B)/objects: FORCE
	+$(Q)mkdir -p $(@D)
	+$(Q)echo '$(TEXT)' | cmp -s - $@ || echo '$(TEXT)' >$@

$(UNIT_TESTS): $(B)/test/%: $(B)/test/unit/%.o $(LIBRARY)
	$(call say,LINK)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(LDFLAGS_ALL) -o $@ $^ $(LIB_LIBS) -lcmocka $(LDFLAGS)

# These two have messages of the test server's.
$(B)/test/unit/grpc/test_grpc_json.o $(B)/test/fuzz/fuzz_grpc_json.o: | $(TEST_GENERATED:.c=.h)

$(REPLAYS): $(B)/replay/%: $(B)/test/fuzz/%.o $(B)/test/fuzz/replay.o $(LIBRARY)
	$(call say,LINK)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(LDFLAGS_ALL) -o $@ $^ $(LIB_LIBS) $(LDFLAGS)

$(FUZZERS:%=$(B)/%): $(B)/%: $(B)/test/fuzz/%.o $(LIBRARY)
	$(call say,LINK)
	$(Q)$(CC) $(LDFLAGS_ALL) -fsanitize=fuzzer -o $@ $^ $(LIB_LIBS) $(LDFLAGS)

# ---- what people type ----------------------------------------------------------------------------

FORMATTED = $(shell find core handlers profiling config test docs/examples docs/demo -name '*.[ch]')

.PHONY: help deps run-dev run-prod debug-server interop-server test test-asan test-tsan fuzz check \
        fmt bench install clean distclean debug attach demo test-docs FORCE
help:
	@echo 'make               build build/toq_server'
	@echo 'make run-dev       install what is missing, build, start private MySQL and Redis, and run'
	@echo '                   with config/development.env'
	@echo 'make run-prod      the same with config/production.env, and with the servers it names'
	@echo 'make demo          the same with faults on demand, at http://localhost:8080/demo/: docs/tour.md'
	@echo 'make debug-server  the development server under gdbserver on 127.0.0.1:2345, for "Attach to'
	@echo '                   running TOQ Server" of VS Code; DEBUG_HOST= for another address'
	@echo 'make attach        gdb on the server of this checkout that runs; ATTACH_PID= for another one'
	@echo 'make debug         what F5 of VS Code needs: build/debug/toq_server, services, schema, listings'
	@echo 'make interop-server  the server with the service of gRPC'"'"'s interoperability tests, on'
	@echo '                   127.0.0.1:50051; it needs neither MySQL nor Redis'
	@echo 'make test          checks, unit tests, corpora, integration tests'
	@echo 'make test-docs     runs each command of README.md and docs/, and compares what it prints'
	@echo 'make test-asan     the tests with AddressSanitizer and UndefinedBehaviorSanitizer'
	@echo 'make test-tsan     the tests with ThreadSanitizer'
	@echo 'make check         the checks alone: format, cppcheck, house rules'
	@echo 'make fuzz          each fuzzer for FUZZ_SECONDS=$(FUZZ_SECONDS)'
	@echo 'make bench         speed and memory beside nginx, the listings beside a Go service, and gRPC'
	@echo '                   beside grpc-go and grpc++'
	@echo 'make fmt           format every C file'
	@echo 'make deps          install packages; FOR=run, services, test, check, fuzz, bench, debug, all'
	@echo 'make install       to DESTDIR and PREFIX=$(PREFIX)'
	@echo 'make clean         remove what was built, and stop the private servers; their data stays'
	@echo 'make distclean     remove build/ with the data of the private servers'
	@echo 'V=1 shows commands; VARIANT=debug, asan, tsan or fuzz builds another variant; PROFILING=no'
	@echo 'leaves the profiler out.'

deps:
	@scripts/deps $(or $(FOR),run)

# Builds $(1), and counts the steps before, so that each can say how many there are.
counted = +@mkdir -p $(B) && rm -f $(B)/steps && $(MAKE) $(1) \
          TOTAL=$$($(MAKE) -n TOTAL= $(1) | grep -c "printf '  %-7s")

run-dev run-prod: ENVIRONMENT = $(if $(filter run-dev,$@),development,production)
run-dev run-prod:
	@scripts/run $(ENVIRONMENT) --check
	@scripts/deps run
	$(call counted,all)
	@scripts/run $(ENVIRONMENT) $(B)/toq_server

# The server with faults on demand.
demo:
	@scripts/run development --check
	@scripts/deps run
	$(call counted,all $(B)/toq_demo)
	@scripts/run development $(B)/toq_demo

DEBUG_PORT = $(shell expr 2345 + 0$(PORT_OFFSET))
debug-server: debug-build
	@scripts/run development build/debug/toq_server scripts/debug build/debug/toq_server $(DEBUG_PORT)

.PHONY: debug-build
debug-build:
	@scripts/run development --check
	@scripts/deps debug
	+@$(MAKE) VARIANT=debug counted

.PHONY: counted
counted:
	$(call counted,all)

# The env files are config/'s with the private servers in them, and with timeouts that wait for a debugger.
debug: debug-build
	@for env in development production; do \
	    scripts/run $$env --prepare build/debug/toq_server build/debug/env || exit; \
	done

attach:
	@scripts/deps debug
	@scripts/attach $(ATTACH_PID)

# Loopback alone, for it serves whatever load a request asks for.
interop-server:
	@scripts/deps build
	@$(MAKE) $(B)/toq_test_server
	@ENV=development HTTP_HOST=127.0.0.1 GRPC_HOST=127.0.0.1 LOG_LEVEL=$${LOG_LEVEL:-info} \
	    $(B)/toq_test_server

test:
	@scripts/deps test
	@scripts/test release build check unit replay integration

test-docs:
	@scripts/deps test
	@$(MAKE) all $(B)/toq_demo $(B)/toq_test_server
	@scripts/test-docs

test-asan test-tsan: test-%:
	@scripts/deps test
	@scripts/test $* build unit replay integration

check:
	@scripts/deps check
	@$(MAKE) all
	@scripts/test release check

fmt:
	@scripts/deps fmt
	@clang-format -i $(FORMATTED)

# New finds stay in build/; what is worth keeping is copied into test/fuzz/corpus/ by hand.
fuzz:
	@scripts/deps fuzz
	@$(MAKE) VARIANT=fuzz fuzzers
	@$(MAKE) VARIANT=fuzz $(FUZZERS:%=run-%)

.PHONY: $(FUZZERS:%=run-%)
$(FUZZERS:%=run-%): run-fuzz_%:
	@mkdir -p $(B)/corpus/$* test/fuzz/corpus/$*
	@$(B)/fuzz_$* -max_total_time=$(FUZZ_SECONDS) -timeout=10 -print_final_stats=1 \
	    -artifact_prefix=$(B)/$*- $(B)/corpus/$* test/fuzz/corpus/$* >$(B)/$*.log 2>&1 \
	    || { tail -n 60 $(B)/$*.log; echo 'fuzz_$*: found something, see above'; exit 1; }
	@echo "fuzz_$*: nothing found, $$(sed -n 's/.*number_of_executed_units: //p' $(B)/$*.log) runs"

bench:
	@scripts/deps bench
	@$(MAKE) all $(B)/toq_test_server
	@/usr/bin/python3 test/bench/bench.py

install: all
	install -D -m 755 $(B)/toq_server $(DESTDIR)$(PREFIX)/bin/toq_server
	install -d $(DESTDIR)$(PREFIX)/share/toq/config $(DESTDIR)$(PREFIX)/share/doc/toq
	install -m 644 $(wildcard config/*.env) $(DESTDIR)$(PREFIX)/share/toq/config
	install -m 644 README.md LICENSE $(DESTDIR)$(PREFIX)/share/doc/toq
	@echo 'run it with CONFIG_DIR=$(PREFIX)/share/toq/config'

# The private servers go first: they would lose the files that they have open.
clean:
	@if [ -d build/services ]; then env -u TOQ_SERVICES_DIR scripts/services down; fi
	@if [ -d build ]; then find build -mindepth 1 -maxdepth 1 ! -name services -exec rm -rf {} +; fi

distclean: clean
	rm -rf build

FORCE:

.SECONDARY:
-include $(shell find $(B) -name '*.d' 2>/dev/null)
