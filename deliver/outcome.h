// SPDX-License-Identifier: 0BSD
// deliver/outcome.h - how the delivery to one recipient ended, and how that is said to others.
//
// Manual: qmail-virtual(8), "EXIT CODES" and "LMTP REPLIES".
#ifndef QV_DELIVER_OUTCOME_H_
#define QV_DELIVER_OUTCOME_H_

#include <cstdint>
#include <string>
#include <string_view>

#include "core/result.h"

namespace qv {

enum class Delivery : std::uint8_t {
  done,    // the message is whole, on disk and visible
  retry,   // nothing of it is visible; later it may work
  refuse,  // nothing of it is visible; it will not work
};

struct Outcome {
  Delivery delivery = Delivery::retry;
  std::string code = "4.3.0";  // RFC 3463; its first digit is 2, 4 or 5 as `delivery` says
  std::string text;            // one line of printable ASCII, for the sender
  std::uint64_t bytes = 0;     // done: what was written, headers included
};

[[nodiscard]] Outcome done(std::uint64_t bytes);
[[nodiscard]] Outcome retry(std::string_view code, std::string_view text);
[[nodiscard]] Outcome refuse(std::string_view code, std::string_view text);

// What an errno of a mailbox operation means: over quota and too large (EDQUOT, EFBIG) refuse with
// 5.2.2, a full disk retries with 4.3.1, what an operator must mend with 4.3.5, all else 4.3.0.
[[nodiscard]] Outcome outcome_from_errno(int errnum, std::string_view doing);
[[nodiscard]] Outcome outcome_from(const Error& error);

// For what could not be kept on its way: retry with 4.3.1, whatever the error is, because the spool
// is not the recipient's, and a refusal would be final.
[[nodiscard]] Outcome cannot_spool(const Error& error);

// "done", "retry", "refuse".
[[nodiscard]] const char* delivery_name(Delivery delivery);

// 0, 111, 100.
[[nodiscard]] int exit_code(Delivery delivery);

// The worse of two for one exit code: retry, then refuse, then done.  Retry first, because a
// permanent answer would end the recipients that could still be delivered to.
[[nodiscard]] Delivery worse(Delivery a, Delivery b);

}  // namespace qv

#endif  // QV_DELIVER_OUTCOME_H_
