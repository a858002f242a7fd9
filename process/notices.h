// SPDX-License-Identifier: 0BSD
// process/notices.h - what a daemon says of its workers in its log.
#ifndef QV_PROCESS_NOTICES_H_
#define QV_PROCESS_NOTICES_H_

#include <functional>

#include "process/log.h"
#include "process/pool.h"

namespace qv::process {

// An observer that logs `worker event=worker_died pid=... errno=...` for everything but starts, and
// calls `gone` when nothing can be started any more.  REQUIRES: `log` outlives the pool.
[[nodiscard]] Pool::Observer log_notices(LogWriter& log, std::function<void()> gone);

}  // namespace qv::process

#endif  // QV_PROCESS_NOTICES_H_
