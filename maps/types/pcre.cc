// SPDX-License-Identifier: 0BSD
//@ needs: libpcre2-8
// pcre:/path - Perl-compatible regular expressions, as pcre_table(5), compiled to machine code.
//
// Flags turn a default round: i (on), m (off), s (on: a dot matches a newline), x (off), A (off:
// anchored), E (off: $ only at the end), U (off: ungreedy), X (no effect, for old files).  A match
// that needs more than kMatchLimit steps is a Fault: a key that a stranger chose must not delay
// everybody else.  Manual: qmail-map-patterns(5).
#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include <algorithm>

#include "core/check.h"
#include "maps/types/pattern_table.h"
#include "maps/types/prefilter.h"

namespace qv::maps {

namespace {

constexpr std::uint32_t kMatchLimit = 200'000;  // steps of one match
constexpr std::uint32_t kHeapLimit = 20'000;    // KiB of one match without JIT

// What all patterns of the process share; never freed.
struct Shared {
  pcre2_match_context* context = pcre2_match_context_create(nullptr);
  pcre2_match_data* data = pcre2_match_data_create(kMaxGroups, nullptr);

  Shared() {
    pcre2_jit_stack* stack = pcre2_jit_stack_create(32 * 1024, 1024 * 1024, nullptr);
    QV_CHECK(context != nullptr && data != nullptr && stack != nullptr);
    pcre2_set_match_limit(context, kMatchLimit);
    pcre2_set_heap_limit(context, kHeapLimit);
    pcre2_jit_stack_assign(context, nullptr, stack);
  }
};

Shared& shared() {
  static Shared* const only = new Shared;
  return *only;
}

class Pcre final : public Pattern {
 public:
  explicit Pcre(pcre2_code* code) : code_(code) {
    std::uint32_t count = 0;
    pcre2_pattern_info(code_, PCRE2_INFO_CAPTURECOUNT, &count);
    groups = count;
    jit_ = pcre2_jit_compile(code_, PCRE2_JIT_COMPLETE) == 0;
  }
  ~Pcre() override { pcre2_code_free(code_); }

  Result<Answer> match(std::string_view key, Groups& matched) override {
    const Shared& s = shared();
    const auto* text = reinterpret_cast<PCRE2_SPTR>(key.empty() ? "" : key.data());
    const int count = jit_ ? pcre2_jit_match(code_, text, key.size(), 0, 0, s.data, s.context)
                           : pcre2_match(code_, text, key.size(), 0, 0, s.data, s.context);
    if (count == PCRE2_ERROR_NOMATCH) return Answer::absent;
    if (count < 0) return Error{Fault::retry, 0, "pcre match limit reached"};
    const PCRE2_SIZE* offsets = pcre2_get_ovector_pointer(s.data);
    const std::size_t wanted = std::min(groups + 1, kMaxGroups);
    const std::size_t set = count == 0 ? kMaxGroups : static_cast<std::size_t>(count);
    for (std::size_t i = 0; i < wanted; ++i) {
      const bool has_matched = i < set && offsets[2 * i] != PCRE2_UNSET;
      // \K can put the begin behind the end.
      const PCRE2_SIZE begin = has_matched ? std::min(offsets[2 * i], offsets[2 * i + 1]) : 0;
      const PCRE2_SIZE end = has_matched ? offsets[2 * i + 1] : 0;
      matched[i] = key.substr(begin, end - begin);
    }
    return Answer::found;
  }

 private:
  pcre2_code* code_;
  bool jit_ = false;
};

constexpr PatternFlag kFlags[] = {{'i', PCRE2_CASELESS}, {'m', PCRE2_MULTILINE},
                                  {'s', PCRE2_DOTALL},   {'x', PCRE2_EXTENDED},
                                  {'A', PCRE2_ANCHORED}, {'E', PCRE2_DOLLAR_ENDONLY},
                                  {'U', PCRE2_UNGREEDY}, {'X', 0}};

std::unique_ptr<Pattern> compile(std::string_view& rest, std::string& wrong) {
  std::string_view pattern;
  std::uint32_t options = PCRE2_CASELESS | PCRE2_DOTALL;
  if (!consume_pattern(rest, kFlags, pattern, options, wrong)) return nullptr;
  int code = 0;
  PCRE2_SIZE offset = 0;
  pcre2_code* compiled = pcre2_compile(reinterpret_cast<PCRE2_SPTR>(pattern.data()), pattern.size(),
                                       options, &code, &offset, nullptr);
  if (compiled == nullptr) {
    std::array<unsigned char, 200> text{};
    pcre2_get_error_message(code, text.data(), text.size());
    wrong = reinterpret_cast<const char*>(text.data()) + (" at offset " + std::to_string(offset));
    return nullptr;
  }
  auto made = std::make_unique<Pcre>(compiled);
  if ((options & PCRE2_EXTENDED) == 0) made->required = required_texts(pattern);
  return made;
}

}  // namespace

extern const MapType map_type_pcre{"pcre",
                                   {.pattern = true},
                                   "/path: Perl-compatible regular expressions",
                                   open_patterns<compile, true>};

}  // namespace qv::maps
