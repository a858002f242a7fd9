// SPDX-License-Identifier: 0BSD
#include "verifyvalue.h"

#include "core/text.h"

namespace qv {

namespace {

struct NumberOption {
  std::string_view name;  // with its '='
  std::uint32_t VerifyValue::*field;
  std::uint32_t min;
  std::uint32_t max;
  const char* rule;
};

constexpr NumberOption kNumbers[] = {
    {"timeout=", &VerifyValue::timeout, 1, 60, "timeout is 1 to 60 seconds"},
    {"tries=", &VerifyValue::tries, 1, 10, "tries is 1 to 10"},
    {"maxbad=", &VerifyValue::maxbad, 1, 10000, "maxbad is 1 to 10000 recipients"},
    {"badsleep=", &VerifyValue::badsleep, 0, 60, "badsleep is 0 to 60 seconds"},
};

struct FlagOption {
  std::string_view name;
  bool VerifyValue::*field;
};

constexpr FlagOption kFlags[] = {
    {"tempok", &VerifyValue::tempok},
    {"legacy", &VerifyValue::legacy},
};

// The options met so far, a bit each: numbers first, then flags.
using Seen = std::uint32_t;

// An option given twice is an error: the values may differ.
const char* record(Seen& seen, std::size_t option) {
  const Seen bit = Seen{1} << option;
  const bool again = (seen & bit) != 0;
  seen |= bit;
  return again ? "given twice" : nullptr;
}

bool is_word(std::string_view s) {
  for (const char c : s) {
    if (ascii_lower(c) < 'a' || ascii_lower(c) > 'z') return false;
  }
  return true;
}

const char* set_number(const NumberOption& option, std::string_view text, VerifyValue& value) {
  std::uint64_t number = 0;
  if (!parse_decimal(text, option.max, number) || number < option.min) return option.rule;
  value.*option.field = static_cast<std::uint32_t>(number);
  return nullptr;
}

const char* add_server(std::string_view item, VerifyValue& value) {
  const Result<Endpoint> endpoint = parse_endpoint(item, kVerifyPort);
  if (!endpoint.ok()) {
    return "neither an option nor the address of a server (a.b.c.d:port, [v6]:port, unix:/path)";
  }
  const bool nowhere = !is_unix(endpoint.value()) && endpoint_port(endpoint.value()) == 0;
  if (nowhere) return "no server can be asked at port 0";
  if (value.servers == kMaxServers) return "more than 8 servers";
  value.server[value.servers++] = endpoint.value();
  return nullptr;
}

// The rule that the item breaks, or nullptr.
const char* apply_item(std::string_view item, VerifyValue& value, Seen& seen) {
  std::size_t index = 0;
  for (const NumberOption& option : kNumbers) {
    if (starts_with(item, option.name)) {
      const char* twice = record(seen, index);
      const std::string_view number = after_bytes(item, option.name.size());
      return twice != nullptr ? twice : set_number(option, number, value);
    }
    ++index;
  }
  for (const FlagOption& option : kFlags) {
    if (item == option.name) {
      value.*option.field = true;
      return record(seen, index);
    }
    ++index;
  }
  if (item.empty()) return "nothing stands between two commas";
  if (equal_ignoring_case(item, "defer")) return "DEFER has to stand in front";
  return add_server(item, value);
}

}  // namespace

std::optional<VerifyMistake> parse_verify_value(std::string_view text, VerifyValue& value) {
  value = VerifyValue{};
  Seen seen = 0;
  // As in 1.x: any word that begins with this letter.
  const std::string_view first = first_bytes(text, find_byte(text, ','));
  value.defer = !first.empty() && ascii_lower(first.front()) == 'd' && is_word(first);
  bool more = true;
  if (value.defer) {
    more = first.size() < text.size();
    text = after_bytes(text, first.size() + 1);
  }
  while (more) {
    more = find_byte(text, ',') < text.size();
    const std::string_view item = take_until(text, ',');
    const char* rule = apply_item(item, value, seen);
    if (rule != nullptr) return VerifyMistake{item, rule};
  }
  // Without a server: the default one, which cannot fail.
  if (value.servers == 0) static_cast<void>(add_server(":", value));
  return std::nullopt;
}

}  // namespace qv
