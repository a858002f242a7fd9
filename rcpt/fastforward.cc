// SPDX-License-Identifier: 0BSD
#include "rcpt/fastforward.h"

#include <cerrno>
#include <initializer_list>

#include "core/text.h"
#include "rcpt/fixed_text.h"
#include "rcpt/users_cdb.h"

namespace qv {

namespace {

constexpr std::uint64_t kEmptyCdb = 2048;  // bytes of a cdb without records

Result<void> holds_something(const CdbFile& cdb) {
  if (cdb.size() <= kEmptyCdb) return Error{Fault::config, 0, "holds no entry"};
  return {};
}

using Key = FixedText<kMaxLocal + 257>;

bool append_lower(std::string_view s, Key& key) {
  for (const char c : s) {
    if (!key.append(ascii_lower(c))) return false;
  }
  return true;
}

}  // namespace

FastforwardCdb::FastforwardCdb(const std::string& path) : file_(path, path, holds_something) {}

void FastforwardCdb::force() {
  file_.force();
  missing_reported_ = false;
}

Change FastforwardCdb::refresh(std::int64_t now_us, std::vector<Problem>& problems) {
  const Change change = file_.refresh(now_us, problems);
  const Result<const CdbFile*> cdb = file_.current();
  const bool missing = cdb.ok() && cdb.value() == nullptr;
  if (missing && !missing_reported_) {
    problems.push_back({std::string(file_.name()), 0, "does not exist: build it with setforward"});
  }
  missing_reported_ = missing;
  return change;
}

Result<Answer> FastforwardCdb::find(std::string_view user, std::string_view host) const {
  QV_TRY(const CdbFile* cdb, file_.current());
  if (cdb == nullptr) return Error{Fault::config, ENOENT, "alias table"};
  return find_alias(*cdb, user, host);
}

Result<Answer> find_alias(const CdbFile& table, std::string_view user, std::string_view host) {
  QV_TRY_VOID(holds_something(table));
  const struct { std::string_view user, host; } shapes[] = {{user, host}, {"", host}, {user, ""}};
  for (const auto& shape : shapes) {
    Key key;
    if (!key.append(':') || !append_lower(shape.user, key) || !key.append('@') ||
        !append_lower(shape.host, key)) {
      continue;  // no table has such a key
    }
    std::string_view value;
    QV_TRY(const Answer answer, table.find(key.view(), value));
    if (answer == Answer::found) return answer;
  }
  return Answer::absent;
}

}  // namespace qv
