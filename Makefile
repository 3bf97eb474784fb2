# SPDX-License-Identifier: MIT
#
# Makefile - builds, tests and runs toq. `make help` lists what it can do; `make V=1` shows commands.
#
# One make builds one variant into build/$(VARIANT)/: every object but core/main.o goes into
# libtoq.a, and server, tests and fuzzers link with that. Sources are found by wildcard, so a new
# file needs no line here. Targets that people type call scripts/deps and then make again, because
# a fresh machine cannot answer pkg-config before its packages are there.

VARIANT   ?= release
PROFILING ?= yes
PREFIX    ?= /usr/local
SECONDS_PER_FUZZER := $(or $(FUZZ_SECONDS),60)

ifeq ($(PROFILING),no)
override VARIANT := noprof
endif
ifeq ($(filter release asan tsan fuzz noprof,$(VARIANT)),)
$(error VARIANT=$(VARIANT): release, asan, tsan, fuzz or noprof)
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
say = $(if $(V),,@printf '  %-7s %s\n' '$(1)' '$(patsubst $(B)/%,%,$@)')

# ---- flags ---------------------------------------------------------------------------------------

CC     := $(if $(filter fuzz,$(VARIANT)),clang,gcc)
WERROR ?= $(if $(filter fuzz,$(VARIANT)),,-Werror)

OPTIMIZE := $(if $(filter release noprof,$(VARIANT)),-O2,-O1)
SANITIZE_asan := -fsanitize=address,undefined -fno-sanitize-recover=undefined
SANITIZE_tsan := -fsanitize=thread
SANITIZE_fuzz := -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=undefined
SANITIZE      := $(SANITIZE_$(VARIANT))

# Frame pointers and -g in every object: the profiler names each frame and the unwinder's tests
# compare against them. No PLT: a call through it would cost a jump and show up as a frame.
CODEGEN  := $(OPTIMIZE) $(SANITIZE) -g -fno-omit-frame-pointer -fno-plt -fPIE -pthread
WARNINGS := -Wall -Wextra -Wshadow -Wconversion -Wstrict-prototypes -Wmissing-prototypes -Wvla \
            -Wformat=2 $(WERROR)
# llhttp's header and sources must agree on strictness, so every unit is told.
LLHTTP_CPPFLAGS := -DLLHTTP_STRICT_MODE=1 -isystem /usr/share/include/llhttp
CPPFLAGS_ALL     = -std=gnu11 -D_GNU_SOURCE -I. -isystem $(B)/gen $(LLHTTP_CPPFLAGS) $(LIB_CFLAGS)
DEPFLAGS         = -MMD -MP
LDFLAGS_ALL     := -pie -pthread -Wl,-z,now -Wl,--build-id $(SANITIZE)

# Asked once and only when something is compiled or linked: see the head.
LIBRARIES  := libuv libprotobuf-c libdw libelf zlib
LIB_CFLAGS  = $(eval LIB_CFLAGS := $(shell pkg-config --cflags $(LIBRARIES)))$(LIB_CFLAGS)
LIB_LIBS    = $(eval LIB_LIBS := $(shell pkg-config --libs $(LIBRARIES)))$(LIB_LIBS)

# ---- sources -------------------------------------------------------------------------------------

SOURCES := $(wildcard core/*/*.c config/*.c)
PROTOS  := $(wildcard handlers/*.proto)
ifeq ($(PROFILING),no)
SOURCES += $(filter-out $(filter-out %_none.c,$(wildcard handlers/pprof*.c)),$(wildcard handlers/*.c))
else
SOURCES += $(filter-out handlers/pprof_none.c,$(wildcard handlers/*.c)) $(wildcard profiling/*.c)
PROTOS  += $(wildcard profiling/*.proto)
endif
LLHTTP_SOURCES := api http llhttp

GENERATED   := $(PROTOS:%.proto=$(B)/gen/%.pb-c.c)
GENERATED_H := $(GENERATED:.c=.h)
OBJECTS     := $(SOURCES:%.c=$(B)/%.o)
LIB_OBJECTS := $(OBJECTS) $(GENERATED:.c=.o) $(LLHTTP_SOURCES:%=$(B)/llhttp/%.o)
MAIN_OBJECT := $(B)/core/main.o
LIBRARY     := $(B)/libtoq.a

TEST_SUPPORT := $(patsubst %.c,$(B)/%.o,$(wildcard test/support/*.c))
UNIT_TESTS   := $(patsubst test/unit/%.c,$(B)/test/%,$(wildcard test/unit/*/test_*.c))
FUZZERS      := $(patsubst test/fuzz/%.c,%,$(wildcard test/fuzz/fuzz_*.c))
REPLAYS      := $(FUZZERS:%=$(B)/replay/%)

