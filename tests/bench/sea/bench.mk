# SPDX-License-Identifier: Apache-2.0
$(BUILD)/bench/sea_truth: $(wildcard tests/bench/sea/*.[ch]) $(LIBMX) Makefile
	$(call say,BENCH,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(CPPFLAGS) $(ALL_CFLAGS) $(SAN) $(LDFLAGS) -o $@ $(filter %.c,$^) $(LIBMX) $(LIBS)

bench-sea: all $(BUILD)/bench/sea_truth ## how right mx analyze is on stripped pairs of programs
	@SEA_BENCH=$${SEA_BENCH:-$(BUILD)/bench-sea} tests/bench/sea/bench.sh $(BUILD)/bench/sea_truth $(PAIRS)

.PHONY: bench-sea
