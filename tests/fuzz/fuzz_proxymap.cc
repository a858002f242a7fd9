// SPDX-License-Identifier: 0BSD
// wire/proxymap: a request or reply that parses must be written as it was read.
#include <cstdint>
#include <cstdlib>

#include "wire/proxymap.h"

namespace {

void require(bool condition) {
  if (!condition) abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace qv::proxymap;
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  qv::AttributeDecoder decoder;
  if (decoder.scan(bytes) != qv::Frame::whole) return 0;
  Request request;
  if (parse_request(decoder, bytes, request) == Parsed::request) {
    std::string written;
    append_request(written, request);
    qv::AttributeDecoder decoder2;
    Request again;
    require(decoder2.scan(written) == qv::Frame::whole);
    require(parse_request(decoder2, written, again) == Parsed::request);
    require(again.operation == request.operation && again.dialect == request.dialect &&
            again.table == request.table && again.flags == request.flags &&
            again.instance_flags == request.instance_flags && again.key == request.key &&
            again.value == request.value && again.next == request.next);
  }
  for (const Operation operation : {Operation::open, Operation::lookup, Operation::update,
                                    Operation::erase, Operation::sequence}) {
    for (const Dialect dialect : {Dialect::plain, Dialect::with_flags}) {
      Reply reply;
      if (parse_reply(decoder, bytes, operation, dialect, reply)) {
        require(reply.status <= Status::config);
      }
    }
  }
  return 0;
}
