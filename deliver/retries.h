// SPDX-License-Identifier: 0BSD
// deliver/retries.h - who got a message already, when it is tried again for several recipients.
//
// A pipe has one exit code: where one recipient of several has to wait, the caller tries all of
// them again.  While a message for several recipients is being delivered, those that have it are
// noted in a file named by the hash of sender and message; the same message, its Received lines
// included, is the same delivery tried again.  When nobody has to wait any more the file goes; what
// a caller gave up on goes after eight days.
//
// The directory is this uid's own.  Whatever is wrong with it costs a message delivered twice,
// never one lost: it is then as if nothing were known.
//
// Threads: none.  Tests: tests/deliver/retries_test.cc
#ifndef QV_DELIVER_RETRIES_H_
#define QV_DELIVER_RETRIES_H_

#include <set>
#include <string>
#include <string_view>

#include "deliver/files.h"
#include "deliver/message.h"

namespace qv {

class Retries {
 public:
  // Below `spool_directory`, in a directory that is made where there is none.
  Retries(Files& files, const std::string& spool_directory, std::string_view sender,
          const MessageSource& message);

  // Did this recipient get this message in an earlier run?
  [[nodiscard]] bool has(std::string_view recipient) const;

  // This recipient has it.
  void note(std::string_view recipient);

  // Nobody has to wait: there will be no further run.
  void forget();

 private:
  void load();
  void remove_old();

  Files& files_;
  std::string directory_;
  std::string path_;  // empty: nothing can be known
  std::set<std::string, std::less<>> recipients_;
};

}  // namespace qv

#endif  // QV_DELIVER_RETRIES_H_
