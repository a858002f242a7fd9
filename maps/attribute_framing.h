// SPDX-License-Identifier: 0BSD
// maps/attribute_framing.h - Postfix's attribute messages (wire/attributes.h) for a RequestClient.
//
// Header only.  Tests: tests/maps/proxy_client_test.cc, tests/verify/next_hops_test.cc
#ifndef QV_MAPS_ATTRIBUTE_FRAMING_H_
#define QV_MAPS_ATTRIBUTE_FRAMING_H_

#include <memory>
#include <string_view>

#include "event/request_client.h"
#include "wire/attributes.h"

namespace qv {

class AttributeFraming final : public RequestClient::Framing {
 public:
  // `protocol`: the server greets with "protocol=" and this.  REQUIRES: it outlives this object.
  AttributeFraming(std::string_view protocol, const AttributeLimits& limits)
      : protocol_(protocol), decoder_(limits) {}

  // For RequestClient.
  [[nodiscard]] static RequestClient::NewFraming of(std::string_view protocol,
                                                    const AttributeLimits& limits = {}) {
    return [protocol, limits] { return std::make_unique<AttributeFraming>(protocol, limits); };
  }

  Seen look(std::string_view input) override {
    const Frame frame = decoder_.scan(input);
    if (frame == Frame::partial) return Seen::partial;
    return frame == Frame::whole ? Seen::message : Seen::nonsense;
  }
  [[nodiscard]] std::size_t size() const override { return decoder_.size(); }
  [[nodiscard]] bool is_greeting(std::string_view message) const override {
    AttributeReader reader(decoder_, message);
    return reader.text("protocol") == protocol_ && reader.done();
  }
  void reset() override { decoder_.reset(); }

 private:
  std::string_view protocol_;
  AttributeDecoder decoder_;
};

}  // namespace qv

#endif  // QV_MAPS_ATTRIBUTE_FRAMING_H_
