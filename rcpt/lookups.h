// SPDX-License-Identifier: 0BSD
// rcpt/lookups.h - what the decision has to ask the system, and nothing more.
//
// The decision (rcpt/decide.h) is a pure function of an address, the control files and these
// look-ups.  Whoever serves it may not know an answer yet: it then says `pending`, begins to find
// out, and runs the decision again, from its beginning, when it knows.  The decision asks the same
// questions in the same order each time, so it ends after a bounded number of runs.
//
// An Error is always "cannot tell now", never "no".
#ifndef QV_RCPT_LOOKUPS_H_
#define QV_RCPT_LOOKUPS_H_

#include <sys/types.h>

#include <cstdint>
#include <string_view>

#include "core/result.h"

namespace qv {

enum class Look : std::uint8_t { yes, no, pending };

// Whose mailbox: as users/cdb or passwd has it.  The views live until the next look-up call.
struct Owner {
  std::string_view user;  // login name
  uid_t uid = 0;
  gid_t gid = 0;
  std::string_view home;
};

class Lookups {
 public:
  virtual ~Lookups() = default;
  Lookups() = default;
  Lookups(const Lookups&) = delete;
  Lookups& operator=(const Lookups&) = delete;

  // The passwd entry of a login name (getpwnam(3)); `owner` is set on yes.  An entry whose home is
  // missing or not absolute has an empty `home`.
  [[nodiscard]] virtual Result<Look> find_user(std::string_view name, Owner& owner) = 0;

  // Does the home directory exist, and is it owned by owner.uid?  Looked at as the owner.
  [[nodiscard]] virtual Result<Look> owns_home(const Owner& owner) = 0;

  // Is home/name a regular file (through symbolic links) that the owner may read?  Looked at as the
  // owner.  Error: there may be something there, and it cannot be looked at.
  [[nodiscard]] virtual Result<Look> has_file(const Owner& owner, std::string_view name) = 0;
};

}  // namespace qv

#endif  // QV_RCPT_LOOKUPS_H_
