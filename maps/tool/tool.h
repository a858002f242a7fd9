// SPDX-License-Identifier: 0BSD
// maps/tool/tool.h - the commands of qmail-map, and what they share.
//
// A command takes its arguments without its own name and its synopsis, writes to standard output,
// complains on standard error and returns the exit code: 0 done or found, 100 absent or wrong
// usage, 111 undecided or not done. Manual: qmail-map(1).  Tests: tests/e2e/maps.py
#ifndef QV_MAPS_TOOL_TOOL_H_
#define QV_MAPS_TOOL_TOOL_H_

#include <functional>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "maps/map.h"

namespace qv::maps::tool {

using Arguments = std::span<const std::string>;

[[nodiscard]] int build(Arguments arguments, std::string_view synopsis);
[[nodiscard]] int get(Arguments arguments, std::string_view synopsis);
[[nodiscard]] int list(Arguments arguments, std::string_view synopsis);
[[nodiscard]] int types(Arguments arguments, std::string_view synopsis);
[[nodiscard]] int convert(Arguments arguments, std::string_view synopsis);
[[nodiscard]] int assign(Arguments arguments, std::string_view synopsis);

// "qmail-map: TEXT" on standard error.
void complain(std::string_view text);

// Complains with `detail`, or where that is empty with the Error and `where`; returns 111.
int fail(const Error& error, const std::string& detail, std::string_view where);

// Complains, prints the usage of the command, and returns 100.
[[nodiscard]] int usage(std::string_view problem, std::string_view synopsis);

// Writes to standard output; false, having complained, where that fails.
[[nodiscard]] bool print(std::string_view text);

// The open table; nullptr, having complained, where it cannot be opened.
[[nodiscard]] std::unique_ptr<Map> open_table(const std::string& name, const MapOptions& options);

// Calls `each` for all entries of `map` while it returns true.  Error: the table cannot be listed.
[[nodiscard]] Result<void> for_each_entry(
    Map& map, const std::function<bool(std::string_view key, std::string_view value)>& each);

// Options in front of the arguments: `--name` or `--name=value`, ended by `--` or by the first
// other word (a single `-` is one).
class Options {
 public:
  // `known`: the names, without dashes; those that take a value end in '='.
  Options(Arguments arguments, std::initializer_list<std::string_view> known);

  // What is wrong; empty where nothing is.
  [[nodiscard]] const std::string& problem() const { return problem_; }
  [[nodiscard]] bool has(std::string_view name) const { return given_.contains(name); }
  [[nodiscard]] std::string value(std::string_view name, std::string_view fallback) const;
  // The words behind the options.
  [[nodiscard]] Arguments rest() const { return rest_; }

 private:
  std::map<std::string, std::string, std::less<>> given_;
  Arguments rest_;
  std::string problem_;
};

enum class AssignLine : std::uint8_t { record, end, malformed };

// qmail's users/assign as the records of users/cdb.
//
// As qmail-newu(8): `=local:user:uid:gid:home:dash:ext:` is the key `!local` NUL, `+loc:...` is
// `!loc`, both lower-cased; the value is the six fields with a NUL between them.  The empty key has
// each character that ends a `+loc`, once.  A line with a single dot ends the file; a file without
// it was cut off, and is refused.
// Manual: qmail-users(5).  Tests: tests/maps/qmail_tables_test.cc
class AssignParser {
 public:
  // Parses one line, without its newline.  record: `key` and `value` are set.  end: the line with
  // the dot.  malformed: `wrong` says why.
  [[nodiscard]] AssignLine parse(std::string_view line, std::string& key, std::string& value,
                                 std::string& wrong);

  // The value of the empty key, after the end.
  [[nodiscard]] const std::string& wildcards() const { return wildcards_; }

 private:
  std::string wildcards_;
};

}  // namespace qv::maps::tool

#endif  // QV_MAPS_TOOL_TOOL_H_
