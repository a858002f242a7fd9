// SPDX-License-Identifier: 0BSD
// rcpt/explanation.h - why a decision fell as it did, step by step, for `qmail-verify --explain`.
//
// While serving there is none: a null pointer is handed on, and nothing is built.
#ifndef QV_RCPT_EXPLANATION_H_
#define QV_RCPT_EXPLANATION_H_

#include <string_view>

namespace qv {

class Explanation {
 public:
  virtual ~Explanation() = default;
  Explanation() = default;
  Explanation(const Explanation&) = delete;
  Explanation& operator=(const Explanation&) = delete;

  // A run begins.  One that has to wait is run again from its beginning: only the last run counts.
  virtual void begin() {}

  // One sentence of printable ASCII.  It begins with where the step was decided, and a colon:
  // "control/locals:3: ...", "users/cdb: ...", "passwd: ...".
  virtual void step(std::string_view sentence) = 0;
};

}  // namespace qv

#endif  // QV_RCPT_EXPLANATION_H_
