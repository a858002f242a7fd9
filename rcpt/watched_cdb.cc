// SPDX-License-Identifier: 0BSD
#include "rcpt/watched_cdb.h"

#include <cstring>
#include <utility>

#include "core/fault.h"

namespace qv {

Result<CdbFile> WatchedCdb::open_whole() const {
  QV_TRY(CdbFile cdb, CdbFile::open(watch_.path().c_str()));
  QV_TRY_VOID(check_(cdb));
  return cdb;
}

void WatchedCdb::force() {
  watch_.force();
  reported_.clear();
}

void WatchedCdb::fail(const Error& error, std::vector<Problem>& problems) {
  watch_.look_again();
  std::string text = error.what;
  if (error.errnum != 0) text = text + ": " + strerror(error.errnum);
  cdb_.reset();
  error_ = error;
  absent_ = false;
  if (text == reported_) return;
  problems.push_back({name_, 0, text});
  reported_ = std::move(text);
}

Change WatchedCdb::refresh(std::int64_t now_us, std::vector<Problem>& problems) {
  if (watch_.look(now_us) == Change::none) return Change::none;
  Result<CdbFile> opened = open_whole();
  if (!opened.ok() && !errno_means_absent(opened.error().errnum)) {
    fail(opened.error(), problems);
    return Change::changed;
  }
  absent_ = !opened.ok();
  cdb_.reset();
  if (opened.ok()) cdb_ = std::move(opened).value();
  reported_.clear();
  return Change::changed;
}

Result<const CdbFile*> WatchedCdb::current() const {
  if (cdb_) return &*cdb_;
  if (absent_) return nullptr;
  return error_;
}

}  // namespace qv
