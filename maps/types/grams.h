// SPDX-License-Identifier: 0BSD
// maps/types/grams.h - which three bytes stand side by side in a key: a quick test for what cannot
// match.
//
// Three bytes become one of kGrams numbers, capital and small letters the same ones.  A text can
// only stand in a key if all its grams are among the key's; the other way round they may be there
// by chance.
//
// Pure.  Tests: tests/maps/required_text_test.cc
#ifndef QV_MAPS_TYPES_GRAMS_H_
#define QV_MAPS_TYPES_GRAMS_H_

#include <bitset>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "core/text.h"

namespace qv {

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

#endif  // QV_MAPS_TYPES_GRAMS_H_
