// SPDX-License-Identifier: 0BSD
#include "deliver/tables.h"

#include <string>

#include "core/text.h"
#include "maps/open.h"
#include "maps/spec.h"

namespace qv {

namespace {

constexpr std::string_view kProxy = "proxy:";

struct Named {
  const char* name;
  const std::string& text;
  bool refuse_empty;
};

std::vector<Named> named_tables(const DeliverSettings& settings) {
  return {{"virtual_mailbox_maps", settings.mailbox_maps, true},
          {"virtual_uid_maps", settings.uid_maps, false},
          {"virtual_gid_maps", settings.gid_maps, false},
          {"virtual_mailbox_limit_maps", settings.limit_maps, false}};
}

MapOptions options_for(const Named& named) {
  MapOptions options;
  options.no_substitution = true;
  options.refuse_empty = named.refuse_empty;
  return options;
}

// The elements of a list of tables, `proxy:` taken off.  False where a brace lacks its partner.
bool split_tables(std::string_view text, std::vector<std::string_view>& elements) {
  if (!split_list(text, elements)) return false;
  for (std::string_view& element : elements) {
    while (starts_with(element, kProxy)) element = after_bytes(element, kProxy.size());
  }
  return true;
}

void open_list(const Named& named, TableList& list, const TableNotice& notice) {
  std::vector<std::string_view> elements;
  if (!split_tables(named.text, elements)) {
    list.add(make_fail_map({Fault::config, 0, "list of tables"}, "a brace lacks its partner"));
    return;
  }
  for (const std::string_view element : elements) {
    list.add(open_watched_map(element, options_for(named), notice));
  }
}

void check_list(const Named& named, std::vector<Problem>& problems) {
  std::vector<std::string_view> elements;
  if (!split_tables(named.text, elements)) {
    problems.push_back({named.name, 0, "a brace lacks its partner"});
    return;
  }
  for (const std::string_view element : elements) {
    std::string detail;
    const Result<std::unique_ptr<Map>> map = open_map(element, options_for(named), detail);
    if (map.ok() && detail.empty()) continue;
    const std::string what = map.ok() ? "" : std::string(map.error().what) + ": ";
    problems.push_back({named.name, 0, std::string(element) + ": " + what + detail});
  }
}

}  // namespace

RecipientTables open_tables(const DeliverSettings& settings, const TableNotice& notice) {
  RecipientTables tables;
  TableList* lists[] = {&tables.mailbox, &tables.uid, &tables.gid, &tables.limit};
  const std::vector<Named> named = named_tables(settings);
  for (std::size_t i = 0; i < named.size(); ++i) open_list(named[i], *lists[i], notice);
  return tables;
}

void check_tables(const DeliverSettings& deliver, const Settings& settings,
                  std::vector<Problem>& problems) {
  std::vector<Problem> found;
  for (const Named& named : named_tables(deliver)) check_list(named, found);
  for (Problem& problem : found) {
    problem.where = settings.place(problem.where);
    problems.push_back(std::move(problem));
  }
}

}  // namespace qv
