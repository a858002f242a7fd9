# SPDX-License-Identifier: 0BSD
# The milter: needs libmilter, which ships no pkg-config file.
RCPTMILTER := $(B)/hooks/milter/rcptmilter
MILTER_THERE := $(shell echo '\#include <libmilter/mfapi.h>' | $(CC) -E - >/dev/null 2>&1 && echo yes)

ifneq ($(MODE),fuzz)
ifeq ($(MILTER_THERE),yes)
hooks: $(if $(HOOK_LIBS),$(RCPTMILTER))
else
hooks: milter-left-out
endif
endif

.PHONY: milter-left-out
milter-left-out:
	@echo "left out: hooks/milter (libmilter/mfapi.h not found)"

# -Wundef: libmilter's own header asks for what it has not defined.
$(RCPTMILTER): hooks/milter/rcptmilter.c verifyrcpt.h $(B)/lib/libverifyrcpt.a
	@mkdir -p $(@D)
	$(call say,CC  $<)$(CC) -std=c11 $(filter-out -Wundef,$(WARN)) -Wstrict-prototypes $(WERROR) \
		$(FLAGS_$(MODE)) -fPIE -I. -D_GNU_SOURCE -DQV_VERSION='"$(VERSION)"' $(CFLAGS) $(CPPFLAGS) \
		$(LINK_$(MODE)) $(LDFLAGS) -o $@ $< $(B)/lib/libverifyrcpt.a -lmilter -pthread
