// SPDX-License-Identifier: 0BSD
#include "wire/address_verify.h"

namespace qv::wire::address_verify {

void append_query(std::string& out, std::string_view address, std::uint32_t wait_ms) {
  append_attribute(out, "request", "query");
  append_attribute(out, "address", address);
  append_attribute(out, "wait", wait_ms);
  end_attributes(out);
}

bool parse_reply(const AttributeDecoder& decoder, std::string_view bytes, Reply& reply) {
  AttributeReader reader(decoder, bytes);
  reply.status = reader.number("status");
  // A failed request has no other attributes.
  if (reply.status != kStatusOk) return reader.done();
  const std::uint32_t recipient = reader.number("recipient_status");
  reply.reason = reader.text("reason");
  reply.why = reader.text("why");
  if (!reader.done() || recipient > static_cast<std::uint32_t>(Recipient::todo)) return false;
  reply.recipient = static_cast<Recipient>(recipient);
  return true;
}

}  // namespace qv::wire::address_verify
