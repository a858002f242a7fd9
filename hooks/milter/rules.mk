# SPDX-License-Identifier: 0BSD
# The milter: needs libmilter, which ships no pkg-config file.
RCPTMILTER := $(B)/hooks/milter/rcptmilter

$(eval $(call hook,milter,$(RCPTMILTER),$(call lacks_header,libmilter/mfapi.h)))

# -Wundef: libmilter's own header asks for what it has not defined.
$(RCPTMILTER): hooks/milter/rcptmilter.c hooks/hook.h verifyrcpt.h $(HOOK_ARCHIVE)
	@mkdir -p $(@D)
	$(call say,CC  $<)$(CC) -std=c11 $(filter-out -Wundef,$(WARN)) -Wstrict-prototypes $(WERROR) \
		$(FLAGS_$(MODE)) -fPIE -I. -D_GNU_SOURCE -DQV_VERSION='"$(VERSION)"' $(CFLAGS) $(CPPFLAGS) \
		$(LINK_$(MODE)) $(LDFLAGS) -o $@ $< $(HOOK_ARCHIVE) -lmilter -pthread $(split_debug)
