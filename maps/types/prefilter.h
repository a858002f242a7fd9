// SPDX-License-Identifier: 0BSD
// maps/types/prefilter.h - which patterns of a table need not be run for a key.
//
// A table of a thousand patterns would run a thousand matchers for each key, at 80 microseconds and
// more in pcre2's machine code.  Most patterns require texts that few keys contain.  The sequences
// of three bytes in a key are found once; a pattern is run only if they include one that it
// requires.  The same table then takes a twentieth of the time (a thirtieth for ten thousand
// patterns).  The prefilter never changes an answer.
//
// Pure.  Tests: tests/maps/prefilter_test.cc, fuzz_required_text.cc
#ifndef QV_MAPS_TYPES_PREFILTER_H_
#define QV_MAPS_TYPES_PREFILTER_H_

#include <bitset>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/text.h"

namespace qv::maps {

// Texts in small letters that every key contains, in either case, that a Perl-compatible pattern
// matches.  Empty where none is known, and for a pattern with a part that is not understood.
// Understood are letters, digits and most other characters, escaped punctuation, \d \D \w \W \s \S
// \b \B \A \z \Z, classes without '[' in them, groups `(...)` and `(?:...)`, whose contents are
// ignored, anchors, a dot, and all quantifiers.  Alternatives outside groups, and everything else
// that begins with `(?` or `(*`, are not.  REQUIRES: the pattern compiles, without flag x.
[[nodiscard]] std::vector<std::string> required_texts(std::string_view pattern);

// Three bytes as one of kGrams numbers, the same for capital and small letters.  A key that lacks a
// gram of a text does not contain the text; one that has all of them may still not contain it.
using Gram = std::uint16_t;
inline constexpr std::size_t kGramBytes = 3;
inline constexpr Gram kGrams = 4096;
inline constexpr Gram kAnyGram = kGrams;  // one that every key has

// Calls back with each gram of `text`.
template <class Each>
void for_each_gram(std::string_view text, Each each) {
  std::uint32_t window = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    window = (window << 8 | static_cast<unsigned char>(ascii_lower(text[i]))) & 0xffffff;
    if (i + 1 >= kGramBytes) each(static_cast<Gram>(window * 0x9e3779b1U >> 20));
  }
}

class GramSet {
 public:
  explicit GramSet(std::string_view key) {
    has_.set(kAnyGram);
    for_each_gram(key, [this](Gram gram) { has_.set(gram); });
  }
  [[nodiscard]] bool has(Gram gram) const { return has_[gram]; }

 private:
  std::bitset<kGrams + 1> has_;
};

}  // namespace qv::maps

#endif  // QV_MAPS_TYPES_PREFILTER_H_
