// SPDX-License-Identifier: 0BSD
#include "maps/tool/users_assign.h"

#include "core/text.h"
#include "maps/types/memory_table.h"

namespace qv {

namespace {

constexpr int kFields = 6;  // user, uid, gid, home, dash, ext

// The fields, each ended by a colon, with a NUL between them; what follows the last is passed over.
// False where there are fewer.
bool join_fields(std::string_view rest, std::string& value) {
  value.clear();
  for (int i = 0; i < kFields; ++i) {
    if (find_byte(rest, ':') == rest.size()) return false;
    if (i > 0) value += '\0';
    value += take_until(rest, ':');
  }
  return true;
}

}  // namespace

AssignLine AssignParser::take(std::string_view line, std::string& key, std::string& value,
                              std::string& wrong) {
  if (starts_with(line, ".")) return AssignLine::end;
  const std::size_t colon = find_byte(line, ':');
  if (line.find('\0') != std::string_view::npos) {
    wrong = "a NUL in the line";
    return AssignLine::malformed;
  }
  if (line.empty() || (line.front() != '=' && line.front() != '+') || colon == line.size()) {
    wrong = "expected =local:user:uid:gid:home:dash:ext: or +prefix:...";
    return AssignLine::malformed;
  }
  if (!join_fields(after_bytes(line, colon + 1), value)) {
    wrong = "fewer than six fields behind the address, each ended by a colon";
    return AssignLine::malformed;
  }
  const std::string_view local = line.substr(1, colon - 1);
  key = "!" + fold_key(local);
  if (line.front() == '=') {
    key += '\0';
  } else if (!local.empty() && wildcards_.find(local.back()) == std::string::npos) {
    wildcards_ += local.back();
  }
  return AssignLine::record;
}

}  // namespace qv
