// SPDX-License-Identifier: 0BSD
// verifyvalue.h - the grammar of VERIFY: bytes to settings.
//
//   value  = [ defer "," ] item *( "," item )  |  defer
//   defer  = a word that begins with D or d
//   item   = server | option
//   server = host:port as in core/endpoint.h; ":" is the default one
//   option = "timeout=" 1..60 | "tries=" 1..10 | "maxbad=" 1..10000 | "badsleep=" 0..60
//          | "tempok" | "legacy"
//
// Servers are asked in the order given; without any it is 127.0.0.1:11113.  Anything else is an
// error, never "off": the value was meant to do something.
//
// Pure; allocates nothing; links without the C++ runtime.
// Manual: verifyrcpt(3).  Tests: tests/verifyvalue_test.cc, fuzz_verify_value.cc
#ifndef QV_VERIFYVALUE_H_
#define QV_VERIFYVALUE_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

#include "udpbits.h"

namespace qv {

inline constexpr std::size_t kMaxServers = 8;

struct VerifyValue {
  bool defer = false;          // refuse at DATA, not at RCPT
  bool tempok = false;         // accept what the servers cannot decide
  bool legacy = false;         // accept answers without an id, as old daemons send
  std::uint32_t timeout = 5;   // seconds for one recipient, all servers and tries together
  std::uint32_t tries = 3;     // times that a question is sent, at least once to each server
  std::uint32_t maxbad = 0;    // refused recipients after which the session ends; 0: no such limit
  std::uint32_t badsleep = 0;  // seconds to wait before a refusal
  std::size_t servers = 0;
  std::array<Endpoint, kMaxServers> server{};
};

// An error in a value: the item, as written, and the rule it breaks.
struct VerifyMistake {
  std::string_view item;
  const char* rule;
};

// nullopt: `value` is complete and has a server.  Else the first error; do not use `value`.
// REQUIRES: `text` is not empty.
[[nodiscard]] std::optional<VerifyMistake> parse_verify_value(std::string_view text,
                                                              VerifyValue& value);

}  // namespace qv

#endif  // QV_VERIFYVALUE_H_