# ---- build ---------------------------------------------------------------------------------------

.PHONY: all tests fuzzers
all: $(B)/toq_server $(if $(filter release,$(VARIANT)),build/toq_server)
tests: all $(UNIT_TESTS) $(REPLAYS) $(if $(TEST_SUPPORT),$(B)/toq_test_server)
fuzzers: $(FUZZERS:%=$(B)/%)

build/toq_server: $(B)/toq_server
	$(Q)ln -sfn release/toq_server $@

$(B)/toq_server: $(MAIN_OBJECT) $(LIBRARY)
	$(call say,LINK)
	$(Q)$(CC) $(LDFLAGS_ALL) -o $@ $^ $(LIB_LIBS) $(LDFLAGS)

# The server with routes that only tests have: routes_public is replaced at link time, so nothing
# of them is in the server that ships.
$(B)/toq_test_server: $(MAIN_OBJECT) $(TEST_SUPPORT) $(LIBRARY)
	$(call say,LINK)
	$(Q)$(CC) $(LDFLAGS_ALL) -Wl,--wrap=routes_public -o $@ $^ $(LIB_LIBS) $(LDFLAGS)

# Made anew each time: ar would keep the object of a source that is gone.
$(LIBRARY): $(LIB_OBJECTS)
	$(call say,AR)
	$(Q)rm -f $@ && ar rcs $@ $^

$(B)/%.o: %.c Makefile | $(GENERATED_H)
	$(call say,CC)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(CPPFLAGS_ALL) $(CPPFLAGS_FILE) $(CPPFLAGS) $(DEPFLAGS) $(CODEGEN) $(WARNINGS) $(CFLAGS) -c -o $@ $<

$(B)/llhttp/%.o: /usr/share/llhttp/%.c Makefile
	$(call say,CC)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) -std=gnu11 $(LLHTTP_CPPFLAGS) $(DEPFLAGS) $(CODEGEN) -O2 -w -c -o $@ $<

# The generated sources include their header by its path from gen/.
$(B)/gen/%.pb-c.o: $(B)/gen/%.pb-c.c Makefile
	$(call say,CC)
	$(Q)$(CC) -std=gnu11 -I$(B)/gen $(LIB_CFLAGS) $(DEPFLAGS) $(CODEGEN) -w -c -o $@ $<

$(B)/gen/%.pb-c.c $(B)/gen/%.pb-c.h &: %.proto
	$(call say,PROTOC)
	$(Q)mkdir -p $(B)/gen
	$(Q)protoc-c --c_out=$(B)/gen $<

# Only main.o knows the version; the stamp changes, and main.o with it, when the version does.
VERSION = $(eval VERSION := $(or $(shell git describe --always --dirty --tags 2>/dev/null),0.1.0))$(VERSION)
$(MAIN_OBJECT): CPPFLAGS_FILE = -DTOQ_VERSION='"$(VERSION)"'
$(MAIN_OBJECT): $(B)/version
$(B)/version: FORCE
	$(Q)mkdir -p $(@D)
	$(Q)echo '$(VERSION)' | cmp -s - $@ || echo '$(VERSION)' >$@

$(UNIT_TESTS): $(B)/test/%: $(B)/test/unit/%.o $(LIBRARY)
	$(call say,LINK)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(LDFLAGS_ALL) -o $@ $^ $(LIB_LIBS) -lcmocka $(LDFLAGS)

$(REPLAYS): $(B)/replay/%: $(B)/test/fuzz/%.o $(B)/test/fuzz/replay.o $(LIBRARY)
	$(call say,LINK)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(LDFLAGS_ALL) -o $@ $^ $(LIB_LIBS) $(LDFLAGS)

$(FUZZERS:%=$(B)/%): $(B)/%: $(B)/test/fuzz/%.o $(LIBRARY)
	$(call say,LINK)
	$(Q)$(CC) $(LDFLAGS_ALL) -fsanitize=fuzzer -o $@ $^ $(LIB_LIBS) $(LDFLAGS)

.PHONY: FORCE
FORCE:

.SECONDARY:
-include $(shell find $(B) -name '*.d' 2>/dev/null)
