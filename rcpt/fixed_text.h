// SPDX-License-Identifier: 0BSD
// rcpt/fixed_text.h - text in a buffer of fixed size, for decisions that must not allocate.
#ifndef QV_RCPT_FIXED_TEXT_H_
#define QV_RCPT_FIXED_TEXT_H_

#include <cstddef>
#include <cstring>
#include <string_view>

#include "core/check.h"
#include "core/text.h"

namespace qv {

template <std::size_t N>
class FixedText {
 public:
  // User-provided, so that nobody zeroes a buffer of kilobytes for each decision.
  FixedText() {}  // NOLINT(modernize-use-equals-default,cppcoreguidelines-pro-type-member-init)

  // False, with nothing appended, where it would not fit.
  [[nodiscard]] bool append(std::string_view s) {
    if (s.size() > N - size_) return false;
    if (!s.empty()) memcpy(bytes_ + size_, s.data(), s.size());
    size_ += s.size();
    return true;
  }
  [[nodiscard]] bool append(char c) { return append(std::string_view(&c, 1)); }

  // Replaces what is there with as much of `s` as fits.
  void assign_cut(std::string_view s) {
    size_ = s.size() < N ? s.size() : N;
    if (size_ > 0) memmove(bytes_, s.data(), size_);
  }

  // The same, for text that somebody else wrote and that goes into an SMTP reply: what is not
  // printable ASCII becomes '?'.
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

}  // namespace qv

#endif  // QV_RCPT_FIXED_TEXT_H_
