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
  using namespace qv::wire::tcp_table;
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  std::size_t used = 0;
  std::string key;
  if (qv::wire::tcp_table::parse_request(bytes, key, used) == qv::wire::Frame::whole) {
    require(used <= size && used <= qv::wire::tcp_table::kMaxLine + 2);
    std::string again;
    // A key that came unencoded may need more room than a line has.
    if (qv::wire::tcp_table::append_request(again, key)) {
      std::string key2;
      require(qv::wire::tcp_table::parse_request(again, key2, used) == qv::wire::Frame::whole &&
              key2 == key);
    }
  }
  qv::wire::tcp_table::Reply reply;
  if (qv::wire::tcp_table::parse_reply(bytes, reply, used) == qv::wire::Frame::whole) {
    require(used <= size);
    std::string written;
    qv::wire::tcp_table::append_reply(written, reply.status, reply.text);
    qv::wire::tcp_table::Reply again;
    require(qv::wire::tcp_table::parse_reply(written, again, used) == qv::wire::Frame::whole);
    require(again.status == reply.status || reply.status == qv::wire::tcp_table::Status::found);
  }
  return 0;
}
