// SPDX-License-Identifier: 0BSD
#include "verify/judge.h"

#include "core/text.h"

namespace qv {

Judge::Judge(const Options& options)
    : config_(options.qmailhome),
      users_(options.qmailhome + "/users/cdb"),
      dotqmail_(options.dotqmail) {
  if (!options.fastforward_cdb.empty()) fastforward_.emplace(options.fastforward_cdb);
}

Change Judge::refresh(std::int64_t now_us, std::vector<Problem>& problems) {
  const Change change = config_.refresh(now_us, problems);
  users_.refresh(now_us, problems);
  if (fastforward_) fastforward_->refresh(now_us, problems);
  return change;
}

void Judge::force() {
  config_.force();
  users_.force();
  if (fastforward_) fastforward_->force();
}

UsersCdb::Place Judge::look_ahead(std::string_view address) const {
  return users_.look_ahead(first_bytes(address, find_last_byte(address, '@')));
}

Decision Judge::decide(std::string_view address, Lookups& lookups, Trail* trail) const {
  const Grounds grounds{config_.config(), users_, lookups, fastforward_ ? &*fastforward_ : nullptr,
                        dotqmail_};
  return qv::decide(address, grounds, trail);
}

}  // namespace qv
