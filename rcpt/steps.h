// SPDX-License-Identifier: 0BSD
// rcpt/steps.h - what the steps of the decision share; for rcpt/ alone.
#ifndef QV_RCPT_STEPS_H_
#define QV_RCPT_STEPS_H_

#include <cstdint>

#include "core/result.h"
#include "rcpt/decision.h"

namespace qv {

// What follows a step: the next one, or nothing, because the decision has fallen or is pending.
enum class Next : std::uint8_t { go_on, stop };

[[nodiscard]] inline Next decided(Decision& decision, Why why, std::uint8_t position) {
  decision.why = why;
  decision.position = position;
  return Next::stop;
}

[[nodiscard]] inline Next pending(Decision& decision) {
  decision.pending = true;
  return Next::stop;
}

// A fault of a look-up: `otherwise` says whose, unless it is that time ran out.
[[nodiscard]] Next failed(Decision& decision, const Error& error, Why otherwise,
                          std::uint8_t position);

}  // namespace qv

#endif  // QV_RCPT_STEPS_H_
