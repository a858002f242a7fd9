// SPDX-License-Identifier: 0BSD
#include "core/check.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

namespace qv {

void check_failed(const char* file, int line, const char* condition) {
  // dprintf depends on no buffer, which may be damaged.
  dprintf(STDERR_FILENO, "%s:%d: bug: %s does not hold\n", file, line, condition);
  abort();
}

}  // namespace qv
