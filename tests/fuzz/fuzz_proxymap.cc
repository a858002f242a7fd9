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
  using namespace qv::wire::proxymap;
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  qv::wire::AttributeDecoder decoder;
  if (decoder.scan(bytes) != qv::wire::Frame::whole) return 0;
  qv::wire::proxymap::Request request;
  if (qv::wire::proxymap::parse_request(decoder, bytes, request) ==
      qv::wire::proxymap::Parsed::request) {
    std::string written;
    qv::wire::proxymap::append_request(written, request);
    qv::wire::AttributeDecoder decoder2;
    qv::wire::proxymap::Request again;
    require(decoder2.scan(written) == qv::wire::Frame::whole);
    require(qv::wire::proxymap::parse_request(decoder2, written, again) ==
            qv::wire::proxymap::Parsed::request);
    require(again.operation == request.operation && again.dialect == request.dialect &&
            again.table == request.table && again.flags == request.flags &&
            again.instance_flags == request.instance_flags && again.key == request.key &&
            again.value == request.value && again.next == request.next);
  }
  for (const qv::wire::proxymap::Operation operation :
       {qv::wire::proxymap::Operation::open, qv::wire::proxymap::Operation::lookup,
        qv::wire::proxymap::Operation::update, qv::wire::proxymap::Operation::erase,
        qv::wire::proxymap::Operation::sequence}) {
    for (const qv::wire::proxymap::Dialect dialect :
         {qv::wire::proxymap::Dialect::plain, qv::wire::proxymap::Dialect::with_flags}) {
      qv::wire::proxymap::Reply reply;
      if (qv::wire::proxymap::parse_reply(decoder, bytes, operation, dialect, reply)) {
        require(reply.status <= qv::wire::proxymap::Status::config);
      }
    }
  }
  return 0;
}
