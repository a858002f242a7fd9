// SPDX-License-Identifier: 0BSD
// maps/types/prefilter.h - which patterns of a table need not be run for a key.
//
// A table of a thousand patterns would run a thousand matchers for each key, at 80 microseconds and
// more in pcre2's machine code.  Most patterns require texts that few keys hold, and which three
// bytes stand side by side in a key is found once: with that the same table takes a twentieth of
// the time (a thirtieth for ten thousand patterns).  It never changes an answer.
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

namespace qv {

// Texts in small letters, each of which stands in every key that a Perl-compatible pattern matches,
// its letters small or capital.  Empty where nothing is known: what is not understood is given up.
// Understood are letters, digits and most other characters, escaped punctuation, \d \D \w \W \s \S
// \b \B \A \z \Z, classes without '[' in them, groups `(...)` and `(?:...)`, whose contents say
// nothing, anchors, a dot, and all quantifiers.  Alternatives outside groups, and everything else
// that begins with `(?` or `(*`, are not.  REQUIRES: the pattern compiles, without flag x.
[[nodiscard]] std::vector<std::string> required_texts(std::string_view pattern);

// Three bytes as one of kGrams numbers, capital and small letters the same ones.  A text can only
// stand in a key if all its grams are among the key's; the other way round they may be there by
// chance.
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

}  // namespace qv

#endif  // QV_MAPS_TYPES_PREFILTER_H_
