// SPDX-License-Identifier: 0BSD
// wire/proxymap.h - requests and replies of Postfix's proxymap protocol, both dialects.
//
// The server greets each client and then answers its requests in order.  Postfix 3.6 to 3.10 sends
// `flags` alone.  Since 3.11 `instance_flags` says how to open the table, `flags` are those that
// the client received last, and every reply carries the flags.  Each request shows its dialect.
//
// Pure.  Manual: qmail-proxymap-protocol(7).  Tests: tests/wire/proxymap_test.cc, fuzz_proxymap.cc
#ifndef QV_WIRE_PROXYMAP_H_
#define QV_WIRE_PROXYMAP_H_

#include <cstdint>
#include <string>
#include <string_view>

#include "wire/attributes.h"

namespace qv::wire::proxymap {

inline constexpr std::string_view kGreeting = "proxymap_protocol";

enum class Operation : std::uint8_t { open, lookup, update, erase, sequence };

enum class Dialect : std::uint8_t {
  plain,       // to 3.10
  with_flags,  // since 3.11
};

enum class Status : std::uint8_t {
  ok = 0,
  no_key = 1,  // there is no such entry, or no further one
  retry = 2,   // undecided now
  bad = 3,     // the request makes no sense
  deny = 4,    // the table is not approved, or not for this operation
  config = 5,  // undecided until the operator acts
};

// Those bits of the flags that matter to a proxy, as Postfix numbers them.
namespace flag {
inline constexpr std::uint32_t kTryWithoutNul = 1u << 2;
inline constexpr std::uint32_t kTryWithNul = 1u << 3;
inline constexpr std::uint32_t kFixed = 1u << 4;    // keys are strings
inline constexpr std::uint32_t kPattern = 1u << 5;  // keys are matched against patterns
inline constexpr std::uint32_t kLock = 1u << 6;
inline constexpr std::uint32_t kNoSubstitution = 1u << 11;
inline constexpr std::uint32_t kFoldFixed = 1u << 14;
inline constexpr std::uint32_t kFoldPattern = 1u << 15;
inline constexpr std::uint32_t kOpenLock = 1u << 16;
inline constexpr std::uint32_t kMultiWriter = 1u << 18;
// What can differ between requests on one open table: duplicates (0, 1, 7), lock, synchronous
// update (8), what is not allowed (11 to 13), folding, UTF-8 requested (19).
inline constexpr std::uint32_t kRequestMask =
    3u << 0 | flag::kLock | 3u << 7 | 7u << 11 | flag::kFoldFixed | flag::kFoldPattern | 1u << 19;
}  // namespace flag

struct Request {
  Operation operation = Operation::open;
  Dialect dialect = Dialect::plain;
  std::string_view table = {};       // without any leading "proxy:"
  std::uint32_t instance_flags = 0;  // plain: the same as flags
  std::uint32_t flags = 0;
  std::string_view key = {};    // lookup, update, erase
  std::string_view value = {};  // update
  bool next = false;            // sequence: the next entry, not the first
};

enum class Parsed : std::uint8_t {
  request,
  unknown,    // `request=` names another operation
  malformed,  // an attribute is missing, superfluous, out of order, or not a number
};

// Parses one message; views point into `bytes`.  Where it is malformed, operation and dialect are
// set as far as they were read, for append_reply().
// REQUIRES: `decoder` returned whole for `bytes`.
[[nodiscard]] Parsed parse_request(const AttributeDecoder& decoder, std::string_view bytes,
                                   Request& request);

// Appends a request as a Postfix of that dialect would send it.
void append_request(std::string& out, const Request& request);

struct Reply {
  Status status = Status::retry;
  std::uint32_t flags = 0;
  std::string_view key = {};  // sequence
  std::string_view value = {};
};

void append_greeting(std::string& out);

// Appends the reply with the attributes that `operation` has in that dialect.
void append_reply(std::string& out, Operation operation, Dialect dialect, const Reply& reply);

// Appends the status alone: the reply to a request whose operation is unknown.
void append_status(std::string& out, Status status);

// Parses a reply; also a status alone, which a server in trouble sends.  False: malformed, or an
// unknown status.
[[nodiscard]] bool parse_reply(const AttributeDecoder& decoder, std::string_view bytes,
                               Operation operation, Dialect dialect, Reply& reply);

// True if the message is the greeting of this protocol.
[[nodiscard]] bool is_greeting(const AttributeDecoder& decoder, std::string_view bytes);

// `table` without any leading "proxy:".
[[nodiscard]] std::string_view strip_proxy(std::string_view table);

// "open", "lookup", "update", "delete", "sequence"; "ok", "no-key", ...: for log lines.
[[nodiscard]] std::string_view operation_name(Operation operation);
[[nodiscard]] std::string_view status_name(Status status);

}  // namespace qv::wire::proxymap

#endif  // QV_WIRE_PROXYMAP_H_
