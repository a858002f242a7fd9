// SPDX-License-Identifier: 0BSD
// maps/types/required_text.h - texts without which no key matches a Perl-compatible pattern.
//
// So that a table of a thousand patterns need not run a thousand matchers for each key.  What is
// not understood is given up: what comes out is right, or nothing.  Understood are letters, digits
// and most other characters, escaped punctuation, \d \D \w \W \s \S \b \B \A \z \Z, classes without
// '[' in them, groups `(...)` and `(?:...)`, whose contents say nothing, anchors, a dot, and all
// quantifiers.  Alternatives outside groups, and everything else that begins with `(?` or `(*`, are
// not, and neither is the flag x.
//
// Pure.  Tests: tests/maps/required_text_test.cc, fuzz_required_text.cc
#ifndef QV_MAPS_TYPES_REQUIRED_TEXT_H_
#define QV_MAPS_TYPES_REQUIRED_TEXT_H_

#include <string>
#include <string_view>
#include <vector>

namespace qv {

// Each of these, in small letters, stands in every key that matches, its letters small or capital.
// Empty where nothing is known.  REQUIRES: the pattern compiles, without flag x.
[[nodiscard]] std::vector<std::string> required_texts(std::string_view pattern);

}  // namespace qv

#endif  // QV_MAPS_TYPES_REQUIRED_TEXT_H_
