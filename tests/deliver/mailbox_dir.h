// SPDX-License-Identifier: 0BSD
// tests/deliver/mailbox_dir.h - a temporary directory with verbs for what the tests look at.
#ifndef QV_TESTS_DELIVER_MAILBOX_DIR_H_
#define QV_TESTS_DELIVER_MAILBOX_DIR_H_

#include <sys/types.h>

#include <string>
#include <string_view>
#include <vector>

#include "core/fd.h"
#include "deliver/message.h"

namespace qv::deliver {

class MailboxDir {
 public:
  MailboxDir();
  ~MailboxDir();
  MailboxDir(const MailboxDir&) = delete;
  MailboxDir& operator=(const MailboxDir&) = delete;

  [[nodiscard]] std::string path(std::string_view name) const {
    return root_ + "/" + std::string(name);
  }
  void write(std::string_view name, std::string_view text) const;
  void make_dir(std::string_view name) const;
  [[nodiscard]] std::string read(std::string_view name) const;
  [[nodiscard]] bool exists(std::string_view name) const;
  [[nodiscard]] std::vector<std::string> list(std::string_view name) const;  // sorted; none: empty
  // Removes everything in it.
  void clear() const;

  // A message with this body, good for as long as this object.
  [[nodiscard]] MessageSource message(std::string_view body);

 private:
  std::string root_;
  std::vector<Fd> messages_;
};

[[nodiscard]] inline Envelope envelope_for(std::string recipient = "bob@example.org") {
  return {"alice@example.net", recipient, recipient};
}

}  // namespace qv::deliver

#endif  // QV_TESTS_DELIVER_MAILBOX_DIR_H_
