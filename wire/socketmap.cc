// SPDX-License-Identifier: 0BSD
#include "wire/socketmap.h"

#include "core/text.h"
#include "wire/netstring.h"

namespace qv::socketmap {

namespace {

struct Word {
  Status status;
  std::string_view text;
};
constexpr Word kWords[] = {
    {Status::ok, "OK"},           {Status::not_found, "NOTFOUND"}, {Status::temporary, "TEMP"},
    {Status::timeout, "TIMEOUT"}, {Status::permanent, "PERM"},
};

std::string_view word_of(Status status) {
  for (const Word& word : kWords) {
    if (word.status == status) return word.text;
  }
  return "TEMP";
}

}  // namespace

Frame parse_request(std::string_view bytes, Request& request, std::size_t& size) {
  std::string_view payload;
  const Frame frame = parse_netstring(bytes, kMaxRequest, payload, size);
  if (frame != Frame::whole) return frame;
  const std::size_t space = find_byte(payload, ' ');
  if (space == 0 || space == payload.size()) return Frame::malformed;
  request = {first_bytes(payload, space), after_bytes(payload, space + 1)};
  return Frame::whole;
}

bool append_request(std::string& out, const Request& request) {
  if (request.name.empty() || find_byte(request.name, ' ') != request.name.size()) return false;
  if (request.name.size() + 1 + request.key.size() > kMaxRequest) return false;
  std::string payload(request.name);
  payload.push_back(' ');
  payload.append(request.key);
  append_netstring(out, payload);
  return true;
}

Frame parse_reply(std::string_view bytes, Reply& reply, std::size_t& size) {
  std::string_view payload;
  const Frame frame = parse_netstring(bytes, kMaxReply, payload, size);
  if (frame != Frame::whole) return frame;
  // The space may be missing where nothing follows it, as some servers have it.
  const std::string_view status = take_until(payload, ' ');
  for (const Word& word : kWords) {
    if (word.text != status) continue;
    reply = {word.status, payload};
    return Frame::whole;
  }
  return Frame::malformed;
}

void append_reply(std::string& out, const Reply& reply) {
  std::string payload(word_of(reply.status));
  payload.push_back(' ');
  const std::size_t room = kMaxReply - payload.size();
  if (reply.status == Status::ok && reply.text.size() > room) {
    append_netstring(out, "PERM value is too long");
    return;
  }
  payload.append(first_bytes(reply.text, room));
  append_netstring(out, payload);
}

}  // namespace qv::socketmap
