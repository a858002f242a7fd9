// SPDX-License-Identifier: 0BSD
// wire/datagram.h - the verification datagram, both forms, bytes to struct and back.
//
// Legacy query: the address, optionally one NUL.  Extended query: address NUL, then `name=value`
// NUL each, `v=2` first and `id=` mandatory.  Legacy reply: one byte (low nibble result, high
// nibble position) and up to 32 bytes of controlling user.  Extended reply: the same, NUL, then
// `v=2`, `id=`, `why=` and optionally `text=`, NUL each.
//
// Pure: no I/O, no allocation, links without the C++ runtime.  Every string_view of a parsed
// datagram points into it.
// Manual: qmail-verify-protocol(7).  Tests: tests/wire/datagram_test.cc, fuzz_datagram.cc
#ifndef QV_WIRE_DATAGRAM_H_
#define QV_WIRE_DATAGRAM_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

namespace qv::wire::datagram {

inline constexpr std::size_t kMaxAddress = 900;    // bytes, a longer one is not valid
inline constexpr std::size_t kMaxDatagram = 1200;  // bytes, query and reply
inline constexpr std::size_t kMaxUser = 32;        // bytes of controlling user in a reply
inline constexpr std::size_t kMaxText = 400;       // bytes of `text=`
inline constexpr std::size_t kMaxWhy = 32;         // bytes of `why=`
inline constexpr std::size_t kMinId = 16;          // characters
inline constexpr std::size_t kMaxId = 32;

// The low nibble of a reply's first byte.
enum class Result : std::uint8_t { valid = 0, not_valid = 1, undecided = 2 };

struct Query {
  std::string_view address;  // up to the first NUL, at most kMaxAddress bytes
  std::string_view id;       // of an extended query; empty for a legacy one
  std::string_view client;   // from the SMTP server, unchecked bytes; empty where not given
  std::string_view helo;
  std::string_view sender;
};

enum class Parsed : std::uint8_t {
  legacy,    // decide about the address, answer in the legacy form
  extended,  // decide about the address, answer with the id
  too_long,  // address or datagram over the limit: not valid; the id is set where there is one
};

// Parses one query.  `truncated`: the datagram was longer than `bytes`.
// Without `v=2` in front or a well-formed id the query is a legacy one, as it is to an old daemon.
// Unknown fields are ignored; of a field given twice the first counts.
[[nodiscard]] Parsed parse_query(std::string_view bytes, bool truncated, Query& query);

// Writes an extended query.  Empty fields are left out, and so are those of client, helo and sender
// that no longer fit into kMaxDatagram.  A value is cut at its first NUL.  Returns the length, or 0
// where the address is longer than kMaxAddress or contains a NUL, or the id is malformed.
// REQUIRES: out.size() >= kMaxDatagram.
[[nodiscard]] std::size_t encode_query(const Query& query, std::span<char> out);

struct Reply {
  Result result = Result::undecided;
  std::uint8_t position = 0;  // 0 to 15
  std::string_view user;
  std::string_view id;  // empty: a legacy reply
  std::string_view why;
  std::string_view text;
};

enum class ReplyForm : std::uint8_t {
  legacy,     // one byte and a user, nothing behind it
  extended,   // id and why are set
  malformed,  // neither: no reply at all
};

// Parses one reply.  malformed: a user longer than kMaxUser, a low nibble over 2, a missing or
// malformed id or why (lower-case letters and '-'), a text that is too long or not printable ASCII.
[[nodiscard]] ReplyForm parse_reply(std::string_view bytes, Reply& reply);

// Writes a reply, extended if reply.id is not empty.  The user is cut at kMaxUser bytes and at a
// NUL; bytes of the text that are not printable ASCII become '?', and it is cut at kMaxText.
// Returns the length.  REQUIRES: out.size() >= kMaxDatagram; position <= 15; id, if any, well
// formed; why at most kMaxWhy.
[[nodiscard]] std::size_t encode_reply(const Reply& reply, std::span<char> out);

// 16 to 32 characters of [0-9a-f].
[[nodiscard]] bool is_id(std::string_view s);

}  // namespace qv::wire::datagram

#endif  // QV_WIRE_DATAGRAM_H_
