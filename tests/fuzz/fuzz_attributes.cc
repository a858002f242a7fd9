// SPDX-License-Identifier: 0BSD
// wire/attributes: shown at once or in pieces the decoder must see the same, and what it read must
// be written back to the byte.
#include <cstdint>
#include <cstdlib>

#include "wire/attributes.h"

namespace {

constexpr qv::wire::AttributeLimits kLimits{.message = 4096, .name = 64};

void require(bool condition) {
  if (!condition) abort();
}

// The last answer of a decoder that is shown one more byte each time.
qv::wire::Frame scan_in_pieces(qv::wire::AttributeDecoder& decoder, std::string_view bytes) {
  qv::wire::Frame frame = decoder.scan({});
  for (std::size_t n = 1; n <= bytes.size() && frame == qv::wire::Frame::partial; ++n) {
    frame = decoder.scan({bytes.data(), n});
  }
  return frame;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  qv::wire::AttributeDecoder decoder(kLimits);
  qv::wire::AttributeDecoder slow(kLimits);
  const qv::wire::Frame frame = decoder.scan(bytes);
  require(scan_in_pieces(slow, bytes) == frame);
  if (frame != qv::wire::Frame::whole) return 0;
  require(slow.size() == decoder.size());
  qv::wire::AttributeReader reader(decoder, bytes);
  std::string again;
  std::string_view rest = bytes.substr(0, decoder.size() - 1);
  while (!rest.empty()) {
    const std::string_view name = qv::take_until(rest, '\0');
    const std::string_view value = qv::take_until(rest, '\0');
    require(reader.text(name) == value && !reader.failed());
    qv::wire::append_attribute(again, name, value);
  }
  require(reader.done());
  qv::wire::end_attributes(again);
  require(bytes.substr(0, decoder.size()) == again);
  return 0;
}
