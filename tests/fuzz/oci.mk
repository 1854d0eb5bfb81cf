# SPDX-License-Identifier: Apache-2.0
# make fuzz-config: mx.conf, config.json and annotations, FUZZ_TIME seconds. The seeds are corpus-config.
$(BUILD)/fuzz/config: tests/fuzz/config.c $(wildcard oci/*.[ch] engine/base/*.[ch] engine/ctl/*.[ch])
	$(call say,FUZZ,$<)
	$(Q)mkdir -p $(@D)
	$(Q)$(CLANG) $(CPPFLAGS) -std=gnu11 -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=all -O1 -g -o $@ $< \
		$(wildcard oci/*.c engine/base/*.c engine/ctl/*.c) -lyajl_s -lcap -lm -lpthread

fuzz-config: $(BUILD)/fuzz/config ## fuzz mx.conf, config.json and annotations for FUZZ_TIME seconds
	$(Q)mkdir -p $(BUILD)/fuzz/found-config
	$(Q)cd $(BUILD)/fuzz && nice -n 19 ./config -max_total_time=$(FUZZ_TIME) -rss_limit_mb=700 -timeout=60 \
		-max_len=20000 -print_final_stats=1 -artifact_prefix=crash-config- found-config $(CURDIR)/tests/fuzz/corpus-config

.PHONY: fuzz-config
