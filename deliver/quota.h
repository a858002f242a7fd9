// SPDX-License-Identifier: 0BSD
// deliver/quota.h - Maildir++ quota: the file `maildirsize`, shared with Dovecot and Courier.
//
// The first line is the quota, "10000000S,1000C"; each further line is "bytes messages", and the
// sum of them is what the maildir holds.  A delivery appends a line.  The usage is counted afresh,
// message by message in every folder, when the file is missing, names another quota, is damaged or
// has grown to 5120 bytes; before mail is refused, also when it has more than one line or is older
// than 15 minutes.  Messages in the folder .Trash and those flagged T do not count (Dovecot counts
// both when it recounts).
//
// The file is a cache: trouble with it never loses or refuses a message.  Where the maildir cannot
// be counted the answer is an Error, and the delivery is tried again later.
//
// Source: the public Maildir++ description (README.maildirquota) and Dovecot's notes on it.
// Manual: qmail-virtual(8).  Tests: tests/deliver/quota_test.cc
#ifndef QV_DELIVER_QUOTA_H_
#define QV_DELIVER_QUOTA_H_

#include <time.h>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/result.h"
#include "deliver/files.h"

namespace qv::deliver {

// 0 is no limit.
struct Quota {
  std::uint64_t bytes = 0;
  std::uint64_t messages = 0;
  [[nodiscard]] bool limits() const { return bytes != 0 || messages != 0; }
  friend bool operator==(const Quota&, const Quota&) = default;
};

// "1000S", "10C", "1000S,10C" in any order, or "1000" for bytes alone.  Parts with unknown letters
// are ignored, as Maildir++ asks.  False where a part is not a number and a letter; `quota` is then
// unchanged.
[[nodiscard]] bool parse_quota(std::string_view text, Quota& quota);

// As the first line of maildirsize, without the newline.
[[nodiscard]] std::string quota_line(const Quota& quota);

// The contents of a maildir.
struct MaildirUsage {
  std::uint64_t bytes = 0;
  std::uint64_t messages = 0;
};

// The contents of maildirsize: its quota, and the sum and number of its lines.
struct MaildirSize {
  Quota quota;
  MaildirUsage usage;
  std::size_t lines = 0;
};

// nullopt where the text is not valid: no quota, no line, a malformed line, a sum that is negative
// or too large.  A last line without its newline is incomplete, and is ignored, as Dovecot does.
[[nodiscard]] std::optional<MaildirSize> parse_maildirsize(std::string_view text);

// The text of a new file: the quota, and one line.
[[nodiscard]] std::string maildirsize_text(const Quota& quota, const MaildirUsage& usage);

enum class Room : std::uint8_t { fits, full };

class MaildirQuota {
 public:
  // `root` is the maildir that the quota limits (never a subfolder of it), ending in '/'.
  // REQUIRES: quota.limits().
  MaildirQuota(Files& files, std::string root, const Quota& quota)
      : files_(files), root_(std::move(root)), quota_(quota) {}

  // Whether one message of `size` bytes may be added.  Error: the maildir could not be counted.
  [[nodiscard]] Result<Room> admits(std::uint64_t size);

  // Records that a message was added.  Where that fails the file is removed, so that the next
  // delivery counts afresh.
  void add(std::uint64_t size);

 private:
  enum class Known : std::uint8_t {
    no,     // the file is missing or not valid
    stale,  // count afresh before mail is refused
    fresh,
  };
  [[nodiscard]] Known read_usage(MaildirUsage& usage);
  [[nodiscard]] Result<MaildirUsage> count();
  [[nodiscard]] Result<void> find_directories();
  [[nodiscard]] Result<void> count_directory(const std::string& path, MaildirUsage& usage);
  [[nodiscard]] timespec latest_change();
  void write_usage(const MaildirUsage& usage);
  [[nodiscard]] bool exceeds(const MaildirUsage& usage, std::uint64_t size) const;

  Files& files_;
  std::string root_;
  Quota quota_;
  std::vector<std::string> directories_;  // new/ and cur/ of all folders that count
  timespec counted_at_{};                 // their latest change, before they were counted
};

}  // namespace qv::deliver

#endif  // QV_DELIVER_QUOTA_H_
