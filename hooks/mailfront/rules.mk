# SPDX-License-Identifier: 0BSD
# The mailfront plugin: needs the headers of mailfront and bglibs.
MAILFRONT_PLUGIN := $(B)/hooks/mailfront/plugin-verifyrcpt.so
MAILFRONT_THERE := $(shell echo '\#include <mailfront/mailfront.h>' | $(CC) -E - >/dev/null 2>&1 && echo yes)

# Loaded into somebody else's program, it is built without sanitizers or not at all.
ifneq ($(filter release debug,$(MODE)),)
ifeq ($(MAILFRONT_THERE),yes)
hooks: $(if $(HOOK_LIBS),$(MAILFRONT_PLUGIN))
else
hooks: mailfront-left-out
endif
endif

.PHONY: mailfront-left-out
mailfront-left-out:
	@echo "left out: hooks/mailfront (headers of mailfront and bglibs not found)"

# `plugin` is the one symbol mailfront looks for, and the one it is given.
$(MAILFRONT_PLUGIN): hooks/mailfront/plugin-verifyrcpt.c verifyrcpt.h $(B)/lib/libverifyrcpt.a
	@mkdir -p $(@D)
	$(call say,CC  $<)$(CC) -std=c11 $(filter-out -Wswitch-enum,$(WARN)) -Wstrict-prototypes $(WERROR) \
		$(FLAGS_$(MODE)) -fPIC -I. -D_GNU_SOURCE $(CFLAGS) $(CPPFLAGS) -shared \
		-Wl,-z,relro,-z,now -Wl,--exclude-libs,ALL -o $@ $< $(B)/lib/libverifyrcpt.a
