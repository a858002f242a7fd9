// SPDX-License-Identifier: 0BSD
#include "rcpt/trail.h"

#include "core/text.h"

namespace qv::trail_detail {

void add(std::string& out, std::string_view text) { out += text; }

void add(std::string& out, Quoted text) {
  const std::size_t before = out.size() + 1;
  out.resize(before + 4 * text.bytes.size());
  out[before - 1] = '"';
  out.resize(before + escape(text.bytes, out.data() + before, 4 * text.bytes.size()));
  out += '"';
}

void add(std::string& out, std::uint64_t number) { out += std::to_string(number); }

}  // namespace qv::trail_detail
