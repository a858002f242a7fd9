// SPDX-License-Identifier: 0BSD
#include "rcpt/fastforward.h"

#include <cerrno>

#include "core/text.h"

namespace qv {

namespace {

template <class Text>
bool append_lower(std::string_view s, Text& key) {
  for (const char c : s) {
    if (!key.append(ascii_lower(c))) return false;
  }
  return true;
}

}  // namespace

AliasKeys::AliasKeys(std::string_view user, std::string_view host) {
  add(user, host);
  add({}, host);
  add(user, {});
}

void AliasKeys::add(std::string_view user, std::string_view host) {
  auto& key = texts_[count_];
  key.clear();
  if (!key.append(':') || !append_lower(user, key) || !key.append('@') ||
      !append_lower(host, key)) {
    return;
  }
  views_[count_++] = key.view();
}

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
  const AliasKeys keys(user, host);
  QV_TRY(const TableFinding found, find_first_key(*cdb, TableKind::aliases, keys.view(), 0));
  return found.answer;
}

}  // namespace qv
