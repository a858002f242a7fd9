// SPDX-License-Identifier: 0BSD
// texthash:/path - a text file, `key value` on each line, read into memory.
//
// The same files that `qmail-map build` takes.  A line that cannot be understood is a configuration
// error: leaving it out silently would refuse somebody's mail.  Manual: qmail-map-texthash(5).
#include <utility>

#include "maps/spec.h"
#include "maps/types/memory_table.h"
#include "maps/types/text_table.h"

namespace qv {

namespace {

std::string at_line(const std::string& path, std::uint64_t number, std::string_view what) {
  return path + ":" + std::to_string(number) + ": " + std::string(what);
}

// The warning about a key that stands twice, one line for all of them.
struct Twice {
  std::uint64_t count = 0;
  std::string first;

  void note(std::string where) {
    if (count++ == 0) first = std::move(where);
  }
  std::string text() const {
    if (count == 0) return {};
    return first + (count > 1 ? ", and " + std::to_string(count - 1) + " more" : std::string());
  }
};

Result<std::unique_ptr<Map>> open_texthash(const MapSpec& spec, std::string& detail) {
  const std::string path(strip_braces(spec.name));
  SourceStamp stamp;
  QV_TRY(const std::string text, read_source(path, stamp, detail));
  auto table = std::make_unique<MemoryTable>();
  table->set_source(std::move(stamp));
  LogicalLines lines{std::string_view(text)};
  Twice twice;
  for (;;) {
    std::string_view line;
    QV_TRY(const Answer more, lines.next(line));
    if (more == Answer::absent) break;
    TextEntry entry;
    if (const char* wrong = parse_text_entry(line, entry)) {
      detail = at_line(path, lines.number(), wrong);
      return Error{Fault::config, 0, "text table"};
    }
    const bool added =
        table->add(spec.options.fold_keys ? fold_key(entry.key) : std::string(entry.key),
                   entry.value) == Answer::absent;
    if (!added) twice.note(at_line(path, lines.number(), "key twice, the first entry counts"));
  }
  detail = twice.text();
  return std::unique_ptr<Map>(std::move(table));
}

}  // namespace

extern const MapType map_type_texthash;
const MapType map_type_texthash{
    "texthash", {.listable = true}, "/path: a text file, read into memory", open_texthash};

}  // namespace qv
