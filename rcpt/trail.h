// SPDX-License-Identifier: 0BSD
// rcpt/trail.h - why a decision fell as it did, step by step, for `qmail-verify --explain`.
//
// While serving there is no Trail: a null pointer is handed on, and nothing is built.
#ifndef QV_RCPT_TRAIL_H_
#define QV_RCPT_TRAIL_H_

#include <cstdint>
#include <string>
#include <string_view>

namespace qv {

class Trail {
 public:
  virtual ~Trail() = default;
  Trail() = default;
  Trail(const Trail&) = delete;
  Trail& operator=(const Trail&) = delete;

  // A run begins.  One that has to wait is run again from its beginning: only the last run counts.
  virtual void begin() {}

  // One sentence of printable ASCII.  It begins with where the step was decided, and a colon:
  // "control/locals:3: ...", "users/cdb: ...", "passwd: ...".
  virtual void step(std::string_view sentence) = 0;
};

// Bytes somebody else chose: escaped and set in quotes.
struct Quoted {
  std::string_view bytes;
};

namespace trail_detail {
void add(std::string& out, std::string_view text);
void add(std::string& out, Quoted text);
void add(std::string& out, std::uint64_t number);
}  // namespace trail_detail

// Hands the pieces, joined, to `trail`; nothing where that is null.
template <class... Pieces>
void note(Trail* trail, const Pieces&... pieces) {
  if (trail == nullptr) return;
  std::string sentence;
  (trail_detail::add(sentence, pieces), ...);
  trail->step(sentence);
}

}  // namespace qv

#endif  // QV_RCPT_TRAIL_H_
