// SPDX-License-Identifier: 0BSD
// wire/socketmap and the netstrings below it: what parses must survive being written and parsed.
#include <cstdint>
#include <cstdlib>

#include "wire/socketmap.h"

namespace {

void require(bool condition) {
  if (!condition) abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace qv::wire::socketmap;
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  std::size_t used = 0;
  qv::wire::socketmap::Request request;
  if (qv::wire::socketmap::parse_request(bytes, request, used) == qv::wire::Frame::whole) {
    require(used <= size);
    std::string again;
    require(qv::wire::socketmap::append_request(again, request));
    require(again == bytes.substr(0, used));
  }
  qv::wire::socketmap::Reply reply;
  if (qv::wire::socketmap::parse_reply(bytes, reply, used) == qv::wire::Frame::whole) {
    require(used <= size);
    std::string written;
    qv::wire::socketmap::append_reply(written, reply);
    qv::wire::socketmap::Reply again;
    require(qv::wire::socketmap::parse_reply(written, again, used) == qv::wire::Frame::whole);
    require(again.status == reply.status && again.text == reply.text);
  }
  return 0;
}
