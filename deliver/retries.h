// SPDX-License-Identifier: 0BSD
// deliver/retries.h - which recipients already have a message that is delivered again.
//
// A pipe has one exit code: where one recipient of several has to wait, the caller retries all of
// them.  A delivery to several recipients therefore records those that succeeded in a file named by
// the hash of sender and message; the same message, its Received lines included, is a retry of that
// delivery.  The file is removed when no recipient has to wait any more, or after eight days.
//
// The directory belongs to this uid alone.  Trouble with it never loses a message; it may deliver
// one twice.
//
// Threads: none.  Tests: tests/deliver/retries_test.cc
#ifndef QV_DELIVER_RETRIES_H_
#define QV_DELIVER_RETRIES_H_

#include <set>
#include <string>
#include <string_view>

#include "deliver/files.h"
#include "deliver/message.h"

namespace qv::deliver {

class Retries {
 public:
  // Uses a directory below `spool_directory`, which is made where it is missing.
  Retries(Files& files, const std::string& spool_directory, std::string_view sender,
          const MessageSource& message);

  // Whether this recipient got this message in an earlier run.
  [[nodiscard]] bool has(std::string_view recipient) const;

  // Records that this recipient has it.
  void add(std::string_view recipient);

  // Removes the record: there will be no further run.
  void clear();

 private:
  void load();
  void remove_old();

  Files& files_;
  std::string directory_;
  std::string path_;  // empty: nothing can be recorded
  std::set<std::string, std::less<>> recipients_;
};

}  // namespace qv::deliver

#endif  // QV_DELIVER_RETRIES_H_
