// SPDX-License-Identifier: 0BSD
// tests/fakes/verify_reply.h - a reply of qmail-probe, as wire/address_verify.h parses it.
#ifndef QV_TESTS_FAKES_VERIFY_REPLY_H_
#define QV_TESTS_FAKES_VERIFY_REPLY_H_

#include <string>

#include "wire/address_verify.h"

namespace qv::wire::address_verify {

inline void append_reply(std::string& out, const wire::address_verify::Reply& reply) {
  wire::append_attribute(out, "status", reply.status);
  if (reply.status == wire::address_verify::kStatusOk) {
    wire::append_attribute(out, "recipient_status", static_cast<std::uint32_t>(reply.recipient));
    wire::append_attribute(out, "reason", reply.reason);
    wire::append_attribute(out, "why", reply.why);
  }
  wire::end_attributes(out);
}

}  // namespace qv::wire::address_verify

#endif  // QV_TESTS_FAKES_VERIFY_REPLY_H_
