// SPDX-License-Identifier: 0BSD
// Both directions of wire/datagram: what parses must survive being written and parsed again.
#include <array>
#include <cstdint>
#include <cstdlib>

#include "wire/datagram.h"

namespace {

void require(bool condition) {
  if (!condition) abort();
}

void try_query(std::string_view bytes) {
  using namespace qv::wire::datagram;
  qv::wire::datagram::Query query;
  const qv::wire::datagram::Parsed parsed = qv::wire::datagram::parse_query(
      bytes, bytes.size() > qv::wire::datagram::kMaxDatagram, query);
  require(query.address.size() <= qv::wire::datagram::kMaxAddress);
  require(parsed != qv::wire::datagram::Parsed::extended || qv::wire::datagram::is_id(query.id));
  if (parsed != qv::wire::datagram::Parsed::extended) return;
  std::array<char, qv::wire::datagram::kMaxDatagram> out{};
  const std::size_t length = qv::wire::datagram::encode_query(query, out);
  require(length > 0);
  qv::wire::datagram::Query again;
  require(qv::wire::datagram::parse_query({out.data(), length}, false, again) ==
          qv::wire::datagram::Parsed::extended);
  require(again.address == query.address && again.id == query.id);
}

void try_reply(std::string_view bytes) {
  using namespace qv::wire::datagram;
  qv::wire::datagram::Reply reply;
  const qv::wire::datagram::ReplyForm form = qv::wire::datagram::parse_reply(bytes, reply);
  if (form == qv::wire::datagram::ReplyForm::malformed) return;
  require((form == qv::wire::datagram::ReplyForm::extended) == !reply.id.empty());
  std::array<char, qv::wire::datagram::kMaxDatagram> out{};
  const std::size_t length = qv::wire::datagram::encode_reply(reply, out);
  qv::wire::datagram::Reply again;
  require(qv::wire::datagram::parse_reply({out.data(), length}, again) == form);
  require(again.result == reply.result && again.position == reply.position &&
          again.user == reply.user && again.id == reply.id && again.why == reply.why &&
          again.text == reply.text);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  try_query(bytes);
  try_reply(bytes);
  return 0;
}
