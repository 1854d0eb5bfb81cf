# SPDX-License-Identifier: Apache-2.0
# make fuzz-elf, fuzz-map: FUZZ_TIME seconds each. What they find is kept in $(BUILD)/fuzz; the seeds
# are made anew by tests/fuzz/seeds and joined by tests/fuzz/corpus-*.
FUZZ_TIME  ?= 60
FUZZ_FLAGS := -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=all -O1 -g

$(BUILD)/fuzz/%: tests/fuzz/%.c $(wildcard engine/sea/*.[ch] engine/base/*.[ch])
	$(call say,FUZZ,$<)
	$(Q)mkdir -p $(@D)
	$(Q)$(CLANG) $(CPPFLAGS) -std=gnu11 $(FUZZ_FLAGS) -o $@ $< $(wildcard engine/sea/*.c engine/base/*.c) \
		-lcapstone -ldw -lelf -llzma -lz -lbz2 -lpthread

fuzz-elf fuzz-map: fuzz-%: all $(BUILD)/fuzz/% ## fuzz the analyser or the map's reader for FUZZ_TIME seconds
	$(Q)MX=$(BUILD)/mx tests/fuzz/seeds $(BUILD)/fuzz
	$(Q)mkdir -p $(BUILD)/fuzz/found-$* tests/fuzz/corpus-$*
	$(Q)cd $(BUILD)/fuzz && nice -n 19 ./$* -max_total_time=$(FUZZ_TIME) -rss_limit_mb=700 -timeout=60 \
		-max_len=40000 -print_final_stats=1 -artifact_prefix=crash-$*- found-$* $(CURDIR)/tests/fuzz/corpus-$* seeds-$*

.PHONY: fuzz-elf fuzz-map
