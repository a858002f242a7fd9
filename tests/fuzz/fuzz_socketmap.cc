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
  using namespace qv::socketmap;
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  std::size_t used = 0;
  Request request;
  if (parse_request(bytes, request, used) == qv::Frame::whole) {
    require(used <= size);
    std::string again;
    require(append_request(again, request));
    require(again == bytes.substr(0, used));
  }
  Reply reply;
  if (parse_reply(bytes, reply, used) == qv::Frame::whole) {
    require(used <= size);
    std::string written;
    append_reply(written, reply);
    Reply again;
    require(parse_reply(written, again, used) == qv::Frame::whole);
    require(again.status == reply.status && again.text == reply.text);
  }
  return 0;
}
