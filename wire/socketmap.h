// SPDX-License-Identifier: 0BSD
// wire/socketmap.h - Sendmail's and Postfix's socketmap protocol (socketmap_table(5)).
//
// A request is the netstring `name SP key`, a reply the netstring `STATUS SP text`.  Requests may
// be pipelined; replies keep their order.
//
// Pure.  Tests: tests/wire/socketmap_test.cc, netstring_test.cc, fuzz_socketmap.cc
#ifndef QV_WIRE_SOCKETMAP_H_
#define QV_WIRE_SOCKETMAP_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "wire/frame.h"

namespace qv::wire {

// ---- netstrings, `length:bytes,` as in https://cr.yp.to/proto/netstrings.txt

// Parses a netstring at the start of `bytes`.  whole: `payload` points into `bytes`, `size` is the
// length of the netstring with its frame.  malformed: a length that is not a decimal number without
// leading zeros, a payload longer than `max`, no comma behind it.
[[nodiscard]] Frame parse_netstring(std::string_view bytes, std::size_t max,
                                    std::string_view& payload, std::size_t& size);

void append_netstring(std::string& out, std::string_view payload);

}  // namespace qv::wire

namespace qv::wire::socketmap {

inline constexpr std::size_t kMaxRequest = 10000;  // bytes of payload, Postfix's own limit
inline constexpr std::size_t kMaxReply = 100000;

enum class Status : std::uint8_t {
  ok,         // OK: the text is the value
  not_found,  // NOTFOUND: there is no such key
  temporary,  // TEMP: undecided now; the text says why
  timeout,    // TIMEOUT: the same
  permanent,  // PERM: the server is unable to answer; the text says why
};

struct Request {
  std::string_view name;  // of the map; never empty, no space
  std::string_view key;   // any bytes, may be empty
};

// Parses a request at the start of `bytes`; views point into it.
[[nodiscard]] Frame parse_request(std::string_view bytes, Request& request, std::size_t& size);
// Appends a request.  False, nothing appended, where the name is empty or has a space, or name and
// key are longer than kMaxRequest.
[[nodiscard]] bool append_request(std::string& out, const Request& request);

struct Reply {
  Status status = Status::temporary;
  std::string_view text;
};

// Parses a reply at the start of `bytes`.
[[nodiscard]] Frame parse_reply(std::string_view bytes, Reply& reply, std::size_t& size);
// Appends a reply.  An OK too long for kMaxReply becomes PERM: a truncated value must not pass for
// a whole one.  Texts of the other statuses are cut.
void append_reply(std::string& out, const Reply& reply);

}  // namespace qv::wire::socketmap

#endif  // QV_WIRE_SOCKETMAP_H_
