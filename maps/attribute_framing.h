// SPDX-License-Identifier: 0BSD
// maps/attribute_framing.h - Postfix's attribute messages (wire/attributes.h) for a RequestClient.
//
// Header only.  Tests: tests/maps/proxy_client_test.cc, tests/verify/next_hops_test.cc
#ifndef QV_MAPS_ATTRIBUTE_FRAMING_H_
#define QV_MAPS_ATTRIBUTE_FRAMING_H_

#include <optional>
#include <string_view>

#include "event/request_client.h"
#include "wire/attributes.h"

namespace qv::maps {

// The server greets with "protocol=" and `protocol`.  REQUIRES: `protocol` is a literal.
[[nodiscard]] inline event::RequestClient::NewFraming attribute_framing(
    std::string_view protocol, const wire::AttributeLimits& limits = {}) {
  return [protocol, limits]() -> event::RequestClient::Framing {
    return [protocol, decoder = wire::AttributeDecoder(limits)](
               std::string_view input,
               event::RequestClient::Awaited awaited) mutable -> std::optional<std::size_t> {
      const wire::Frame frame = decoder.scan(input);
      if (frame == wire::Frame::partial) return 0;
      if (frame == wire::Frame::malformed) return std::nullopt;
      const std::size_t size = decoder.size();
      wire::AttributeReader reader(decoder, input);
      decoder.reset();
      if (awaited == event::RequestClient::Awaited::reply) return size;
      const bool is_greeting = reader.text("protocol") == protocol && reader.done();
      return is_greeting ? std::optional(size) : std::nullopt;
    };
  };
}

}  // namespace qv::maps

#endif  // QV_MAPS_ATTRIBUTE_FRAMING_H_
