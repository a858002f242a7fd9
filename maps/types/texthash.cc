// SPDX-License-Identifier: 0BSD
// texthash:/path - a text file, `key value` on each line, read into memory: the same files that
// `qmail-map build` takes.  A line that cannot be understood is a configuration error: leaving it
// out silently would refuse somebody's mail.  Manual: qmail-map-texthash(5).
//
// inline:{ key=value, { key = text with blanks } } - a table in its own name, as Postfix's.
// Manual: qmail-map-static(5).
#include <unordered_map>
#include <utility>

#include "maps/spec.h"
#include "maps/types/text_table.h"

namespace qv::maps {

namespace {

// Keys and values in memory.  Of a key added twice the first value counts.
class MemoryTable final : public Map {
 public:
  explicit MemoryTable(bool fold_keys, std::vector<control::SourceStamp> sources = {})
      : fold_keys_(fold_keys) {
    sources_ = std::move(sources);
  }

  // False: the key was there, and its value stays.
  bool add(std::string_view key, std::string_view value) {
    return entries_.try_emplace(fold_keys_ ? fold_key(key) : std::string(key), value).second;
  }

  Result<Answer> lookup(std::string_view key, std::string& value) override {
    const auto entry = entries_.find(key);
    if (entry == entries_.end()) return Answer::absent;
    value = entry->second;
    return Answer::found;
  }
  Result<Answer> sequence(Step step, std::string& key, std::string& value) override {
    if (step == Step::first) walk_ = entries_.begin();
    if (walk_ == entries_.end()) return Answer::absent;
    key = walk_->first;
    value = walk_->second;
    ++walk_;
    return Answer::found;
  }
  bool is_empty() override { return entries_.empty(); }

 private:
  struct Hash {
    using is_transparent = void;
    std::size_t operator()(std::string_view s) const { return std::hash<std::string_view>{}(s); }
  };
  using Entries = std::unordered_map<std::string, std::string, Hash, std::equal_to<>>;
  bool fold_keys_;
  Entries entries_;
  Entries::const_iterator walk_ = entries_.end();
};

Result<std::unique_ptr<Map>> open_texthash(const MapSpec& spec, std::string& detail) {
  const std::string path(strip_braces(spec.name));
  control::SourceStamp stamp;
  QV_TRY(const std::string text, read_source(path, stamp, detail));
  auto table = std::make_unique<MemoryTable>(spec.options.fold_keys, std::vector{stamp});
  LogicalLines lines{std::string_view(text)};
  const auto at_line = [&](std::string_view what) {
    return path + ":" + std::to_string(lines.number()) + ": " + std::string(what);
  };
  std::uint64_t duplicates = 0;
  for (;;) {
    std::string_view line;
    QV_TRY(const Answer more, lines.next(line));
    if (more == Answer::absent) break;
    TextEntry entry;
    if (const char* wrong = parse_text_entry(line, entry)) {
      detail = at_line(wrong);
      return Error{Fault::config, 0, "text table"};
    }
    if (table->add(entry.key, entry.value)) continue;
    if (duplicates++ == 0) detail = at_line("key twice, the first entry counts");
  }
  // One warning for all of them.
  if (duplicates > 1) detail += ", and " + std::to_string(duplicates - 1) + " more";
  return std::unique_ptr<Map>(std::move(table));
}

Result<std::unique_ptr<Map>> open_inline(const MapSpec& spec, std::string& detail) {
  const auto fail = [&](const std::string& reason) {
    detail = "inline:" + spec.name + ": " + reason;
    return Error{Fault::config, 0, "inline table"};
  };
  std::vector<std::string_view> elements;
  if (!is_braced(trim_white(spec.name)) || !split_list(strip_braces(spec.name), elements)) {
    return fail("write inline:{ key=value, { key = text } }");
  }
  if (elements.empty()) return fail("no entry");
  auto table = std::make_unique<MemoryTable>(spec.options.fold_keys);
  for (const std::string_view element : elements) {
    std::string_view key;
    std::string_view value;
    if (!split_assignment(strip_braces(element), key, value)) {
      return fail("\"" + std::string(element) + "\" is not key=value");
    }
    if (!table->add(key, value)) return fail("key twice: " + std::string(key));
  }
  return std::unique_ptr<Map>(std::move(table));
}

}  // namespace

extern const MapType map_type_texthash{
    "texthash", {.listable = true}, "/path: a text file, read into memory", open_texthash};

extern const MapType map_type_inline{
    "inline", {.listable = true}, "{ key=value, ... }: a table in its own name", open_inline};

}  // namespace qv::maps
