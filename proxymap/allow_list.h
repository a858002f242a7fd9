// SPDX-License-Identifier: 0BSD
// proxymap/allow_list.h - which tables may be asked for, as control/proxy_read_maps says.
//
// One `proxy:type:name` per line or several, separated by commas or blanks; `{ proxy:type:name }`
// where the name holds some.  A table is approved if it is written exactly so.  The file is read
// again when it has changed; while it cannot be read or holds a mistake, the list read before stays
// in force.  No file: nothing is approved.
//
// Threads: none.  Blocking: reads a local file.
// Manual: qmail-proxymap(8).  Tests: tests/proxymap/allow_list_test.cc
#ifndef QV_PROXYMAP_ALLOW_LIST_H_
#define QV_PROXYMAP_ALLOW_LIST_H_

#include <cstdint>
#include <functional>
#include <optional>
#include <set>
#include <string>
#include <string_view>

#include "control/lines.h"
#include "maps/source.h"

namespace qv::proxymap {

class AllowList {
 public:
  // Told of each mistake, and of a file that cannot be read; once per change.
  using Complain = std::function<void(const Problem&)>;

  AllowList(std::string path, Complain complain);

  // Reads the file if it is another than the one read last.
  void follow();

  // `table` as type:name, without "proxy:".
  [[nodiscard]] bool approves(std::string_view table) const;
  // Another number after each change: what was approved before must be asked again.
  [[nodiscard]] std::uint64_t generation() const { return generation_; }
  [[nodiscard]] const std::string& path() const { return path_; }
  [[nodiscard]] std::size_t size() const { return tables_.size(); }

 private:
  using Tables = std::set<std::string, std::less<>>;

  [[nodiscard]] bool has_changed();
  [[nodiscard]] bool parse_line(const ControlLine& line, Tables& tables) const;
  void read();

  std::string path_;
  Complain complain_;
  Tables tables_;
  std::optional<SourceStamp> stamp_;  // unset: there was no file
  bool looked_ = false;
  std::uint64_t generation_ = 1;
};

// What to write into the file to approve `table`.
[[nodiscard]] std::string approving_line(std::string_view table);

}  // namespace qv::proxymap

#endif  // QV_PROXYMAP_ALLOW_LIST_H_
