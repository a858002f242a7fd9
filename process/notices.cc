// SPDX-License-Identifier: 0BSD
#include "process/notices.h"

#include <utility>

namespace qv::process {

Pool::Observer log_notices(LogWriter& log, std::function<void()> gone) {
  return [&log, gone = std::move(gone)](Notice notice, pid_t worker, int errnum) {
    if (notice == Notice::worker_started) return;
    LogLine line("worker");
    line.add("event", notice_name(notice)).add("pid", worker);
    if (errnum != 0) line.add("errno", errnum);
    log.write(line);
    if (notice == Notice::spawner_gone) gone();
  };
}

}  // namespace qv::process
