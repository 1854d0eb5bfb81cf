# SPDX-License-Identifier: Apache-2.0
# make            build everything
# make check      install what is missing, build, run all tests
# make demo       a real server in podman survives a crash of its new version
# make lint       format, include policy, headers, warnings, shell scripts
# make help       all targets

BUILD   ?= build
CC      ?= gcc
V       ?= 0
Q       := $(if $(filter 1,$(V)),,@)
say      = $(if $(filter 1,$(V)),,@printf '  %-5s %s\n' '$(1)' '$(2)')

WARN    := -Wall -Wextra -Wshadow -Wpointer-arith -Wstrict-prototypes -Wmissing-prototypes \
           -Wwrite-strings -Wvla -Wno-unused-parameter
CFLAGS  ?= -O2 -g
CPPFLAGS += -D_GNU_SOURCE -D_FILE_OFFSET_BITS=64 -Iengine -I.
ALL_CFLAGS = -std=gnu11 $(WARN) $(WERROR) -fPIE -fstack-protector-strong $(SAN) $(CFLAGS) -MMD -MP

obj      = $(patsubst %.c,$(BUILD)/obj/%.o,$(wildcard $(1)))
BASE    := $(call obj,engine/base/*.c)
SYS     := $(call obj,engine/sys/*.c)
TRACEE  := $(call obj,engine/tracee/*.c)
MXM     := $(call obj,engine/mxm/*.c)
SEA     := $(call obj,engine/sea/*.c)
REM     := $(call obj,engine/rem/*.c)
CTL     := $(call obj,engine/ctl/*.c)
ENGINE  := $(call obj,engine/*.c) $(SYS) $(TRACEE) $(MXM) $(REM) $(CTL)
OCI     := $(call obj,oci/*.c)
SHIM    := $(call obj,shim/*.c)
HOOK    := $(call obj,hook/*.c)

ENGINE_LIBS := -lseccomp -lunwind-ptrace -lunwind-generic -lunwind -llzma -lcap -lpthread
SEA_LIBS    := -ldw -lelf -lcapstone -llzma -lz -lbz2
OCI_LIBS    := -lyajl_s

PROGRAMS := $(BUILD)/mx $(if $(SHIM),$(BUILD)/mx-shim) $(if $(HOOK),$(BUILD)/mx-hook)

all: $(PROGRAMS)
