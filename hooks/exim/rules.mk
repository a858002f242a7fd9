# SPDX-License-Identifier: 0BSD
# The functions for Exim's ${dlfunc}: needs local_scan.h (Debian: exim4-dev).
EXIM_HEADERS ?= /usr/include/exim4
EXIM_PLUGIN := $(B)/hooks/exim/verifyrcpt-exim.so

# Loaded into somebody else's program, it is built without sanitizers or not at all.
ifneq ($(filter release debug,$(MODE)),)
$(eval $(call hook,exim,$(EXIM_PLUGIN),$(if $(wildcard $(EXIM_HEADERS)/local_scan.h),,local_scan.h)))
endif

# Exim's own symbols are found when it loads the object.
$(EXIM_PLUGIN): hooks/exim/verifyrcpt-exim.c hooks/hook.h verifyrcpt.h $(HOOK_ARCHIVE)
	@mkdir -p $(@D)
	$(call say,CC  $<)$(CC) -std=c11 $(WARN) -Wstrict-prototypes $(WERROR) $(FLAGS_$(MODE)) -fPIC \
		-fvisibility=hidden -I. -isystem $(EXIM_HEADERS) -D_GNU_SOURCE $(CFLAGS) $(CPPFLAGS) -shared \
		-Wl,-z,relro,-z,now -Wl,--exclude-libs,ALL -o $@ $< $(HOOK_ARCHIVE) $(split_debug)
