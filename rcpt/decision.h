// SPDX-License-Identifier: 0BSD
// rcpt/decision.h - what was decided about an address, and why.
//
// The verdict follows from the reason, in one table: a step of the decision can accept only by
// naming a reason that means "valid".  Two reasons with different verdicts may have the same word.
//
// Manual: qmail-verify-protocol(7) lists the words.  Tests: tests/rcpt/decision_test.cc
#ifndef QV_RCPT_DECISION_H_
#define QV_RCPT_DECISION_H_

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>

#include "core/check.h"
#include "core/text.h"

namespace qv::rcpt {

// Text in a buffer of fixed size: decisions do not allocate.
template <std::size_t N>
class FixedText {
 public:
  // User-provided, so that the buffer of kilobytes is not zeroed for each decision.
  FixedText() {}  // NOLINT(modernize-use-equals-default,cppcoreguidelines-pro-type-member-init)

  // False, with nothing appended, where it would not fit.
  [[nodiscard]] bool append(std::string_view s) {
    if (s.size() > N - size_) return false;
    if (!s.empty()) memcpy(bytes_ + size_, s.data(), s.size());
    size_ += s.size();
    return true;
  }
  [[nodiscard]] bool append(char c) { return append(std::string_view(&c, 1)); }

  [[nodiscard]] bool append_lower(std::string_view s) {
    const std::size_t before = size_;
    if (!append(s)) return false;
    for (std::size_t i = before; i < size_; ++i) bytes_[i] = ascii_lower(bytes_[i]);
    return true;
  }

  // Replaces what is there; false, with nothing there, where it would not fit.
  [[nodiscard]] bool assign(std::string_view s) {
    clear();
    return append(s);
  }
  // Replaces what is there with as much of `s` as fits.
  void assign_cut(std::string_view s) {
    size_ = s.size() < N ? s.size() : N;
    if (size_ > 0) memmove(bytes_, s.data(), size_);
  }

  // The same, for text from outside that goes into an SMTP reply: bytes other than printable ASCII
  // become '?'.
  void assign_printable(std::string_view s) {
    assign_cut(s);
    for (std::size_t i = 0; i < size_; ++i) {
      if (!is_printable(bytes_[i])) bytes_[i] = '?';
    }
  }

  // REQUIRES: size <= size(), and at < size().
  void truncate(std::size_t size) {
    QV_CHECK(size <= size_);
    size_ = size;
  }
  void set(std::size_t at, char c) {
    QV_CHECK(at < size_);
    bytes_[at] = c;
  }

  void clear() { size_ = 0; }
  [[nodiscard]] std::size_t size() const { return size_; }
  [[nodiscard]] bool empty() const { return size_ == 0; }
  // Valid until the text is changed or gone.
  [[nodiscard]] std::string_view view() const { return {bytes_, size_}; }

 private:
  std::size_t size_ = 0;
  char bytes_[N];
};

enum class Verdict : std::uint8_t { accept, reject, defer };

enum class Why : std::uint8_t {
  // accept
  local,             // a user's own mailbox
  alias,             // .qmail-NAME of the alias user, or an entry of its fastforward table
  dotqmail,          // .qmail-EXT of a user
  default_file,      // a .qmail-...default, of a user or of the alias user
  relay,             // neither local nor virtual: not decided here
  table,             // the table of control/verifymaps has it
  next_hop_accepts,  // the next hop of a relay domain takes it
  accept_all,        // the next hop takes every address of the domain
  backup_mx,         // this host is the domain's backup, and its primary is down
  // reject
  unknown_user,      // no user, no .qmail file, no alias
  syntax,            // no mail address
  too_long,          // over 900 bytes
  bounced,           // the .qmail file, or the user's record, bounces this mail
  disabled,          // the account exists, but has expired or is switched off
  refused,           // the table of control/verifymaps has it, with a value that refuses it
  next_hop_refuses,  // the next hop of a relay domain does not take it
  // defer
  control_error,         // a control file is missing or cannot be used
  table_error,           // users/cdb or another table is damaged, or a record of it
  deferred,              // the table of control/verifymaps has it, with a value that defers it
  passwd_error,          // the passwd look-up failed
  home_error,            // a home, or a .qmail file in it, cannot be looked at
  next_hop_defers,       // the next hop is undecided, or cannot be asked about this address
  accept_all_undecided,  // the next hop takes every address, which proves nothing
  probe_pending,         // the next hop is being asked
  unreachable,           // the next hop cannot be reached
  sender_refused,        // the next hop refuses to talk to qmail-probe
  probe_busy,            // a limit of qmail-probe is reached
  not_probed,            // qmail-probe does not ask about this domain
  probe_error,           // qmail-probe cannot be asked
  timeout,               // a look-up took too long
};

[[nodiscard]] Verdict verdict_of(Why why);

// The word of the `why=` field and the log: "unknown-user".
[[nodiscard]] std::string_view why_word(Why why);

// What it means, for --explain: one line.
[[nodiscard]] std::string_view why_text(Why why);

// A sentence for the SMTP reply, without codes; empty where the verdict is accept.  It does not
// reveal what was looked up: the remote side learns no more than from the code.
[[nodiscard]] std::string_view smtp_text(Why why);

inline constexpr std::size_t kMaxReplyText = 400;  // bytes of text for an SMTP reply
inline constexpr std::size_t kMaxShownUser = 32;   // bytes of controlling user in a reply

struct PendingLookup {};  // the implementation of Lookups (rcpt/lookups.h) derives its own

struct Decision {
  // A look-up is under way: decide again when it has answered.  The implementation of Lookups sets
  // `waits_for`; the other members mean nothing then.
  bool pending = false;
  PendingLookup* waits_for = nullptr;
  Why why = Why::timeout;
  // The high nibble of the reply.  0 where the address alone decided, or a fault for which the
  // protocol has no position.
  std::uint8_t position = 0;
  // Login name of the controlling user, cut at 32 bytes; may be empty.
  FixedText<kMaxShownUser> user;
  // What the .qmail file, table or next hop says to the sender, in printable ASCII; empty:
  // smtp_text(why).
  FixedText<kMaxReplyText> text;

  [[nodiscard]] Verdict verdict() const { return verdict_of(why); }
  // The sentence for the SMTP reply; empty where the verdict is accept.
  [[nodiscard]] std::string_view reply_text() const {
    const bool has_own = verdict() == Verdict::reject || why == Why::deferred;
    return has_own && !text.empty() ? text.view() : smtp_text(why);
  }
};

}  // namespace qv::rcpt

#endif  // QV_RCPT_DECISION_H_
