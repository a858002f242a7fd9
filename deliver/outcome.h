// SPDX-License-Identifier: 0BSD
// deliver/outcome.h - how the delivery to one recipient ended, and how others are informed of it.
//
// Manual: qmail-virtual(8), "EXIT STATUS"; qmail-lmtpd(8), "REPLIES".
#ifndef QV_DELIVER_OUTCOME_H_
#define QV_DELIVER_OUTCOME_H_

#include <cstdint>
#include <string>
#include <string_view>

#include "core/result.h"

namespace qv::deliver {

enum class Delivery : std::uint8_t {
  done,    // the message is whole, on disk and visible
  retry,   // nothing of it is visible; a later attempt may succeed
  refuse,  // nothing of it is visible; no attempt will succeed
};

struct Outcome {
  Outcome() = default;
  Outcome(Delivery how, std::string_view status, std::string_view why, std::uint64_t size = 0)
      : delivery(how), code(status), text(why), bytes(size) {}
  // A failed operation on a mailbox: over quota and too large (EDQUOT, EFBIG) refuse with 5.2.2, a
  // full disk retries with 4.3.1, a configuration error with 4.3.5, all else with 4.3.0.
  Outcome(const Error& error);  // NOLINT(google-explicit-constructor): what QV_TRY returns

  Delivery delivery = Delivery::retry;
  std::string code = "4.3.0";  // RFC 3463; its first digit is 2, 4 or 5 as `delivery` says
  std::string text;            // one line of printable ASCII, for the sender
  std::uint64_t bytes = 0;     // done: what was written, headers included
};

[[nodiscard]] Outcome done(std::uint64_t bytes);
[[nodiscard]] Outcome retry(std::string_view code, std::string_view text);
[[nodiscard]] Outcome refuse(std::string_view code, std::string_view text);

// For a message that could not be spooled: retry with 4.3.1, whatever the error is.  The spool is
// not the recipient's, and a refusal would be final.
[[nodiscard]] Outcome cannot_spool(const Error& error);

// "done", "retry", "refuse".
[[nodiscard]] const char* delivery_name(Delivery delivery);

// 0, 111, 100: the worst has the greatest.  A retry is worse than a refusal, because a permanent
// answer would end the recipients that could still be delivered to.
[[nodiscard]] int exit_code(Delivery delivery);

}  // namespace qv::deliver

#endif  // QV_DELIVER_OUTCOME_H_
