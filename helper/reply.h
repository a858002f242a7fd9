// SPDX-License-Identifier: 0BSD
// helper/reply.h - what the front learns from a worker's response.
//
// Pure.  Tests: tests/helper/pool_test.cc
#ifndef QV_HELPER_REPLY_H_
#define QV_HELPER_REPLY_H_

#include <sys/types.h>

#include <cstdint>
#include <string>

#include "core/fd.h"
#include "core/result.h"
#include "helper/request.h"

namespace qv::helper {

// What a worker found.
struct Reply {
  Outcome outcome = Outcome::absent;
  // passwd_index: the table.  home_index, found: the table, or not valid where the directory may
  // be entered but not listed (no permission, or too much in it): ask home_file for each name.
  // home_file: the contents, where wanted.  A sealed memfd: it cannot change any more.
  Fd file;
  FileStamp stamp;         // of the password file, of the home directory, of the file
  std::uint64_t size = 0;  // home_file: bytes of the file, `file` holds at most kMaxContents of it
  // home_table, found: which of the keys, if any, is in the table.
  TableFinding table;
  uid_t uid = 0;  // passwd_user, found; home_index, found: who owns the directory
  gid_t gid = 0;
  std::string user;
  std::string home;  // empty where it is missing or not absolute
};

// False for a response that nobody who was asked `request` would give: another request's, a key
// that was not asked for, a file in place of a table's answer.
[[nodiscard]] bool answers(const Response& response, const Request& request);

// The reply, or the worker's fault, with a word for what it was asked about.
[[nodiscard]] Result<Reply> reply_from(Op asked, const Response& response, Fd file);

}  // namespace qv::helper

#endif  // QV_HELPER_REPLY_H_
