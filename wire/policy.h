// SPDX-License-Identifier: 0BSD
// wire/policy.h - Postfix's policy delegation protocol (SMTPD_POLICY_README).
//
// A request is lines `name=value`, ended by an empty line; a reply is `action=...` and an empty
// line.  A server in trouble sends nothing, logs, and closes.
//
// Pure.  Tests: tests/wire/policy_test.cc, fuzz_policy.cc
#ifndef QV_WIRE_POLICY_H_
#define QV_WIRE_POLICY_H_

#include <cstddef>
#include <string>
#include <string_view>

#include "wire/frame.h"

namespace qv::wire::policy {

inline constexpr std::size_t kMaxRequest = 64u << 10;  // bytes, the empty line included
inline constexpr std::size_t kMaxAction = 1000;        // bytes of a reply's action

// The attributes that matter here; empty where the client did not send them.
struct Request {
  std::string_view request;         // "smtpd_access_policy"
  std::string_view protocol_state;  // CONNECT EHLO HELO MAIL RCPT DATA END-OF-MESSAGE VRFY ETRN
  std::string_view helo_name;
  std::string_view sender;
  std::string_view recipient;  // empty at END-OF-MESSAGE with several recipients
  std::string_view client_address;
};

// Finds the end of a request.  Each byte is examined once: scan() is called with all unconsumed
// bytes of a stream whenever more have arrived.
class RequestScanner {
 public:
  // whole: size() is the length of the request with its empty line.
  // malformed: longer than kMaxRequest, or contains a NUL.
  [[nodiscard]] Frame scan(std::string_view bytes);
  [[nodiscard]] std::size_t size() const { return scanned_; }
  void reset() { *this = RequestScanner{}; }

 private:
  std::size_t scanned_ = 0;
  bool line_is_empty_ = true;
};

// Parses a whole request; views point into it.  Unknown names are ignored, and of a name given
// twice the first counts.  False: a line without '=', or no `request=`, which every client sends.
[[nodiscard]] bool parse_request(std::string_view whole, Request& request);

// Appends the reply `action`; bytes that are not printable ASCII become '?', and it is cut at
// kMaxAction.
void append_reply(std::string& out, std::string_view action);

}  // namespace qv::wire::policy

#endif  // QV_WIRE_POLICY_H_
