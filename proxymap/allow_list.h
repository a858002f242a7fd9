// SPDX-License-Identifier: 0BSD
// proxymap/allow_list.h - which tables may be asked for, as control/proxy_read_maps says.
//
// Entries `proxy:type:name`, separated by commas, blanks or line ends; `{ proxy:type:name }` where
// the name holds some.  A table is approved if it is written exactly so.  The file is read again
// when it has changed; while it cannot be read or holds a mistake, the old list stays in force.  No
// file: nothing is approved.
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
#include "control/reloaded.h"

namespace qv::proxymap {

class AllowList {
 public:
  // Called for each mistake, and for a file that cannot be read; once per change.
  using Complain = std::function<void(const control::Problem&)>;

  // Reads the file.  `clock`: end_of_time_ns for a program that reads once.
  AllowList(std::string path, Complain complain, control::WallClock clock = control::wall_clock_ns);

  // Reads the file again if it has changed.
  void follow(std::int64_t now_us);

  // `table` as type:name, without "proxy:".
  [[nodiscard]] bool approves(std::string_view table) const {
    return tables_.find(table) != tables_.end();
  }
  [[nodiscard]] const std::string& path() const { return path_; }
  [[nodiscard]] std::size_t size() const { return tables_.size(); }

 private:
  using Tables = std::set<std::string, std::less<>>;

  [[nodiscard]] bool parse_line(const control::ControlLine& line, Tables& tables) const;
  void use(const control::ControlLines& lines);

  std::string path_;
  Complain complain_;
  Tables tables_;
  control::Reloaded<control::ControlLines> lines_;
  std::optional<control::ControlLines> used_;  // as last read, good or not
};

// The table, without "proxy:", of an entry `proxy:type:name`, in braces or not.  False where it is
// no such entry.
[[nodiscard]] bool parse_proxied(std::string_view element, std::string_view& table);

// What to write into the file to approve `table`.
[[nodiscard]] std::string approving_line(std::string_view table);

}  // namespace qv::proxymap

#endif  // QV_PROXYMAP_ALLOW_LIST_H_
