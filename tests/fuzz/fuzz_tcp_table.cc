// SPDX-License-Identifier: 0BSD
// wire/tcp_table: what parses must survive being written and parsed again.
#include <cstdint>
#include <cstdlib>

#include "wire/tcp_table.h"

namespace {

void require(bool condition) {
  if (!condition) abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace qv::tcp_table;
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  std::size_t used = 0;
  std::string key;
  if (parse_request(bytes, key, used) == qv::Frame::whole) {
    require(used <= size && used <= kMaxLine + 2);
    std::string again;
    // A key that came unencoded may need more room than a line has.
    if (append_request(again, key)) {
      std::string key2;
      require(parse_request(again, key2, used) == qv::Frame::whole && key2 == key);
    }
  }
  Reply reply;
  if (parse_reply(bytes, reply, used) == qv::Frame::whole) {
    require(used <= size);
    std::string written;
    append_reply(written, reply.status, reply.text);
    Reply again;
    require(parse_reply(written, again, used) == qv::Frame::whole);
    require(again.status == reply.status || reply.status == Status::found);
  }
  return 0;
}
