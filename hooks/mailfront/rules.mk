# SPDX-License-Identifier: 0BSD
# The mailfront plugin: needs the headers of mailfront and bglibs.
MAILFRONT_PLUGIN := $(B)/hooks/mailfront/plugin-verifyrcpt.so

# Loaded into somebody else's program, it is built without sanitizers or not at all.
ifneq ($(filter release debug,$(MODE)),)
$(eval $(call hook,mailfront,$(MAILFRONT_PLUGIN),$(call lacks_header,mailfront/mailfront.h)))
endif

# `plugin` is the one symbol mailfront looks for, and the one it is given.
$(MAILFRONT_PLUGIN): hooks/mailfront/plugin-verifyrcpt.c hooks/hook.h verifyrcpt.h $(HOOK_ARCHIVE)
	@mkdir -p $(@D)
	$(call say,CC  $<)$(CC) -std=c11 $(filter-out -Wswitch-enum,$(WARN)) -Wstrict-prototypes $(WERROR) \
		$(FLAGS_$(MODE)) -fPIC -I. -D_GNU_SOURCE $(CFLAGS) $(CPPFLAGS) -shared \
		-Wl,-z,relro,-z,now -Wl,--exclude-libs,ALL -o $@ $< $(HOOK_ARCHIVE) $(split_debug)
