// SPDX-License-Identifier: 0BSD
// wire/address_verify: a reply that parses must be written as it was read.
#include <cstdint>
#include <cstdlib>

#include "tests/fakes/verify_reply.h"

namespace {

void require(bool condition) {
  if (!condition) abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace qv::wire::address_verify;
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  qv::wire::AttributeDecoder decoder;
  qv::wire::address_verify::Reply reply;
  if (decoder.scan(bytes) != qv::wire::Frame::whole ||
      !qv::wire::address_verify::parse_reply(decoder, bytes, reply))
    return 0;
  require(reply.recipient <= qv::wire::address_verify::Recipient::todo);
  std::string written;
  qv::wire::address_verify::append_reply(written, reply);
  qv::wire::AttributeDecoder decoder2;
  qv::wire::address_verify::Reply again;
  require(decoder2.scan(written) == qv::wire::Frame::whole && decoder2.size() == written.size());
  require(qv::wire::address_verify::parse_reply(decoder2, written, again));
  require(again.status == reply.status && again.recipient == reply.recipient &&
          again.reason == reply.reason && again.why == reply.why);
  return 0;
}
