// SPDX-License-Identifier: 0BSD
#include "verifyvalue.h"

#include "core/text.h"

namespace qv {

namespace {

// A number, with its bounds, or a flag.
struct Option {
  std::string_view name;  // of a number with its '='
  std::uint32_t VerifyValue::*number;
  bool VerifyValue::*flag;
  std::uint32_t min;
  std::uint32_t max;
  const char* rule;
};

constexpr Option kOptions[] = {
    {"timeout=", &VerifyValue::timeout, nullptr, 1, 60, "timeout is 1 to 60 seconds"},
    {"tries=", &VerifyValue::tries, nullptr, 1, 10, "tries is 1 to 10"},
    {"maxbad=", &VerifyValue::maxbad, nullptr, 1, 10000, "maxbad is 1 to 10000 recipients"},
    {"badsleep=", &VerifyValue::badsleep, nullptr, 0, 60, "badsleep is 0 to 60 seconds"},
    {"tempok", nullptr, &VerifyValue::tempok, 0, 0, nullptr},
    {"legacy", nullptr, &VerifyValue::legacy, 0, 0, nullptr},
};

bool is_word(std::string_view s) {
  for (const char c : s) {
    if (ascii_lower(c) < 'a' || ascii_lower(c) > 'z') return false;
  }
  return true;
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

// Applies an item; `seen` has a bit for each option met so far.  The rule that the item breaks, or
// null.
const char* apply_item(std::string_view item, VerifyValue& value, std::uint32_t& seen) {
  std::uint32_t bit = 1;
  for (const Option& option : kOptions) {
    if (option.flag != nullptr ? item == option.name : starts_with(item, option.name)) {
      if ((seen & bit) != 0) return "given twice";
      seen |= bit;
      if (option.flag != nullptr) {
        value.*option.flag = true;
        return nullptr;
      }
      std::uint64_t number = 0;
      const std::string_view text = after_bytes(item, option.name.size());
      if (!parse_decimal(text, option.max, number) || number < option.min) return option.rule;
      value.*option.number = static_cast<std::uint32_t>(number);
      return nullptr;
    }
    bit <<= 1;
  }
  if (item.empty()) return "nothing stands between two commas";
  if (equal_ignoring_case(item, "defer")) return "DEFER has to stand in front";
  return add_server(item, value);
}

}  // namespace

std::optional<VerifyMistake> parse_verify_value(std::string_view text, VerifyValue& value) {
  value = VerifyValue{};
  std::uint32_t seen = 0;
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
