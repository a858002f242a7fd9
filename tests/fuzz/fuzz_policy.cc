// SPDX-License-Identifier: 0BSD
// wire/policy: shown at once or in pieces the scanner must see the same; what is parsed lies within
// the request.
#include <cstdint>
#include <cstdlib>

#include "wire/policy.h"

namespace {

void require(bool condition) {
  if (!condition) abort();
}

qv::wire::Frame scan_in_pieces(qv::wire::policy::RequestScanner& scanner, std::string_view bytes) {
  qv::wire::Frame frame = scanner.scan({});
  for (std::size_t n = 1; n <= bytes.size() && frame == qv::wire::Frame::partial; ++n) {
    frame = scanner.scan({bytes.data(), n});
  }
  return frame;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace qv::wire::policy;
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  qv::wire::policy::RequestScanner scanner;
  qv::wire::policy::RequestScanner slow;
  const qv::wire::Frame frame = scanner.scan(bytes);
  require(scan_in_pieces(slow, bytes) == frame);
  qv::wire::policy::Request request;
  if (frame == qv::wire::Frame::whole &&
      qv::wire::policy::parse_request(bytes.substr(0, scanner.size()), request)) {
    for (const std::string_view value : {request.recipient, request.sender}) {
      require(value.find_first_of(std::string_view("\n\0", 2)) == std::string_view::npos);
      require(value.empty() || (value.data() >= bytes.data() &&
                                value.data() + value.size() <= bytes.data() + scanner.size()));
    }
  }
  return 0;
}
