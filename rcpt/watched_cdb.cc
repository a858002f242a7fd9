// SPDX-License-Identifier: 0BSD
#include "rcpt/watched_cdb.h"

#include <utility>

#include "core/fault.h"

namespace qv {

Result<std::optional<CdbFile>> WatchedCdb::read(SourceStamp& seen) const {
  // Taken before the file is opened: another file in between has another stamp.
  seen = {take_stamp(path_.c_str()), path_};
  Result<CdbFile> cdb = CdbFile::open(path_.c_str());
  if (!cdb.ok() && errno_means_absent(cdb.error().errnum)) return std::optional<CdbFile>{};
  if (!cdb.ok()) return cdb.error();
  QV_TRY_VOID(check_(cdb.value()));
  return std::optional<CdbFile>(std::move(cdb).value());
}

Change WatchedCdb::refresh(std::int64_t now_us, std::vector<Problem>& problems) {
  switch (cdb_.refresh(now_us, [this](auto& files) { return read(files.emplace_back()); })) {
    case Reload::none:
      return Change::none;
    case Reload::failed:
      cdb_.drop();
      if (std::string text = cdb_.take_trouble(); !text.empty()) {
        problems.push_back({name_, 0, std::move(text)});
      }
      return Change::changed;
    case Reload::taken:
      return Change::changed;
  }
  return Change::none;
}

Result<const CdbFile*> WatchedCdb::current() const {
  const std::optional<CdbFile>* cdb = cdb_.value();
  if (cdb == nullptr) return *cdb_.error();
  return *cdb ? &**cdb : nullptr;
}

}  // namespace qv
