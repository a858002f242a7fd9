// SPDX-License-Identifier: 0BSD
// probe/cache_access.h - the cache as a tool sees it: through the daemon, or the file itself.
//
// Blocking: yes, at most 10 s for each reply of the daemon.  Tests: tests/e2e/probe.py
#ifndef QV_PROBE_CACHE_ACCESS_H_
#define QV_PROBE_CACHE_ACCESS_H_

#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "core/result.h"

namespace qv {

class CacheAccess {
 public:
  using Visitor = std::function<void(std::string_view key, std::string_view record)>;

  virtual ~CacheAccess() = default;
  // All entries in the order of their keys.
  [[nodiscard]] virtual Result<void> list(const Visitor& visitor) = 0;
  // Fault::denied: we may not, or it is not an entry.
  [[nodiscard]] virtual Result<void> put(std::string_view key, std::string_view record) = 0;
  // As purge_store(): the number of entries.
  [[nodiscard]] virtual Result<std::uint32_t> purge(std::string_view what) = 0;
  // Ends the work: what was put is lasting.
  [[nodiscard]] virtual Result<void> finish() = 0;
};

// The daemon that listens on "unix:/path".
[[nodiscard]] Result<std::unique_ptr<CacheAccess>> open_daemon(const std::string& address);

// The LMDB file of a daemon that does not run.  Made where there is none.
[[nodiscard]] Result<std::unique_ptr<CacheAccess>> open_cache_file(const std::string& path,
                                                                   std::size_t max_entries);

}  // namespace qv

#endif  // QV_PROBE_CACHE_ACCESS_H_
