// SPDX-License-Identifier: 0BSD
// wire/policy: shown at once or in pieces the scanner must see the same; what parses must survive
// being written and parsed again.
#include <cstdint>
#include <cstdlib>

#include "wire/policy.h"

namespace {

void require(bool condition) {
  if (!condition) abort();
}

qv::Frame scan_in_pieces(qv::policy::RequestScanner& scanner, std::string_view bytes) {
  qv::Frame frame = scanner.scan({});
  for (std::size_t n = 1; n <= bytes.size() && frame == qv::Frame::partial; ++n) {
    frame = scanner.scan({bytes.data(), n});
  }
  return frame;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace qv::policy;
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  RequestScanner scanner;
  RequestScanner slow;
  const qv::Frame frame = scanner.scan(bytes);
  require(scan_in_pieces(slow, bytes) == frame);
  Request request;
  if (frame == qv::Frame::whole && parse_request(bytes.substr(0, scanner.size()), request)) {
    std::string written;
    append_request(written, request);
    RequestScanner again;
    Request request2;
    require(again.scan(written) == qv::Frame::whole && again.size() == written.size());
    require(parse_request(written, request2));
    require(request2.recipient == request.recipient && request2.sender == request.sender);
  }
  std::string_view action;
  std::size_t used = 0;
  if (parse_reply(bytes, action, used) == qv::Frame::whole) {
    std::string written;
    append_reply(written, action);
    require(written.size() == used);
  }
  return 0;
}
