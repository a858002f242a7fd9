// SPDX-License-Identifier: 0BSD
// rcpt/dotqmail.h - is there a .qmail file for this extension?
//
// As qmail-local's search (protocol, section 2, step 8).  Pure; no allocation without a Trail.
// Tests: tests/rcpt/decide_test.cc
#ifndef QV_RCPT_DOTQMAIL_H_
#define QV_RCPT_DOTQMAIL_H_

#include "rcpt/lookups.h"
#include "rcpt/steps.h"
#include "rcpt/trail.h"
#include "rcpt/users_cdb.h"

namespace qv {

inline constexpr std::size_t kMaxDotqmailName =
    6 + kMaxDash + kMaxStoredExt + kMaxLocal + 7;  // .qmail, dash, ext, default

struct DotqmailFile {
  FixedText<kMaxDotqmailName> name;
  std::size_t default_at = 0;  // not exact: bytes of ext before what `default` stands for
  bool exact = false;          // .qmail + dash + ext itself; else one that ends in -default
  bool is_catch_all = false;   // it is called .qmail-default, however it was found
};

// At most so many names are asked about.  Only an extension with many '/' can have more: each name
// without one is at most 255 bytes long.
inline constexpr int kMaxNamesAsked = 256;

// go_on: there is a file, and `found` says which.  stop: there is none, it cannot be told, or is
// pending.
[[nodiscard]] Next search_dotqmail(const UserRecord& owner, Lookups& lookups, DotqmailFile& found,
                                   Decision& decision, Trail* trail);

}  // namespace qv

#endif  // QV_RCPT_DOTQMAIL_H_
