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
  using namespace qv::datagram;
  Query query;
  const Parsed parsed = parse_query(bytes, bytes.size() > kMaxDatagram, query);
  require(query.address.size() <= kMaxAddress);
  require(parsed != Parsed::extended || is_id(query.id));
  if (parsed != Parsed::extended) return;
  std::array<char, kMaxDatagram> out{};
  const std::size_t length = encode_query(query, out);
  require(length > 0);
  Query again;
  require(parse_query({out.data(), length}, false, again) == Parsed::extended);
  require(again.address == query.address && again.id == query.id);
}

void try_reply(std::string_view bytes) {
  using namespace qv::datagram;
  Reply reply;
  const ReplyForm form = parse_reply(bytes, reply);
  if (form == ReplyForm::malformed) return;
  require((form == ReplyForm::extended) == !reply.id.empty());
  std::array<char, kMaxDatagram> out{};
  const std::size_t length = encode_reply(reply, out);
  Reply again;
  require(parse_reply({out.data(), length}, again) == form);
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
